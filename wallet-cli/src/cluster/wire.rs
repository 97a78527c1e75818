//! The document that describes a cluster. Numbers that can exceed 2^53 are strings of digits; those of members are not.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::admin::form::{digits, maybe_digits};
use crate::output::safe;

/// The word of a member that misses records that no member has any more.
const LOST: &str = "lost records";

/// A cluster, as one of its members sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClusterInfo {
    /// The member that answers.
    pub member: u64,
    /// Who leads the global group, as far as it is known.
    pub leader: Option<u64>,
    /// Who signs for the cluster, if somebody does for others than itself.
    #[serde(default)]
    pub signer: Option<u64>,
    /// Who would sign, and waits for blocks of the chain that it lacks.
    #[serde(default)]
    pub signer_waits: Option<u64>,
    /// Whether all members are up and lack nothing, and every partition is where it should be; not said by older nodes.
    #[serde(default)]
    pub whole: Option<bool>,
    /// Whether the member that answers hears a majority of the voters; not said by older nodes.
    #[serde(default)]
    pub majority: Option<bool>,
    /// Whether the cluster has confirmed the start of the member that answers; not said by older nodes.
    #[serde(default)]
    pub started: Option<bool>,
    /// All members that were not removed; none where the answering member has not heard of the cluster yet.
    pub members: Vec<MemberInfo>,
    /// All partitions of all logs.
    pub partitions: Vec<PartitionInfo>,
    /// Why the member that answers stores no further records, if its disk is full.
    #[serde(default)]
    pub disk_low: Option<String>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MemberInfo {
    /// Its number.
    #[serde(rename = "member")]
    pub id: u64,
    /// Its name, for people.
    pub name: String,
    /// Where the others reach it.
    pub addresses: Vec<String>,
    /// Whether it decides, too.
    pub role: Role,
    /// Whether the answering member reaches it.
    pub up: bool,
    /// What it says that it lacks; nothing where it has not said so of late, and of older nodes.
    #[serde(default)]
    pub lacks: Option<Vec<String>>,
}

/// What a member does in the global group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It decides.
    Voter,
    /// It is told what was decided.
    Learner,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PartitionInfo {
    /// Name of its log.
    pub log: String,
    /// Its number in the log.
    pub partition: u32,
    /// Newest epoch of its sequencer: higher with each change of the lead.
    #[serde(with = "digits")]
    pub epoch: u64,
    /// Who gives the offsets, if that member is up.
    pub leader: Option<u64>,
    /// Who should store it; some of them may have been removed.
    pub members: Vec<u64>,
    /// How many records it has, where the answering member stores it.
    #[serde(with = "maybe_digits", default)]
    pub records: Option<u64>,
    /// Whether records are known to be missing at the answering member, or the partition is on its way to other members.
    pub behind: bool,
    /// Records that no member has any more, where the answering member knows.
    #[serde(with = "maybe_digits", default)]
    pub lost: Option<u64>,
}

/// How well a partition is stored; the worse before the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartitionState {
    /// Nobody gives offsets: nothing can be appended.
    NoLeader,
    /// No member has some of its records any more.
    Lost,
    /// A member that should store it is down, or was removed.
    UnderReplicated,
    /// Records are missing at the member that answers, or it is on its way to other members.
    Behind,
    /// Those who store it are up, and the member that answers is none of them: it has not heard from all of them that nothing is missing.
    Elsewhere,
    /// All is as it should be.
    Full,
}

impl ClusterInfo {
    /// What a member describes must be a cluster.
    pub fn check(&self) -> Result<(), String> {
        let ids: BTreeSet<u64> = self.members.iter().map(|member| member.id).collect();
        if ids.len() != self.members.len() {
            return Err("what it says of the members contradicts itself".to_owned());
        }
        Ok(())
    }

    /// The member with this number, unless it was removed.
    pub fn find(&self, id: u64) -> Option<&MemberInfo> {
        self.members.iter().find(|member| member.id == id)
    }

    /// `member 2 (node1)`, for people.
    pub fn called(&self, id: u64) -> String {
        called(id, self.find(id).map(|member| member.name.as_str()))
    }

    /// How many members are up.
    pub fn up(&self) -> usize {
        self.members.iter().filter(|member| member.up).count()
    }

