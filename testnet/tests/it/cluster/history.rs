//! Whether a history of calls could be that of one thing which does one call at a time, each between its beginning and its answer: the search of Wing
//! and Gong ("Testing and verifying concurrent objects", 1993), which tries no state twice (Lowe, "Testing for linearizability", 2017).

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// A thing that does one call at a time.
pub trait Model {
    /// A call with its answer.
    type Call: Debug;
    /// What the calls so far have made of it.
    type State: Clone + Eq + Hash + Default;

    /// The state behind a call that was answered like this; `None` where it would have had another answer.
    fn after(state: &Self::State, call: &Self::Call) -> Option<Self::State>;

    /// Whether the call changes no state at all.
    fn is_look(_call: &Self::Call) -> bool {
        false
    }
}

/// A call as its client saw it. Times are of one clock.
#[derive(Debug, Clone)]
pub struct Timed<C> {
    /// Before it was sent.
    pub began: u64,
    /// After it was answered; `None` where nobody knows whether it was done, or will be.
    pub ended: Option<u64>,
    /// What was asked and answered.
    pub call: C,
}

/// A set of calls, by their places in the history.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Done(Vec<u64>);

impl Done {
    fn has(&self, call: usize) -> bool {
        self.0[call / 64] >> (call % 64) & 1 == 1
    }

    fn with(&self, call: usize) -> Self {
        let mut more = self.clone();
        more.0[call / 64] |= 1 << (call % 64);
        more
    }
}

/// Calls in an order that explains all answers, if there is one; else the longest that explains as many as can be, and those that could not be next.
pub fn order<M: Model>(history: &[Timed<M::Call>]) -> Result<Vec<usize>, String> {
    let certain = history.iter().filter(|timed| timed.ended.is_some()).count();
    let mut tried = HashSet::new();
    let mut longest = Vec::new();
    // What was done in this order, how many of it have answers, and the state then.
    let mut open = vec![(Vec::new(), Done(vec![0; history.len() / 64 + 1]), 0, M::State::default())];
    while let Some((order, done, answered, state)) = open.pop() {
        if answered == certain {
            return Ok(order);
        }
        if order.len() > longest.len() {
            longest.clone_from(&order);
        }
        let fits = next(history, &done).filter_map(|call| Some((call, M::after(&state, &history[call].call)?)));
        let mut fits: Vec<(usize, M::State)> = fits.collect();
        // A look that fits may as well come at once: nothing is lost by that, and much is not tried.
        if let Some(look) = fits.iter().position(|(call, _)| M::is_look(&history[*call].call)) {
            fits = vec![fits.swap_remove(look)];
        }
        for (call, after) in fits {
            let (done, answered) = (done.with(call), answered + usize::from(history[call].ended.is_some()));
            if tried.insert((done.clone(), after.clone())) {
                let mut order = order.clone();
                order.push(call);
                open.push((order, done, answered, after));
            }
        }
    }
    let mut done = Done(vec![0; history.len() / 64 + 1]);
    longest.iter().for_each(|call| done = done.with(*call));
    let last: Vec<_> = longest.iter().rev().take(8).rev().map(|call| &history[*call]).collect();
    let stuck: Vec<_> = next(history, &done).map(|call| &history[call]).collect();
    Err(format!(
        "behind {} of {} calls, the last of them\n{last:#?}\nnone of these fits:\n{stuck:#?}",
        longest.len(),
        history.len()
    ))
}

/// Calls that may be next: those that began before any other one that is left was answered.
fn next<'a, C>(history: &'a [Timed<C>], done: &Done) -> impl Iterator<Item = usize> + use<'a, C> {
    let left: Vec<usize> = (0..history.len()).filter(|call| !done.has(*call)).collect();
    let first = left.iter().filter_map(|call| history[*call].ended).min().unwrap_or(u64::MAX);
    left.into_iter().filter(move |call| history[*call].began < first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that is written and read.
    struct Register;

    #[derive(Debug, Clone)]
    enum Use {
        Write(u8),
        Read(u8),
    }
    use Use::{Read, Write};

    impl Model for Register {
        type Call = Use;
        type State = u8;

        fn after(state: &u8, call: &Use) -> Option<u8> {
            match call {
                Write(value) => Some(*value),
                Read(value) => (value == state).then_some(*state),
            }
        }

        fn is_look(call: &Use) -> bool {
            matches!(call, Read(_))
        }
    }

    fn is_sound(history: &[(u64, u64, Use)]) -> bool {
        let timed = |(began, ended, call): &(u64, u64, Use)| Timed {
            began: *began,
            ended: Some(*ended).filter(|ended| *ended > 0),
            call: call.clone(),
        };
        order::<Register>(&history.iter().map(timed).collect::<Vec<_>>()).is_ok()
    }

    #[test]
    fn calls_at_the_same_time_have_any_order_and_others_their_own() {
        assert!(is_sound(&[]));
        assert!(is_sound(&[(1, 10, Write(1)), (2, 3, Read(0)), (4, 5, Read(1))]));
        assert!(is_sound(&[(1, 10, Write(1)), (2, 9, Write(2)), (11, 12, Read(1))]));
        // What was answered before a read began is there.
        assert!(!is_sound(&[(1, 2, Write(1)), (3, 4, Read(0))]));
        // What one read has seen the next one sees.
        assert!(!is_sound(&[(1, 10, Write(1)), (2, 3, Read(1)), (4, 5, Read(0))]));
        // What is not there yet is read by nobody.
        assert!(!is_sound(&[(1, 2, Read(1)), (3, 4, Write(1))]));
        assert!(!is_sound(&[(1, 10, Write(1)), (2, 9, Write(2)), (11, 12, Read(1)), (13, 14, Read(2))]));
    }

    #[test]
    fn what_nobody_knows_of_may_be_done_later_or_never() {
        assert!(is_sound(&[(1, 0, Write(1)), (2, 3, Read(0)), (4, 5, Read(0))]));
        assert!(is_sound(&[(1, 0, Write(1)), (2, 3, Read(0)), (4, 5, Read(1))]));
        assert!(!is_sound(&[(1, 0, Write(1)), (2, 3, Read(1)), (4, 5, Read(0))]));
        assert!(!is_sound(&[(3, 0, Write(1)), (1, 2, Read(1))]));
    }

    #[test]
    fn many_calls_at_once_take_no_for_ever() {
        let mut history: Vec<_> = (0..200).map(|at| (10 * at, 10 * at + 45, Write((at % 7) as u8))).collect();
        assert!(is_sound(&history));
        history.push((5_000, 5_001, Read(9)));
        assert!(!is_sound(&history));
    }
}
