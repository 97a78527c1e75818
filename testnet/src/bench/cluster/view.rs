//! `GET /v1/cluster`, as far as it is judged here.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

/// What a member says of its cluster.
#[derive(Debug, Clone, Deserialize)]
pub struct View {
    /// Who answered.
    pub member: u64,
    /// Who leads the global group.
    pub leader: Option<u64>,
    /// All members.
    pub members: Vec<MemberView>,
    /// All partitions of all logs but the cluster's own.
    pub partitions: Vec<PartitionView>,
}

/// One member.
#[derive(Debug, Clone, Deserialize)]
pub struct MemberView {
    /// Its id.
    pub member: u64,
    /// Whether whoever answered reaches it.
    pub up: bool,
}

/// One partition.
#[derive(Debug, Clone, Deserialize)]
pub struct PartitionView {
    /// Its log.
    pub log: String,
    /// Its number.
    pub partition: u32,
    /// Who leads it.
    pub leader: Option<u64>,
    /// Who stores it.
    pub members: Vec<u64>,
    /// Records that whoever answered has.
    pub records: Option<String>,
    /// Whether records are missing there.
    pub behind: bool,
}

impl View {
    /// Reads an answer.
    pub fn read(body: &[u8]) -> Result<Self> {
        let mut view: Self = serde_json::from_slice(body).context("/v1/cluster is not understood")?;
        view.partitions.retain(|partition| !partition.log.starts_with("pyralog."));
        Ok(view)
    }

    /// Whether it sees that member up.
    pub fn is_up(&self, member: u64) -> bool {
        self.members.iter().any(|other| other.member == member && other.up)
    }

    /// Whether `members` are up, and so many partitions are led by one of them and complete at all.
    pub fn is_whole(&self, members: usize, partitions: usize) -> bool {
        let complete = |partition: &PartitionView| {
            partition.leader.is_some()
                && partition.members.len() == members
                && partition.records.is_some()
                && !partition.behind
        };
        self.members.iter().filter(|member| member.up).count() == members
            && self.leader.is_some()
            && self.partitions.len() == partitions
            && self.partitions.iter().all(complete)
    }

    /// How many partitions each member leads.
    pub fn led(&self) -> BTreeMap<u64, usize> {
        let mut led = BTreeMap::new();
        for leader in self.partitions.iter().filter_map(|partition| partition.leader) {
            *led.entry(leader).or_default() += 1;
        }
        led
    }

    /// Records that whoever answered has, of all partitions.
    pub fn records(&self) -> u64 {
        self.partitions.iter().filter_map(|partition| partition.records.as_ref()?.parse::<u64>().ok()).sum()
    }

    /// In a line, for a failure.
    pub fn summary(&self) -> String {
        let up: Vec<u64> = self.members.iter().filter(|member| member.up).map(|member| member.member).collect();
        let behind = self.partitions.iter().filter(|partition| partition.behind).count();
        format!(
            "member {} sees {up:?} up, leader {:?}, {} partitions led {:?}, {behind} behind, {} records",
            self.member,
            self.leader,
            self.partitions.len(),
            self.led(),
            self.records(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(up: bool, leader: Option<u64>, behind: bool) -> View {
        let text = serde_json::json!({
            "member": 1, "leader": 2, "more": 0,
            "members": [{"member": 1, "up": true, "name": "x"}, {"member": 2, "up": up}],
            "partitions": [
                {"log": "a", "partition": 0, "leader": 1, "members": [1, 2], "records": "7", "behind": false},
                {"log": "pyralog.notary", "partition": 0, "leader": 2, "members": [2], "records": "9", "behind": false},
                {"log": "a", "partition": 1, "leader": leader, "members": [1, 2], "records": "5", "behind": behind},
            ],
        });
        View::read(&serde_json::to_vec(&text).unwrap()).unwrap()
    }

    #[test]
    fn a_whole_cluster_lacks_nothing() {
        assert!(view(true, Some(2), false).is_whole(2, 2));
        assert!(!view(true, Some(2), false).is_whole(2, 3) && !view(true, Some(2), false).is_whole(3, 2));
        for amiss in [view(false, Some(2), false), view(true, None, false), view(true, Some(2), true)] {
            assert!(!amiss.is_whole(2, 2), "{}", amiss.summary());
        }
    }

    #[test]
    fn leaders_and_records_are_counted() {
        let view = view(false, Some(1), false);
        assert_eq!((view.records(), view.led()), (12, BTreeMap::from([(1, 2)])));
        assert!(view.is_up(1) && !view.is_up(2) && !view.is_up(3));
        assert!(view.summary().contains("[1] up"), "{}", view.summary());
    }
}
