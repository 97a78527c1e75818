//! Whether a member may leave without loss: the others must have what they need, and each of them says so itself.
//!
//! Nobody knows how far another member has its records. So whoever is asked to remove a member asks all that store something with it. What a member that was
//! removed or lost before had may be on one member alone until it is copied, where each record has a copyset of its own: then the others are asked for
//! every record, and between them must have all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::envelope::Envelope;
use super::holdings::Holdings;
use super::host::{Cluster, Shared};
use super::place::{Place, Stands, places};
use super::stock::{self, Has, Stock};
use crate::PartitionId;
use crate::raft::{GlobalState, GroupError};
use crate::replication::{Epoch, MemberId};

/// Nobody waits longer for all that is asked.
const WITHIN: Duration = Duration::from_secs(15);
/// Nor for one answer.
const ANSWER: Duration = Duration::from_secs(4);
/// So long the others may take to get what was there when they were first asked: under load they are always a little behind.
const CATCH_UP: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);

const WAIT: &str = "wait until `pyralog cluster status` says that all other members are whole";

/// A partition that stands on the member that is to leave, and on others.
struct Shares {
    place: Place,
    /// Those others that are still members.
    others: BTreeSet<MemberId>,
}

impl Cluster {
    /// Takes a member out of the cluster, for ever. Its partitions are given to others, where there are some. `may_lose_records`: nobody is asked before whether
    /// the others have what they need.
    ///
    /// # Errors
    /// [`GroupError::Refused`] where records could be lost with it, or a partition could be held up; [`GroupError::Unavailable`] without a majority; and as
    /// [`crate::raft::RaftGroups::remove`].
    pub async fn remove(&self, member: MemberId, may_lose_records: bool) -> Result<(), GroupError> {
        if !may_lose_records {
            let late =
                |_| Err(refused(member, "the others did not say in time whether they have what they need", WAIT));
            timeout(WITHIN, self.check_leaving(member)).await.unwrap_or_else(late)?;
        }
        self.groups().remove(member).await
    }

    async fn check_leaving(&self, leaver: MemberId) -> Result<(), GroupError> {
        let shared = &self.shared;
        shared.hear_of_all().await?;
        let live = shared.live();
        if !live.contains(&leaver) {
            // Whoever removes it is told.
            return Ok(());
        }
        self.have_blocks(leaver, &live).await?;
        let shares = self.shares(leaver, &live)?;
        let members: BTreeSet<MemberId> = shares.iter().flat_map(|of| of.others.iter().copied()).collect();
        let stocks = self.caught_up(leaver, &members, &shares).await?;
        for of in &shares {
            let has = |member: &MemberId| stocks.get(member).and_then(|stock| stock.get(&of.place.id)).copied();
            let unsure = of.others.iter().find(|member| has(member).is_some_and(|has| has.state == Has::Unsure));
            let to = of.others.iter().filter_map(|member| has(member).map(|has| has.to)).min().unwrap_or(0);
            if let Some(unsure) = unsure
                && shared.have_all(of, to).await != Some(true)
            {
                let why =
                    format!("{} is behind: member {} does not have its records yet that others lost", of, unsure.0);
                return Err(refused(leaver, &why, WAIT));
            }
        }
        shared.groups.global().read(|_| ()).await?;
        if shared.live() != live {
            return Err(refused(leaver, "the members changed meanwhile", "look at them, and ask again"));
        }
        Ok(())
    }

    /// Whether the others that are up have all blocks of the chain: what they lack may be on the member that is to leave alone.
    async fn have_blocks(&self, leaver: MemberId, live: &BTreeSet<MemberId>) -> Result<(), GroupError> {
        let until = Instant::now() + CATCH_UP;
        loop {
            let lacks = self.lacks();
            let lacking = lacks.iter().find(|(id, lacks)| lacks.blocks && **id != leaver && live.contains(id));
            match lacking {
                None => return Ok(()),
                Some((member, _)) if Instant::now() >= until => {
                    let why = format!("member {} does not have all blocks of the chain yet", member.0);
                    return Err(refused(leaver, &why, WAIT));
                }
                Some(_) => sleep(PAUSE).await,
            }
        }
    }

