//! Homes that ask to be let in, again and again, and are not: what is said of them, once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::raft::Incarnation;
use crate::replication::MemberId;

/// A member that lost its disk is let in before, as a rule: what it was is taken for running for a few seconds. A second home with its key asks longer.
const LASTS: Duration = Duration::from_secs(12);
/// Whoever has not asked for so long begins anew.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// How loud it is said that a home is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
    /// It was said.
    Nothing,
    /// It has just come.
    Info,
    /// It goes on.
    Warn,
}

struct Knock {
    since: Instant,
    last: Instant,
    warned: bool,
}

/// Homes that ask. Each has proven that it has a member's key, so there are not many.
#[derive(Default)]
pub(super) struct Knocking(BTreeMap<(MemberId, Incarnation), Knock>);

impl Knocking {
    /// A home was not let in.
    pub(super) fn refused(&mut self, member: MemberId, home: Incarnation, now: Instant) -> Say {
        self.0.retain(|_, knock| now.saturating_duration_since(knock.last) < FORGOTTEN);
        let Some(knock) = self.0.get_mut(&(member, home)) else {
            self.0.insert((member, home), Knock { since: now, last: now, warned: false });
            return Say::Info;
        };
        knock.last = now;
        let lasts = !knock.warned && now.saturating_duration_since(knock.since) >= LASTS;
        knock.warned |= lasts;
        if lasts { Say::Warn } else { Say::Nothing }
    }

    /// One was let in.
    pub(super) fn let_in(&mut self, member: MemberId, home: Incarnation) {
        self.0.remove(&(member, home));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_that_asks_every_second_is_told_of_once_and_again_when_it_goes_on() {
        let (begin, mut knocking) = (Instant::now(), Knocking::default());
        let mut said = Vec::new();
        for second in 0..120 {
            let say = knocking.refused(MemberId(2), [7; 16], begin + Duration::from_secs(second));
            if say != Say::Nothing {
                said.push((second, say));
            }
        }
        assert_eq!(said, [(0, Say::Info), (12, Say::Warn)]);
        // Another home is another one, and so is one that was let in, or has long been quiet.
        let now = begin + Duration::from_secs(120);
        assert_eq!(knocking.refused(MemberId(2), [8; 16], now), Say::Info);
        knocking.let_in(MemberId(2), [7; 16]);
        assert_eq!(knocking.refused(MemberId(2), [7; 16], now), Say::Info);
        assert_eq!(knocking.refused(MemberId(2), [7; 16], now + FORGOTTEN), Say::Info);
        assert_eq!(knocking.0.len(), 1);
    }
}
