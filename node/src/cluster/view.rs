//! The cluster as an operator sees it.

use pyralog_cluster_core::cluster::{Cluster, Lacks, PartitionStatus};
use pyralog_cluster_core::raft::{Member, Role};
use pyralog_cluster_core::replication::MemberId;
use pyralog_p2p::PeerId;
use serde::Serialize;

use super::OwnLogs;

/// `GET /v1/cluster`.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Who answers.
    pub member: u64,
    /// Who leads the global group. None where that member is not up, or no majority is heard.
    pub leader: Option<u64>,
    /// Who signs for the cluster. None where nobody does at the moment, and where it has one member only, which signs by itself.
    pub signer: Option<u64>,
    /// Who would sign, and waits for blocks of the chain that it lacks.
    pub signer_waits: Option<u64>,
    /// Whether all members are up and lack nothing, and every partition is led and stored where it should be: only then the disk of one may be lost.
    pub whole: bool,
    /// Whether the answering member hears a majority of the voters: without one no log is made, and no partition gets a leader.
    pub majority: bool,
    /// Whether the cluster has confirmed its start: before it nothing is taken there.
    pub started: bool,
    /// All that are there.
    pub members: Vec<MemberView>,
    /// All, by log and number.
    pub partitions: Vec<PartitionView>,
    /// Why the answering member stores no further records, if its disk is full.
    pub disk_low: Option<String>,
}

/// A member.
#[derive(Clone, Debug, Serialize)]
pub struct MemberView {
    /// Its id.
    pub member: u64,
    /// For people.
    pub name: String,
    /// Its libp2p peer id.
    pub peer_id: String,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// `voter` or `learner`.
    pub role: &'static str,
    /// Whether the answering member reaches it.
    pub up: bool,
    /// What it says that it lacks: `records`, `blocks` of the chain, `leaves` of the notary log; `lost records` are on no member any more. None where it
    /// has not said so of late.
    pub lacks: Option<Vec<&'static str>>,
}

/// A partition.
#[derive(Clone, Debug, Serialize)]
pub struct PartitionView {
    /// Its log.
    pub log: String,
    /// Its number.
    pub partition: u32,
    /// Its id in the cluster.
    pub id: String,
    /// The newest epoch of its sequencer.
    pub epoch: String,
    /// Who leads it, if that member is up.
    pub leader: Option<u64>,
    /// Who stores its newest epoch.
    pub members: Vec<u64>,
    /// Durable copies before a record is acknowledged.
    pub copies: usize,
    /// Records that the answering member has, if it stores the partition.
    pub records: Option<String>,
    /// Whether records are known to be missing there, or the partition is on its way to other members or recovers an earlier epoch: no further member
    /// should be lost meanwhile.
    pub behind: bool,
    /// Records that no member has any more, where the answering member knows.
    pub lost: Option<String>,
}

/// How many of the voters are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Votes {
    heard: usize,
    all: usize,
}

impl Votes {
    pub(super) fn of(cluster: &Cluster) -> Self {
        let voters = cluster.groups().global().status().voters;
        Self { heard: voters.intersection(&cluster.up()).count(), all: voters.len() }
    }

    /// Why the cluster decides nothing, if a majority is missing.
    pub(super) fn missing(self) -> Option<String> {
        let Self { heard, all } = self;
        let most = all / 2 + 1;
        (heard < most).then(|| {
            format!(
                "a majority of the cluster's voters is missing: {heard} of {all} are heard, and {most} are needed; start the others, which `pyralog \
                 cluster status` shows"
            )
        })
    }
}

impl View {
    pub(super) fn of(cluster: &Cluster, started: bool) -> Self {
        let up = cluster.up();
        let (global, lacks) = (cluster.groups().global(), cluster.lacks());
        let voters = global.status().voters;
        let members = global.look(|state| {
            let view = |(id, member): (MemberId, &Member)| MemberView {
                member: id.0,
                name: member.name.clone(),
                peer_id: PeerId::from_bytes(&member.peer).map(|peer| peer.to_string()).unwrap_or_default(),
                addresses: member.addresses.clone(),
                // One that somebody began to remove has no vote any more, whatever it is to be.
                role: match member.role {
                    Role::Voter if voters.contains(&id) => "voter",
                    _ => "learner",
                },
                up: up.contains(&id),
                lacks: lacks.get(&id).copied().map(Lacks::words),
            };
            state.live().map(view).collect()
        });
        let partition = |status: PartitionStatus| PartitionView {
            log: status.log.to_string(),
            partition: status.number,
            id: status.partition.0.to_string(),
            epoch: status.epoch.0.to_string(),
            leader: up.contains(&status.sequencer).then_some(status.sequencer.0),
            members: status.nodeset.members().iter().map(|member| member.0).collect(),
            copies: status.nodeset.copies(),
            records: status.records.map(|records| records.to_string()),
            behind: status.behind || !status.settled,
            lost: status.lost.map(|lost| lost.to_string()),
        };
        let partitions = cluster.partitions();
        // While an earlier epoch is brought together nobody does.
        let leads = OwnLogs::new().ok().and_then(|names| {
            let of = partitions.iter().find(|status| status.log == names.signer)?;
            let recovered = of.last_clean.next() == Some(of.epoch);
            Some(of.sequencer).filter(|member| recovered && up.contains(member))
        });
        // Whoever lacks blocks signs nothing that comes after them.
        let waits = leads.filter(|member| lacks.get(member).is_some_and(|lacks| lacks.blocks));
        let signer = leads.filter(|_| waits.is_none());
        let Votes { heard, all } = Votes::of(cluster);
        let majority = heard > all / 2;
        // Who led before is remembered for a while: without a majority nobody leads.
        let leader = global.status().leader.member.filter(|leader| majority && up.contains(leader));
        Self {
            majority,
            started,
            signer: signer.map(|member| member.0),
            signer_waits: waits.map(|member| member.0),
            whole: cluster.is_whole(),
            member: cluster.id().0,
            leader: leader.map(|member| member.0),
            members,
            partitions: partitions.into_iter().map(partition).collect(),
            disk_low: cluster.disk_low().map(|reason| reason.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_voters_are_no_majority() {
        let why = |heard, all| Votes { heard, all }.missing();
        assert_eq!([why(1, 1), why(2, 3), why(3, 4)], [None, None, None]);
        assert!(why(2, 4).unwrap().contains("2 of 4 are heard, and 3 are needed"));
        assert!(why(1, 2).is_some() && why(2, 5).is_some());
    }
}