    /// What stands on the member that is to leave. All of it is where it should be, and enough others are up for it to go on.
    fn shares(&self, leaver: MemberId, live: &BTreeSet<MemberId>) -> Result<Vec<Shares>, GroupError> {
        let (shared, up) = (&self.shared, self.up());
        let mut shares = Vec::new();
        for place in shared.places() {
            let earlier = shared.epochs(place.id, |store| store.earlier_stands_on(leaver)).unwrap_or(false);
            let stands = shared.stands(place.id).filter(|stands| stands.epoch > Epoch::NONE);
            let nodeset = stands.as_ref().map_or(&place.nodeset, |stands| &stands.nodeset);
            if !(earlier || nodeset.contains(leaver) || place.nodeset.contains(leaver)) {
                continue;
            }
            let others = nodeset.members().iter().copied().filter(|member| *member != leaver && live.contains(member));
            let others: BTreeSet<MemberId> = others.collect();
            let (up, needed) = (others.intersection(&up).count(), nodeset.recovery_quorum());
            let of = called(&place);
            if up < needed {
                let why = match up {
                    1 => format!("{of} would have 1 member that is up, and needs {needed} to go on"),
                    _ => format!("{of} would have {up} members that are up, and needs {needed} to go on"),
                };
                let remedy = match others.len() < needed {
                    true => "without one of its members nobody can recover it: add another one, or delete the log",
                    false => "start those that are down",
                };
                return Err(refused(leaver, &why, remedy));
            }
            if !stands.as_ref().is_some_and(|stands| place.is_settled(stands)) {
                let why = format!("{of} is on its way to other members, or recovers an earlier epoch");
                return Err(refused(leaver, &why, WAIT));
            }
            if let Some(away) = others.difference(&self.up()).next() {
                let why = format!("member {} cannot be asked whether it has what it needs of {of}", away.0);
                return Err(refused(leaver, &why, "start it first, or remove it instead"));
            }
            shares.push(Shares { place, others });
        }
        Ok(shares)
    }

    /// What these members have of what stands on the member that is to leave, once each has all that one of them had when they were first asked.
    async fn caught_up(
        &self,
        leaver: MemberId,
        members: &BTreeSet<MemberId>,
        shares: &[Shares],
    ) -> Result<BTreeMap<MemberId, BTreeMap<PartitionId, Stock>>, GroupError> {
        let (mut wanted, until) = (BTreeMap::new(), Instant::now() + CATCH_UP);
        loop {
            let stocks = self.ask_stocks(leaver, members).await?;
            if wanted.is_empty() {
                for (id, stock) in stocks.values().flatten() {
                    let most: &mut u64 = wanted.entry(*id).or_default();
                    *most = stock.to.max(*most);
                }
            }
            let lacks = |member: &MemberId, id: &PartitionId| {
                let stock = stocks.get(member).and_then(|stock| stock.get(id));
                stock.is_none_or(|stock| stock.state == Has::Less || wanted.get(id).is_some_and(|to| stock.to < *to))
            };
            let lacking = shares.iter().find_map(|of| {
                let member = of.others.iter().find(|member| lacks(member, &of.place.id))?;
                Some((of, *member))
            });
            match lacking {
                None => return Ok(stocks),
                Some((of, member)) if Instant::now() >= until => {
                    let why = format!("{of} is behind: member {} does not have all of its records yet", member.0);
                    return Err(refused(leaver, &why, WAIT));
                }
                Some(_) => sleep(PAUSE).await,
            }
        }
    }

    /// What each of these members says that it has of what stands on the one that is to leave.
    async fn ask_stocks(
        &self,
        leaver: MemberId,
        members: &BTreeSet<MemberId>,
    ) -> Result<BTreeMap<MemberId, BTreeMap<PartitionId, Stock>>, GroupError> {
        let mut asking = JoinSet::new();
        for member in members.iter().copied() {
            let shared = Arc::clone(&self.shared);
            asking.spawn(async move { (member, shared.stock_of(member, leaver).await) });
        }
        let mut stocks = BTreeMap::new();
        while let Some(answered) = asking.join_next().await {
            match answered {
                Ok((member, Some(stock))) => drop(stocks.insert(member, stock)),
                Ok((member, None)) => {
                    let why = format!("member {} did not say what it has of what stands on that one", member.0);
                    return Err(refused(leaver, &why, "see which members are up, and ask again"));
                }
                Err(_) => return Err(refused(leaver, "this member is stopping", "ask another one")),
            }
        }
        Ok(stocks)
    }
}

impl Shared {
    /// All partitions of the cluster, as far as this member knows.
    pub(super) fn places(&self) -> Vec<Place> {
        let log_id = Arc::clone(&self.options.log_id);
        self.groups.global().look(|state| places(state, log_id.as_ref()))
    }

    fn live(&self) -> BTreeSet<MemberId> {
        self.groups.global().look(|state: &GlobalState| state.live().map(|(id, _)| id).collect())
    }

