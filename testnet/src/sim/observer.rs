//! Sees every message where it is sent, and judges what honest validators sign.

use std::collections::{BTreeMap, BTreeSet};

use pyralog_consensus::block::{Step, Timestamp, ValidatorAddress, ValueId};
use pyralog_consensus::engine::{SignMark, Statement, WireMessage};
use tendermint::block::{Commit, CommitSig};

use super::audit::{Audit, Broken};
use super::disk::Disk;
use super::outcome::Rule;
use super::plan::{MS, PRECISION};

/// Who, at which height and round, with which step.
type Position = (ValidatorAddress, SignMark);
/// What was said: the value, and the proof-of-lock round of a proposal.
type Said = (Option<ValueId>, Option<u32>);

/// Remembers what was said at recent heights.
#[derive(Default)]
pub(super) struct Observer {
    honest: BTreeSet<ValidatorAddress>,
    said: BTreeMap<Position, Said>,
    /// Who prevoted a value in a round.
    prevotes: BTreeMap<(u64, u32, ValueId), BTreeSet<ValidatorAddress>>,
    /// The last precommit for a block of each honest validator.
    locks: BTreeMap<(ValidatorAddress, u64), (u32, ValueId)>,
    /// Values that were proposed with a proof-of-lock round.
    proven: BTreeSet<(u64, u32, ValueId)>,
}

impl Observer {
    pub(super) fn new(honest: impl IntoIterator<Item = ValidatorAddress>) -> Self {
        Self { honest: honest.into_iter().collect(), ..Self::default() }
    }

    /// The Byzantine validator sends something. Only its own word counts: it may repeat what others said, but not change it.
    pub(super) fn byzantine(&mut self, message: &WireMessage) {
        for statement in message.statements() {
            if !self.honest.contains(&statement.address) {
                self.count(&statement);
            }
        }
    }

    /// An honest node sends something. `clock`: what its clock shows.
    pub(super) fn honest(
        &mut self,
        own: ValidatorAddress,
        message: &WireMessage,
        clock: u64,
        disk: &Disk,
        audit: &Audit,
    ) -> Result<(), Broken> {
        for statement in message.statements() {
            if statement.address != own {
                continue;
            }
            let fresh = self.note(&statement)?;
            self.count(&statement);
            if fresh {
                check_durable(&statement, disk)?;
                let (height, round) = (statement.height, statement.round);
                // Where two thirds found it timely, in this round or an earlier one, or have proof that they did, the own clock does not count (a
                // proposer's own prevote may leave before the proposal with that proof); nor where a slow clock must propose a time after
                // the last block's.
                let last = Timestamp::from_time(audit.chain.last_time).unwrap_or_default().saturating_add(MS);
                let proven = statement.value.is_some_and(|value| {
                    self.proven.contains(&(height, round, value))
                        || (0..=round).any(|round| self.has_polka(height, round, value, audit))
                        || value.time <= last.to_time()
                });
                check_time(&statement, clock, proven)?;
                self.check_vote(&statement, audit)?;
            }
        }
        Ok(())
    }

    /// The commit of a decided block repeats precommits: they must be those that were sent.
    pub(super) fn commit(&mut self, commit: &Commit, value: &ValueId) -> Result<(), Broken> {
        for slot in &commit.signatures {
            let (address, said) = match slot {
                CommitSig::BlockIdFlagAbsent => continue,
                CommitSig::BlockIdFlagCommit { validator_address, .. } => (validator_address, Some(*value)),
                CommitSig::BlockIdFlagNil { validator_address, .. } => (validator_address, None),
            };
            let address = ValidatorAddress::from(*address);
            let mark = SignMark { height: commit.height.value(), round: commit.round.value(), step: Step::Precommit };
            let before = self.said.get(&(address, mark)).filter(|_| self.honest.contains(&address));
            if before.is_some_and(|(before, _)| *before != said) {
                return Err((Rule::DoubleSign, format!("{address} sent another {mark} than stands in a commit")));
            }
        }
        Ok(())
    }

    /// Forgets heights that are decided everywhere.
    pub(super) fn forget_below(&mut self, height: u64) {
        self.said.retain(|(_, mark), _| mark.height >= height);
        self.prevotes.retain(|(h, ..), _| *h >= height);
        self.locks.retain(|(_, h), _| *h >= height);
        self.proven.retain(|(h, ..)| *h >= height);
    }

