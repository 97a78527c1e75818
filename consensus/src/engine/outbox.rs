//! Holds back everything that must not leave before something else is durable.
//!
//! A message may carry a signature of ours (a vote, a certificate, a commit), so each waits for all WAL entries before it, and for a mark
//! that covers the highest signature made until then. Order is kept.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::{CommittedBlock, Effect, SignMark, Ticket};

#[derive(Debug)]
enum Item {
    Gossip(Bytes),
    Commit(Ticket, Box<CommittedBlock>),
}

#[derive(Debug)]
struct Held {
    /// The last WAL entry before it.
    after: Option<Ticket>,
    /// The mark that must be durable.
    mark: Option<SignMark>,
    item: Item,
}

#[derive(Debug)]
pub(super) struct Outbox {
    last: u64,
    /// WAL entries that are not durable yet, oldest first.
    open: VecDeque<Ticket>,
    last_append: Option<Ticket>,
    mark: Option<SignMark>,
    marking: Option<(Ticket, SignMark)>,
    /// A mark to store although no message waits for it.
    raise: Option<SignMark>,
    held: VecDeque<Held>,
    commits: BTreeSet<Ticket>,
    /// Planted fault: waits for nothing and keeps no mark.
    unsafe_release: bool,
}

/// What a durable ticket was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durable {
    Entry,
    Mark,
    Commit,
    Unknown,
}

impl Outbox {
    pub(super) fn new(mark: Option<SignMark>, unsafe_release: bool) -> Self {
        Self {
            last: 0,
            open: VecDeque::new(),
            last_append: None,
            mark,
            marking: None,
            raise: None,
            held: VecDeque::new(),
            commits: BTreeSet::new(),
            unsafe_release,
        }
    }

    /// The durable mark.
    pub(super) fn mark(&self) -> Option<SignMark> {
        self.mark
    }