    /// Waits until this member knows what the groups had decided when it was asked.
    ///
    /// # Errors
    /// As [`crate::raft::Group::read`].
    pub(super) async fn hear_of_all(&self) -> Result<(), GroupError> {
        self.groups.global().read(|_| ()).await?;
        let mut reading = JoinSet::new();
        for shard in self.groups.shards() {
            reading.spawn(async move { shard.read(|_| ()).await });
        }
        while let Some(read) = reading.join_next().await {
            // One that ended in between was shut down.
            read.unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    /// A member is asked what it has; this one asks itself.
    async fn stock_of(&self, member: MemberId, leaver: MemberId) -> Option<BTreeMap<PartitionId, Stock>> {
        if member == self.me {
            return Some(self.stock(leaver));
        }
        let asked = self.calls.ask(member, |id| Envelope::Leaving { id, member: leaver });
        let answer = timeout(ANSWER, asked).await.ok()?.ok()?;
        stock::read(&answer).ok()
    }

    /// What this member has of the partitions that it stores with the one that is to leave.
    fn stock(&self, leaver: MemberId) -> BTreeMap<PartitionId, Stock> {
        let of = |place: &Place| {
            let stands = self.stands(place.id)?;
            let shares = stands.nodeset.contains(self.me) && stands.nodeset.contains(leaver);
            shares.then(|| (place.id, self.stock_at(place, &stands)))
        };
        self.places().iter().filter_map(of).collect()
    }

    fn stock_at(&self, place: &Place, stands: &Stands) -> Stock {
        let Some(replica) = self.replicas.get(place.id).filter(|replica| replica.broken().is_none()) else {
            return Stock { state: Has::Less, to: 0 };
        };
        let at = replica.applied();
        let to = at.offset;
        // What the epochs before have acknowledged is here by then.
        let has_begun = !at.between && at.lsn.epoch >= stands.epoch;
        let state = match has_begun && place.is_settled(stands) {
            false => Has::Less,
            true if place.spread.is_sparse() && !self.is_repaired(place.id, &stands.nodeset) => Has::Unsure,
            true => Has::All,
        };
        Stock { state, to }
    }

    /// Another member asks what this one has.
    pub(super) fn tell_stock(self: &Arc<Self>, (to, id): (MemberId, u64), leaver: MemberId) {
        let shared = Arc::clone(self);
        let Ok(place) = Arc::clone(&self.telling).try_acquire_owned() else {
            let _sent = self.links.send(to, Envelope::Told { id, answer: None });
            return;
        };
        tokio::spawn(async move {
            let _place = place;
            let heard = timeout(ANSWER, shared.hear_of_all()).await;
            let answer = heard.is_ok_and(|heard| heard.is_ok()).then(|| stock::to_bytes(&shared.stock(leaver)));
            let _sent = shared.links.send(to, Envelope::Told { id, answer });
        });
    }

    /// Whether each record of a partition up to `to` is on one of the others; `None` where one of them does not say. What retention has removed on one of
    /// them is not asked for.
    async fn have_all(&self, of: &Shares, to: u64) -> Option<bool> {
        let mut at = 0;
        while at < to {
            let mut held = Vec::new();
            for member in &of.others {
                held.push(self.holdings_of(*member, of.place.id, at).await?);
            }
            let from = held.iter().map(|held| held.from).max()?.max(at);
            let end = held.iter().map(|held| held.end).min()?;
            let lost = (from..end).any(|offset| held.iter().all(|held| held.has(offset) != Some(true)));
            if lost {
                return Some(false);
            }
            if from.max(end) <= at {
                return None;
            }
            at = from.max(end);
        }
        Some(true)
    }

    async fn holdings_of(&self, member: MemberId, partition: PartitionId, from: u64) -> Option<Holdings> {
        if member == self.me {
            let replica = self.replicas.get(partition)?;
            let held = tokio::task::spawn_blocking(move || Holdings::of(&replica, from, u64::MAX, 0));
            return held.await.ok()?.ok();
        }
        let asked = self.calls.ask(member, |id| Envelope::Survey { id, partition, from });
        Holdings::from_bytes(&timeout(ANSWER, asked).await.ok()?.ok()?).ok()
    }
}

fn called(place: &Place) -> String {
    format!("partition {} of log {}", place.number, place.spec.name)
}

impl std::fmt::Display for Shares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&called(&self.place))
    }
}

fn refused(leaver: MemberId, why: &str, remedy: &str) -> GroupError {
    let why = format!(
        "member {} is not removed, since records could be lost with it: {why}; {remedy}. `pyralog cluster remove {} --may-lose-records` \
         (`?may_lose_records=true`) removes it nevertheless",
        leaver.0, leaver.0
    );
    GroupError::Refused { group: 0, why }
}