    /// Remembers what an honest validator said. `true` if it is new.
    fn note(&mut self, statement: &Statement) -> Result<bool, Broken> {
        let said = (statement.value, statement.pol_round);
        let position = (statement.address, mark(statement));
        match self.said.get(&position) {
            Some(before) if *before != said => {
                let (who, at) = position;
                Err((Rule::DoubleSign, format!("{who} signed a {at} twice: {before:?} and {said:?}")))
            }
            Some(_) => Ok(false),
            None => {
                self.said.insert(position, said);
                Ok(true)
            }
        }
    }

    fn count(&mut self, statement: &Statement) {
        let Some(value) = statement.value else { return };
        let key = (statement.height, statement.round, value);
        match statement.step {
            Step::Propose if statement.pol_round.is_some() => {
                self.proven.insert(key);
            }
            Step::Prevote => {
                self.prevotes.entry(key).or_default().insert(statement.address);
            }
            Step::Propose | Step::Precommit => {}
        }
    }

    fn has_polka(&self, height: u64, round: u32, value: ValueId, audit: &Audit) -> bool {
        let voters = self.prevotes.get(&(height, round, value)).into_iter().flatten();
        audit.validators(height).is_some_and(|set| {
            let power: u64 = voters.filter_map(|who| set.get(who)).map(|v| v.power).sum();
            set.is_quorum(power)
        })
    }

    fn check_vote(&mut self, statement: &Statement, audit: &Audit) -> Result<(), Broken> {
        let Statement { address, height, round, step, .. } = *statement;
        let Some(set) = audit.validators(height) else { return Ok(()) };
        let at = mark(statement);
        if step == Step::Propose && set.proposer_at(round).address != address {
            return Err((Rule::Proposer, format!("{address} made a {at}, which was not its turn")));
        }
        let Some(value) = statement.value else { return Ok(()) };
        // The core counts its own prevote before it is published, so a precommit may come first.
        let unsaid = |round| !self.said.contains_key(&(address, SignMark { height, round, step: Step::Prevote }));
        let polka = |round: u32| {
            let voters = self.prevotes.get(&(height, round, value)).into_iter().flatten();
            let power: u64 = voters.filter_map(|who| set.get(who)).map(|v| v.power).sum();
            let own = if unsaid(round) { set.get(&address).map_or(0, |v| v.power) } else { 0 };
            set.is_quorum(power + own)
        };
        match step {
            Step::Propose => {}
            Step::Prevote => {
                let lock = self.locks.get(&(address, height)).filter(|(_, locked)| *locked != value);
                if let Some((locked, _)) = lock
                    && !(*locked..round).any(polka)
                {
                    return Err((Rule::Lock, format!("{address} made a {at} against its lock of round {locked}")));
                }
            }
            Step::Precommit => {
                if !polka(round) {
                    return Err((Rule::Quorum, format!("{address} made a {at} without prevotes of two thirds")));
                }
                self.locks.insert((address, height), (round, value));
            }
        }
        Ok(())
    }
}

fn mark(statement: &Statement) -> SignMark {
    SignMark { height: statement.height, round: statement.round, step: statement.step }
}

fn check_durable(statement: &Statement, disk: &Disk) -> Result<(), Broken> {
    let at = mark(statement);
    if disk.mark() < Some(at) {
        return Err((Rule::Durability, format!("a {at} left before its mark was durable")));
    }
    // The WAL of a finished height may be gone.
    if statement.height > disk.height() && !disk.wal_holds(&statement.signature.0) {
        return Err((Rule::Durability, format!("a {at} left before its signature was durable")));
    }
    Ok(())
}

/// A message may be held back for a while, so only the future is judged here.
fn check_time(statement: &Statement, clock: u64, proven: bool) -> Result<(), Broken> {
    let Some(value) = &statement.value else { return Ok(()) };
    let time = Timestamp::from_time(value.time).unwrap_or_default().0;
    let judged = statement.step != Step::Precommit && statement.pol_round.is_none() && !proven;
    // The clock may have been set back since by less than the precision.
    if judged && time > clock + 2 * PRECISION {
        let ahead = (time - clock) / MS;
        return Err((
            Rule::Time,
            format!("a {} is for a block {ahead} ms ahead of its signer's clock", mark(statement)),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
