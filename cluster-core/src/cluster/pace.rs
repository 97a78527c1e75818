//! Whether this member keeps up with the partitions that it stores: where records come all the time, some are always on their way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::PartitionId;
use crate::replica::Replica;
use crate::replication::Lsn;

/// Whoever has what was released within so long keeps up.
const WITHIN: Duration = Duration::from_secs(3);

/// How this member comes along with each partition, by its looks at it.
#[derive(Default)]
pub(super) struct Paces(BTreeMap<PartitionId, Pace>);

struct Pace {
    /// What was released at this time.
    target: Lsn,
    since: Instant,
    keeps_up: bool,
}

/// How a replica stands.
#[derive(Debug, Clone, Copy)]
struct Stand {
    released: Lsn,
    /// Up to where it has everything; nowhere while it takes records over.
    reached: Option<Lsn>,
    lacks: bool,
}

impl Paces {
    /// Looks at a partition: whether this member has had, of late, all that was released. Where it lacked something at the first look it has to reach that
    /// first.
    pub(super) fn keeps_up(&mut self, partition: PartitionId, replica: &Replica) -> bool {
        let at = replica.frontier();
        // What is released is looked at last, or the frontier might be beyond it.
        let (reached, lacks) = ((!at.between).then_some(at.lsn), replica.lacks());
        self.look(partition, Stand { released: replica.released(), reached, lacks }, Instant::now())
    }

    fn look(&mut self, partition: PartitionId, Stand { released, reached, lacks }: Stand, now: Instant) -> bool {
        let new = |keeps_up| Pace { target: released, since: now, keeps_up };
        let pace = self.0.entry(partition).or_insert_with(|| new(false));
        let in_time = now.saturating_duration_since(pace.since) <= WITHIN;
        if !lacks {
            *pace = new(true);
        } else if reached.is_some_and(|reached| reached >= pace.target) {
            *pace = new(in_time);
        } else if !in_time {
            pace.keeps_up = false;
        }
        pace.keeps_up
    }

    /// Forgets all others.
    pub(super) fn retain(&mut self, is_stored: impl Fn(PartitionId) -> bool) {
        self.0.retain(|id, _| is_stored(*id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::Epoch;

    /// What is released, and how far the replica goes.
    fn stand(released: u64, reached: u64) -> Stand {
        let lsn = |number| Lsn::new(Epoch(1), number);
        Stand { released: lsn(released), reached: Some(lsn(reached)), lacks: reached < released }
    }

    #[test]
    fn whoever_is_a_moment_behind_all_the_time_keeps_up() {
        let (begin, mut paces, id) = (Instant::now(), Paces::default(), PartitionId(7));
        let mut look = |millis: u64, stand| paces.look(id, stand, begin + Duration::from_millis(millis));
        assert!(look(0, stand(10, 10)));
        assert!((1..100).all(|at| look(at * 200, stand(10 + at * 5, at * 5))));
    }

    #[test]
    fn whoever_comes_back_is_behind_until_it_comes_along() {
        let (begin, mut paces, id) = (Instant::now(), Paces::default(), PartitionId(7));
        let mut look = |seconds: u64, stand| paces.look(id, stand, begin + Duration::from_secs(seconds));
        assert!(!look(0, stand(1000, 10)));
        // It reaches what was released then, and a lot has come since.
        assert!(!look(60, stand(5000, 1000)));
        assert!(!look(62, stand(5100, 4000)));
        assert!(!look(70, stand(5400, 5000)));
        assert!(look(71, stand(5450, 5440)));
        assert!(look(74, stand(5600, 5449)), "not for longer than it may take");
        assert!(!look(75, stand(5700, 5449)));
        assert!(look(76, stand(5700, 5700)));
        // Taking records over it is nowhere.
        assert!(!look(90, Stand { reached: None, ..stand(5800, 5700) }));
        paces.retain(|_| false);
        assert!(paces.0.is_empty());
    }
}
