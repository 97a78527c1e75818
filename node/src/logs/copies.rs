//! How many members keep a log's records, and which.

use pyralog_cluster_core::raft::Spread;
use serde::Deserialize;

/// Most members that store a partition: as many as clusters are meant for.
pub const MAX_COPIES: u8 = 7;

/// Where the copies of records go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(variant_identifier, rename_all = "kebab-case")]
pub enum Copysets {
    /// All records of a partition to the same members.
    #[default]
    Partition,
    /// Each record to some of the members that store the partition; the others keep its leaf.
    Record,
    /// The same, and to the leader last.
    CoordinatorOnly,
}

/// What whoever makes a log says about its copies; the rest follows from the node's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// See [`Copysets`].
    pub copysets: Option<Copysets>,
    /// N: members that store a partition.
    pub nodeset: Option<u8>,
    /// R: copies of each record.
    pub replication: Option<u8>,
    /// W: durable copies before an acknowledgement.
    pub copies: Option<u8>,
    /// Half of R is enough for W, too.
    pub may_lose_acknowledged: bool,
}

impl Copysets {
    /// Those of a log.
    pub fn of(spread: &Spread) -> Self {
        match spread {
            Spread { coordinator_only: true, .. } => Self::CoordinatorOnly,
            spread if spread.is_sparse() => Self::Record,
            _ => Self::Partition,
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::Record => "record",
            Self::CoordinatorOnly => "coordinator-only",
        }
    }
}

impl Copies {
    /// Whether nothing is said.
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }

    /// N, R and W where a log without a word has R and W of `(replication, copies)`: with copysets of its own a record has a copy less than there are
    /// members, who are three at least, and more than half of the copies are waited for.
    pub fn spread(&self, (replication, copies): (u8, u8)) -> Spread {
        let each = !matches!(self.copysets, None | Some(Copysets::Partition));
        let nodeset = match (self.nodeset, self.replication) {
            (Some(nodeset), _) => nodeset,
            (None, Some(replication)) => replication.saturating_add(u8::from(each)),
            (None, None) => replication.max(if each { 3 } else { 1 }),
        };
        let replication = self.replication.unwrap_or(nodeset.saturating_sub(u8::from(each)));
        let copies = self.copies.unwrap_or(copies.max(replication / 2 + 1).min(replication));
        Spread { nodeset, replication, copies, coordinator_only: self.copysets == Some(Copysets::CoordinatorOnly) }
    }

    /// Why they contradict themselves, if so.
    pub fn contradiction(&self, spread: &Spread) -> Option<String> {
        let Spread { nodeset, replication, copies, .. } = spread;
        if *nodeset > MAX_COPIES {
            return Some(format!(
                "with a copyset for each record and replication {replication} the nodeset would have {nodeset} members, and it has 2 to {MAX_COPIES}: \
                 give replication one less"
            ));
        }
        if copies > replication {
            return Some(format!(
                "copies is {copies} and replication {replication}: an append cannot wait for more copies than a record has. Give copies from {} to \
                 {replication}, or replication, from 1 to {MAX_COPIES}, as well",
                replication / 2 + 1
            ));
        }
        match self.copysets.unwrap_or_default() {
            Copysets::Partition if replication > nodeset => Some(format!(
                "nodeset is {nodeset} and replication {replication}: a record cannot have more copies than there are members that store it. Give the same \
                 number twice"
            )),
            Copysets::Partition if nodeset != replication => Some(format!(
                "all {nodeset} members of the nodeset store every record, so replication cannot be {replication}: say copysets \"record\", or the same \
                 number twice"
            )),
            Copysets::Record | Copysets::CoordinatorOnly if *replication == 0 => Some(format!(
                "a record has a copyset of its own where there are more members than copies, and nodeset is {nodeset}: give 2 to {MAX_COPIES}, or leave \
                 copysets out"
            )),
            Copysets::Record | Copysets::CoordinatorOnly if *replication >= MAX_COPIES => Some(format!(
                "a record has a copyset of its own where there are more members than copies, and at most {MAX_COPIES} members store a partition: give \
                 replication {} or less, or leave copysets out",
                MAX_COPIES - 1
            )),
            Copysets::Record | Copysets::CoordinatorOnly if nodeset <= replication => Some(format!(
                "a record has a copyset of its own where there are more members than copies, and {nodeset} is not more than {replication}: give nodeset \
                 {} to {MAX_COPIES}, or leave copysets out",
                replication + 1
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(copies: Copies) -> (u8, u8, u8, bool) {
        let found = copies.spread((3, 2));
        assert_eq!(copies.contradiction(&found), None);
        assert_eq!(Copysets::of(&found), copies.copysets.unwrap_or_default());
        (found.nodeset, found.replication, found.copies, found.coordinator_only)
    }

    #[test]
    fn what_is_not_said_follows() {
        let copies = |copysets, nodeset, replication| Copies { copysets, nodeset, replication, ..Copies::default() };
        assert_eq!(spread(Copies::default()), (3, 3, 2, false));
        assert_eq!(spread(copies(Some(Copysets::Partition), None, Some(5))), (5, 5, 3, false));
        assert_eq!(spread(copies(Some(Copysets::Record), None, None)), (3, 2, 2, false));
        let one = copies(Some(Copysets::Record), None, None).spread((1, 1));
        assert_eq!((one.nodeset, one.replication, one.copies), (3, 2, 2));
        assert_eq!(spread(copies(Some(Copysets::Record), Some(5), None)), (5, 4, 3, false));
        assert_eq!(spread(copies(Some(Copysets::Record), Some(5), Some(2))), (5, 2, 2, false));
        assert_eq!(spread(copies(Some(Copysets::CoordinatorOnly), None, Some(3))), (4, 3, 2, true));
        assert_eq!(spread(Copies { copies: Some(3), ..Copies::default() }), (3, 3, 3, false));
    }

    #[test]
    fn contradictions_are_named() {
        let waiting = |copysets, nodeset, replication, copies| {
            let copies = Copies { copysets, nodeset, replication, copies, ..Copies::default() };
            copies.contradiction(&copies.spread((3, 2))).unwrap()
        };
        let refused = |copysets, nodeset, replication| waiting(copysets, nodeset, replication, None);
        assert!(refused(None, Some(5), Some(3)).contains("copysets \"record\""));
        let fewer = refused(None, Some(3), Some(4));
        assert!(fewer.ends_with("the same number twice") && !fewer.contains("copysets"), "{fewer}");
        assert!(refused(Some(Copysets::Record), Some(3), Some(3)).contains("3 is not more than 3"));
        assert!(refused(Some(Copysets::CoordinatorOnly), Some(2), Some(3)).contains("leave copysets out"));
        let one = refused(Some(Copysets::Record), Some(1), None);
        assert!(one.contains("nodeset is 1: give 2 to 7"), "{one}");
        let many = refused(Some(Copysets::Record), None, Some(7));
        assert!(many.contains("8 members, and it has 2 to 7"), "{many}");
        let more = waiting(None, None, None, Some(5));
        assert!(more.contains("copies is 5 and replication 3") && more.contains("from 2 to 3"), "{more}");
        assert!(waiting(Some(Copysets::Record), Some(3), None, Some(3)).contains("replication 2"));
    }
}