    /// What is not done now, for people, where the member that answers hears too few others, or has not been let in since its start.
    pub fn stands_still(&self) -> Option<String> {
        let voters: Vec<&MemberInfo> = self.members.iter().filter(|member| member.role == Role::Voter).collect();
        let (heard, all) = (voters.iter().filter(|member| member.up).count(), voters.len());
        let waits = self.started == Some(false);
        if self.majority.unwrap_or(heard > all / 2) {
            let me = self.called(self.member);
            return waits.then(|| {
                format!(
                    "the cluster has not confirmed the start of {me} yet: nothing is appended through it until then"
                )
            });
        }
        let not_done = match waits {
            true => "nothing is appended through this member",
            false => {
                "nothing is appended where too few copies are up, no partition gets another leader, and no log is made or deleted"
            }
        };
        let most = all / 2 + 1;
        Some(format!("no majority of the members is heard, {heard} of {all}: {not_done}, until {most} are up"))
    }

    /// Why no further disk may be lost, for people; nothing where all members are whole, and of older nodes.
    pub fn lacking(&self) -> Option<String> {
        if self.whole != Some(false) {
            return None;
        }
        let why: Vec<String> =
            self.members.iter().filter_map(|of| Some(format!("{} {}", called(of.id, None), of.lacking()?))).collect();
        let why = if why.is_empty() { self.misplaced() } else { why.join("; ") };
        Some(format!("not all members are whole: {why}; no further member's disk may be lost before"))
    }

    /// What is wrong where each member has what it should have.
    fn misplaced(&self) -> String {
        let lacks = |of: &&PartitionInfo| of.members.iter().any(|id| self.find(*id).is_none());
        let Some(PartitionInfo { log, partition, .. }) = self.partitions.iter().find(lacks) else {
            return "a partition is not stored where it should be".to_owned();
        };
        format!(
            "nobody has taken the place of a removed member in partition {partition} of log {log}: add a member (`pyralog cluster add`), or delete the log"
        )
    }

    /// Records that no member has any more, for people.
    pub fn lost(&self) -> Option<String> {
        let of = |partition: &PartitionInfo| {
            let lost = partition.lost.filter(|lost| *lost > 0)?;
            Some(format!("{lost} of partition {} of {}", partition.partition, safe(&partition.log)))
        };
        let known: Vec<String> = self.partitions.iter().filter_map(of).collect();
        match (known.is_empty(), self.members.iter().find(|member| member.has_lost())) {
            (false, _) => Some(known.join(", ")),
            (true, Some(member)) => Some(format!("ask {} of which log, with --node URL", self.called(member.id))),
            (true, None) => None,
        }
    }

    /// How well a partition is stored.
    pub fn state(&self, partition: &PartitionInfo) -> PartitionState {
        if partition.leader.is_none() {
            PartitionState::NoLeader
        } else if partition.lost.is_some_and(|lost| lost > 0) {
            PartitionState::Lost
        } else if !partition.members.iter().all(|id| self.find(*id).is_some_and(|member| member.up)) {
            PartitionState::UnderReplicated
        } else if partition.behind {
            PartitionState::Behind
        } else if partition.records.is_none() && self.whole != Some(true) {
            PartitionState::Elsewhere
        } else {
            PartitionState::Full
        }
    }
}

impl MemberInfo {
    /// Whether it is up, and what it lacks, for people.
    pub fn state(&self) -> String {
        match (self.up, &self.lacks) {
            (false, _) => "down".to_owned(),
            (true, Some(lacks)) if lacks.iter().eq([LOST]) => format!("up, {LOST}"),
            (true, Some(lacks)) if !lacks.is_empty() => format!("up, behind: {}", words(lacks)),
            (true, _) => "up".to_owned(),
        }
    }

    /// Whether it says that no member has some of its records any more.
    pub fn has_lost(&self) -> bool {
        self.lacks.iter().flatten().any(|word| word == LOST)
    }

    /// What is not as it should be with it, where members say what they lack.
    fn lacking(&self) -> Option<String> {
        match (self.up, &self.lacks) {
            (false, _) => Some("is down".to_owned()),
            (true, None) => Some("has not said yet what it lacks".to_owned()),
            (true, Some(lacks)) => (!lacks.is_empty()).then(|| format!("lacks {}", words(lacks))),
        }
    }
}

fn words(lacks: &[String]) -> String {
    safe(&lacks.join(", "))
}

/// A member for people, by its number and the name that it may have.
pub fn called(id: u64, name: Option<&str>) -> String {
    name.map_or_else(|| format!("member {id}"), |name| format!("member {id} ({})", safe(name)))
}

impl Role {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Voter => "voter",
            Self::Learner => "learner",
        }
    }
}

impl PartitionState {
    /// Its words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoLeader => "no leader",
            Self::Lost => "records lost",
            Self::UnderReplicated => "under-replicated",
            Self::Behind => "behind",
            Self::Elsewhere => "not known here",
            Self::Full => "full",
        }
    }
}

#[cfg(test)]
#[path = "wire_test.rs"]
mod tests;
