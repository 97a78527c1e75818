//! Who asks: the validators that have just started, as far as their presences told.

use std::collections::BTreeMap;

use crate::block::ValidatorAddress;

/// Answers to one number that are given at once, at the next retry tick.
const PROMPT: u32 = 40;
/// Retry ticks between later ones: who repeats a presence for ever gets little for it, and who waits for others still hears us soon.
const PAUSE: u32 = 8;
/// Retry ticks after which a number that is not heard any more is forgotten.
const FORGET: u32 = 240;

/// A number that somebody asks under.
#[derive(Debug, Default)]
struct Ask {
    waits: bool,
    answered: u32,
    /// Retry ticks until the next answer.
    pause: u32,
    /// Retry ticks since it was last heard.
    quiet: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Asks(BTreeMap<ValidatorAddress, BTreeMap<u64, Ask>>);

impl Asks {
    /// Numbers kept of one asker, the highest. Numbers rise from start to start, so a recorded presence of an earlier start does not take the place of
    /// the last one's; a few are kept because a home that was restored may not know its last.
    pub(super) const KEPT: usize = 4;

    /// `asker` asks under `number`. `false` if that must be an old presence: higher numbers of it are known.
    pub(super) fn note(&mut self, asker: ValidatorAddress, number: u64) -> bool {
        let numbers = self.0.entry(asker).or_default();
        let ask = numbers.entry(number).or_default();
        (ask.waits, ask.quiet) = (true, 0);
        if numbers.len() > Self::KEPT {
            numbers.pop_first();
        }
        numbers.contains_key(&number)
    }

    /// Whether an answer to this number is of use to somebody.
    pub(super) fn knows(&self, asker: ValidatorAddress, number: u64) -> bool {
        self.0.get(&asker).is_some_and(|numbers| numbers.contains_key(&number))
    }

    /// At each retry tick: whom to answer now, at most `max`, ascending. Those that were answered least go first.
    pub(super) fn due(&mut self, max: usize) -> Vec<(ValidatorAddress, u64)> {
        let mut due = Vec::new();
        for (asker, numbers) in &mut self.0 {
            numbers.retain(|number, ask| {
                ask.quiet += 1;
                ask.pause = ask.pause.saturating_sub(1);
                if ask.waits && ask.pause == 0 {
                    due.push((ask.answered, *asker, *number));
                }
                ask.quiet <= FORGET
            });
        }
        self.0.retain(|_, numbers| !numbers.is_empty());
        due.sort_unstable();
        due.truncate(max);
        let mut due: Vec<_> = due.into_iter().map(|(_, asker, number)| (asker, number)).collect();
        due.sort_unstable();
        for (asker, number) in &due {
            if let Some(ask) = self.0.get_mut(asker).and_then(|numbers| numbers.get_mut(number)) {
                ask.waits = false;
                ask.answered = ask.answered.saturating_add(1);
                ask.pause = if ask.answered < PROMPT { 0 } else { PAUSE };
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(n: u8) -> ValidatorAddress {
        ValidatorAddress([n; 20])
    }

    #[test]
    fn each_ask_is_answered_once() {
        let mut asks = Asks::default();
        assert!(asks.note(who(2), 5) && asks.note(who(1), 9) && asks.note(who(2), 5));
        assert_eq!(asks.due(9), [(who(1), 9), (who(2), 5)]);
        assert!(asks.due(9).is_empty());
        assert!(asks.knows(who(2), 5) && !asks.knows(who(2), 6) && !asks.knows(who(3), 5));
    }

    #[test]
    fn an_old_number_does_not_take_the_place_of_the_last() {
        let mut asks = Asks::default();
        assert!((10..14).all(|number| asks.note(who(1), number)));
        assert!(!asks.note(who(1), 9), "older than all that are kept");
        assert_eq!(asks.due(9).len(), Asks::KEPT, "a clock may have been set back");
        assert!(asks.note(who(1), 20) && !asks.knows(who(1), 10));
        assert_eq!(asks.due(9), [(who(1), 20)]);
    }

    #[test]
    fn what_is_repeated_for_ever_is_answered_seldom() {
        let mut asks = Asks::default();
        let answers = |asks: &mut Asks, ticks: u32| -> usize {
            let tick = |_| {
                asks.note(who(1), 7);
                asks.due(9).len()
            };
            (0..ticks).map(tick).sum()
        };
        assert_eq!(answers(&mut asks, PROMPT), PROMPT as usize);
        assert_eq!(answers(&mut asks, 10 * PAUSE), 10);
    }

    #[test]
    fn where_there_is_no_room_the_one_answered_least_goes_first() {
        let mut asks = Asks::default();
        let all = [who(1), who(2), who(3)];
        let mut heard = Vec::new();
        for _ in 0..3 {
            all.iter().for_each(|asker| {
                asks.note(*asker, 1);
            });
            heard.extend(asks.due(1));
        }
        assert_eq!(heard, all.map(|asker| (asker, 1)));
    }

    #[test]
    fn who_is_not_heard_any_more_is_forgotten() {
        let mut asks = Asks::default();
        asks.note(who(1), 7);
        (0..FORGET).for_each(|_| drop(asks.due(9)));
        assert!(asks.knows(who(1), 7));
        asks.due(9);
        assert!(!asks.knows(who(1), 7) && asks.0.is_empty());
    }
}
