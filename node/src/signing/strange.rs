//! A signature with the cluster's key that this member did not make, while it was to sign: whose it is, as far as the signer's log says.
//!
//! The engine stops signing at once when it sees one, and what it had not sent stays here. A member that was cut off often sees those of the next signer before
//! it hears that its own epoch is over. The next signer writes a mark above each of its signatures into the log before it leaves. So where the log has one that
//! another member wrote later, what was seen is explained; where it has none, another process uses the key.

use std::time::Duration;

use pyralog_consensus::engine::{SignMark, SignerState};
use tokio::time::Instant;

use super::SignerLog;

/// In this time a member that is heard again has read what the next signer wrote.
const EXPLAINED: Duration = Duration::from_secs(10);

/// What was seen, under which number this member signed, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strange {
    seen: SignMark,
    number: u64,
    since: Instant,
    /// Nothing more is said of it.
    said: bool,
}

/// What is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    NotYet,
    /// This member signs for the cluster now.
    Of(u64),
    Nobodys,
}

impl Strange {
    /// What this member, which signs under `number`, knows when the signer is in `state`.
    pub(super) fn seen(before: Option<Self>, state: SignerState, number: u64, now: Instant) -> Option<Self> {
        let before = before.filter(|before| before.number == number);
        let seen = match state {
            SignerState::Suspended { seen } => seen,
            // Its engine has ended, and what it saw has not been explained yet.
            SignerState::NoKey => return before,
            _ => return None,
        };
        Some(before.map_or(Self { seen, number, since: now, said: false }, |before| Self { seen, ..before }))
    }

    /// Says whose it is, where that is known by now; whether it was said.
    pub(super) fn explain(&self, log: &SignerLog, me: u64, now: Instant) -> bool {
        let Self { seen, said, .. } = self;
        if *said {
            return false;
        }
        match self.known(log, me, now) {
            Known::NotYet => return false,
            Known::Of(member) => {
                tracing::info!(member, %seen, "another member signs for the cluster now; the signature that was seen is covered by its mark");
            }
            Known::Nobodys => tracing::error!(
                %seen,
                "a signature with the cluster's validator key was seen that pyralog.signer says no other member made: make sure that no other process uses the key, \
                 then run `pyralogd signer resume` where the signer is suspended"
            ),
        }
        true
    }

    fn known(&self, log: &SignerLog, me: u64, now: Instant) -> Known {
        match log.marked() {
            Some((number, member)) if number > self.number && member != me && log.mark() >= Some(self.seen) => {
                Known::Of(member)
            }
            _ if now.saturating_duration_since(self.since) < EXPLAINED => Known::NotYet,
            _ => Known::Nobodys,
        }
    }

    /// The same, of which nothing more is said.
    pub(super) fn said(self) -> Option<Self> {
        Some(Self { said: true, ..self })
    }
}

#[cfg(test)]
mod tests {
    use pyralog_consensus::block::Step;
    use pyralog_crypto::codec::Encode;

    use super::super::{Said, SignerRecord};
    use super::*;

    fn mark(height: u64) -> SignMark {
        SignMark { height, round: 0, step: Step::Precommit }
    }

    fn log(records: &[SignerRecord]) -> SignerLog {
        let mut log = SignerLog::default();
        for (place, record) in records.iter().enumerate() {
            log.take(place as u64, &record.to_bytes().into()).unwrap();
        }
        log
    }

    #[test]
    fn only_a_later_mark_of_another_member_explains_a_signature() {
        let begin = Instant::now();
        let seen = SignerState::Suspended { seen: mark(9) };
        let strange = Strange::seen(None, seen, 5, begin).unwrap();
        let own = [SignerRecord::Begin { number: 5, member: 1 }, Said::Mark(mark(8)).of(5, 1)];
        let next = |member, height| {
            let more = [SignerRecord::Begin { number: 6, member }, Said::Mark(mark(height)).of(6, 1)];
            log(&[&own[..], &more[..]].concat())
        };
        assert_eq!(strange.known(&next(2, 9), 1, begin), Known::Of(2));
        // It has not come that far, the mark is this member's own, or there is none.
        for unknown in [next(2, 8), next(1, 9), log(&own), log(&[own[0].clone(), Said::Mark(mark(9)).of(5, 1)])] {
            assert_eq!(strange.known(&unknown, 1, begin), Known::NotYet);
            assert_eq!(strange.known(&unknown, 1, begin + EXPLAINED), Known::Nobodys);
        }
        // Another one has begun, and has signed nothing so high: the old mark is not its.
        let begun = log(&[own[0].clone(), Said::Mark(mark(9)).of(5, 1), SignerRecord::Begin { number: 6, member: 2 }]);
        assert_eq!(strange.known(&begun, 1, begin + EXPLAINED), Known::Nobodys);
    }

    #[test]
    fn it_is_said_once_and_forgotten_where_signing_goes_on() {
        let begin = Instant::now();
        let (low, high) = (SignerState::Suspended { seen: mark(9) }, SignerState::Suspended { seen: mark(10) });
        let strange = Strange::seen(None, low, 5, begin).unwrap();
        let later = Strange::seen(Some(strange), high, 5, begin + EXPLAINED).unwrap();
        assert_eq!((later.since, later.seen), (begin, mark(10)));
        assert!(later.explain(&SignerLog::default(), 1, begin + EXPLAINED));
        let said = Strange::seen(later.said(), high, 5, begin + EXPLAINED).unwrap();
        assert!(!said.explain(&SignerLog::default(), 1, begin + EXPLAINED * 2));
        assert_eq!(Strange::seen(Some(said), SignerState::NoKey, 5, begin), Some(said));
        assert_eq!(Strange::seen(Some(said), SignerState::Active, 5, begin), None);
        // A later lease is another matter.
        assert!(!Strange::seen(Some(said), low, 6, begin).unwrap().said);
    }
}