    /// How much waits.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn append(&mut self, bytes: Bytes, out: &mut Vec<Effect>) {
        let ticket = self.ticket();
        self.open.push_back(ticket);
        self.last_append = Some(ticket);
        out.push(Effect::WalAppend { ticket, bytes });
    }

    /// `signed`: the highest signature of ours that was made until now.
    pub(super) fn gossip(&mut self, bytes: Bytes, signed: Option<SignMark>, out: &mut Vec<Effect>) {
        self.hold(Item::Gossip(bytes), signed, out);
    }

    /// As [`Outbox::gossip`] for a decided block; gives its ticket.
    pub(super) fn commit(
        &mut self,
        block: Box<CommittedBlock>,
        signed: Option<SignMark>,
        out: &mut Vec<Effect>,
    ) -> Ticket {
        let ticket = self.ticket();
        self.commits.insert(ticket);
        self.hold(Item::Commit(ticket, block), signed, out);
        ticket
    }

    /// Stores a mark that is at least `mark`.
    pub(super) fn raise_mark(&mut self, mark: SignMark, out: &mut Vec<Effect>) {
        self.raise = self.raise.max(Some(mark));
        self.flush(out);
    }

    /// Forgets messages that could carry a signature which has not left yet. Decided blocks stay.
    pub(super) fn drop_unreleased(&mut self) {
        let mark = self.mark;
        self.held.retain(|held| held.mark <= mark || matches!(held.item, Item::Commit(..)));
    }

    pub(super) fn durable(&mut self, ticket: Ticket, out: &mut Vec<Effect>) -> Durable {
        let what = if self.commits.remove(&ticket) {
            Durable::Commit
        } else if self.marking.is_some_and(|(marking, _)| marking == ticket) {
            self.mark = self.mark.max(self.marking.take().map(|(_, mark)| mark));
            Durable::Mark
        } else if self.open.contains(&ticket) {
            while self.open.front().is_some_and(|open| *open <= ticket) {
                self.open.pop_front();
            }
            Durable::Entry
        } else {
            Durable::Unknown
        };
        self.flush(out);
        what
    }

    fn hold(&mut self, item: Item, signed: Option<SignMark>, out: &mut Vec<Effect>) {
        self.held.push_back(Held { after: self.last_append, mark: signed, item });
        self.flush(out);
    }

    fn ticket(&mut self) -> Ticket {
        self.last += 1;
        Ticket(self.last)
    }

    fn is_durable(&self, after: Option<Ticket>) -> bool {
        match (after, self.open.front()) {
            (Some(after), Some(open)) => *open > after,
            _ => true,
        }
    }

    fn flush(&mut self, out: &mut Vec<Effect>) {
        while let Some(front) = self.held.front() {
            let ready = self.is_durable(front.after) && front.mark <= self.mark;
            if !ready && !self.unsafe_release {
                break;
            }
            match self.held.pop_front().map(|held| held.item) {
                Some(Item::Gossip(bytes)) => out.push(Effect::Gossip { bytes }),
                Some(Item::Commit(ticket, block)) => out.push(Effect::Commit { ticket, block }),
                None => break,
            }
        }
        if self.marking.is_some() || self.unsafe_release {
            return;
        }
        let waiting =
            self.held.iter().take_while(|held| self.is_durable(held.after)).filter_map(|held| held.mark).max();
        let wanted = waiting.max(self.raise.take());
        if let Some(mark) = wanted.filter(|mark| Some(*mark) > self.mark) {
            let ticket = self.ticket();
            self.marking = Some((ticket, mark));
            out.push(Effect::Mark { ticket, mark });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::block::Step;

    fn mark(height: u64, step: Step) -> SignMark {
        SignMark { height, round: 0, step }
    }

    fn ticket(effect: &Effect) -> Ticket {
        match effect {
            Effect::WalAppend { ticket, .. } | Effect::Mark { ticket, .. } | Effect::Commit { ticket, .. } => *ticket,
            other => panic!("no ticket: {other:?}"),
        }
    }

    fn take(out: &mut Vec<Effect>) -> Vec<Effect> {
        std::mem::take(out)
    }

    #[test]
    fn a_signature_waits_for_the_wal_and_then_for_the_mark() {
        let (mut outbox, mut out) = (Outbox::new(None, false), Vec::new());
        outbox.append(Bytes::from_static(b"vote"), &mut out);
        outbox.gossip(Bytes::from_static(b"m"), Some(mark(1, Step::Prevote)), &mut out);
        let effects = take(&mut out);
        assert_eq!(effects.len(), 1, "only the append: {effects:?}");
        assert_eq!(outbox.durable(ticket(&effects[0]), &mut out), Durable::Entry);
        let effects = take(&mut out);
        assert!(matches!(effects[..], [Effect::Mark { mark: m, .. }] if m == mark(1, Step::Prevote)));
        assert_eq!(outbox.durable(ticket(&effects[0]), &mut out), Durable::Mark);
        assert!(matches!(take(&mut out)[..], [Effect::Gossip { .. }]));
        assert_eq!(outbox.mark(), Some(mark(1, Step::Prevote)));
    }

    #[test]
    fn what_carries_no_new_signature_leaves_at_once_but_in_order() {
        let (mut outbox, mut out) = (Outbox::new(Some(mark(1, Step::Precommit)), false), Vec::new());
        outbox.gossip(Bytes::from_static(b"a"), Some(mark(1, Step::Prevote)), &mut out);
        assert_eq!(take(&mut out).len(), 1);
        outbox.append(Bytes::from_static(b"x"), &mut out);
        outbox.gossip(Bytes::from_static(b"b"), None, &mut out);
        assert_eq!(out.len(), 1, "entries before it must be durable");
        let t = ticket(&take(&mut out)[0]);
        outbox.append(Bytes::from_static(b"y"), &mut out);
        outbox.durable(t, &mut out);
        assert!(matches!(take(&mut out)[..], [Effect::WalAppend { .. }, Effect::Gossip { .. }]));
    }

    #[test]
    fn one_ticket_covers_the_entries_before_it() {
        let (mut outbox, mut out) = (Outbox::new(None, false), Vec::new());
        for _ in 0..3 {
            outbox.append(Bytes::new(), &mut out);
        }
        outbox.gossip(Bytes::new(), None, &mut out);
        let last = ticket(&take(&mut out)[2]);
        outbox.durable(last, &mut out);
        assert!(matches!(take(&mut out)[..], [Effect::Gossip { .. }]));
        assert_eq!(outbox.durable(last, &mut out), Durable::Unknown);
    }

    #[test]
    fn marks_are_stored_one_at_a_time_and_never_go_back() {
        let (mut outbox, mut out) = (Outbox::new(None, false), Vec::new());
        outbox.gossip(Bytes::from_static(b"1"), Some(mark(1, Step::Propose)), &mut out);
        outbox.gossip(Bytes::from_static(b"2"), Some(mark(1, Step::Prevote)), &mut out);
        let first = take(&mut out);
        assert_eq!(first.len(), 1);
        outbox.durable(ticket(&first[0]), &mut out);
        let second = take(&mut out);
        assert!(matches!(second[..], [Effect::Gossip { .. }, Effect::Mark { .. }]));
        outbox.durable(ticket(&second[1]), &mut out);
        assert!(matches!(take(&mut out)[..], [Effect::Gossip { .. }]));
        outbox.raise_mark(mark(0, Step::Propose), &mut out);
        assert!(out.is_empty());
        outbox.raise_mark(mark(9, Step::Propose), &mut out);
        outbox.durable(ticket(&take(&mut out)[0]), &mut out);
        assert_eq!(outbox.mark(), Some(mark(9, Step::Propose)));
    }

    #[test]
    fn a_suspended_signer_takes_back_what_has_not_left() {
        let (mut outbox, mut out) = (Outbox::new(Some(mark(1, Step::Prevote)), false), Vec::new());
        outbox.append(Bytes::new(), &mut out);
        outbox.gossip(Bytes::from_static(b"old"), Some(mark(1, Step::Prevote)), &mut out);
        outbox.gossip(Bytes::from_static(b"new"), Some(mark(1, Step::Precommit)), &mut out);
        outbox.drop_unreleased();
        let t = ticket(&take(&mut out)[0]);
        outbox.durable(t, &mut out);
        assert!(matches!(&take(&mut out)[..], [Effect::Gossip { bytes }] if bytes == "old"));
        assert_eq!(outbox.len(), 0);
    }
}
