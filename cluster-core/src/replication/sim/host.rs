//! One member with its disk.

use std::collections::VecDeque;

use super::super::{Change, Found, Lsn, MemberEffect, MemberId, MemberInput, MemberState, MemoryCopies, StoringMember};

/// A storing member, what its disk holds for certain, and what it was asked to hold and may lose.
#[derive(Debug)]
pub(super) struct Host {
    pub id: MemberId,
    pub up: bool,
    member: StoringMember,
    visible: MemoryCopies,
    durable: (MemberState, MemoryCopies),
    queue: VecDeque<(u64, Vec<Change>)>,
}

impl Host {
    pub fn new(id: MemberId) -> Self {
        let durable = (MemberState::default(), MemoryCopies::default());
        let member = StoringMember::new(durable.0.clone());
        Self { id, up: true, member, visible: MemoryCopies::default(), durable, queue: VecDeque::new() }
    }

    /// Feeds the member; what is left to others is given back.
    pub fn step(&mut self, input: MemberInput) -> Vec<MemberEffect> {
        let mut effects = self.member.step(input, &self.visible).expect("memory does not fail");
        effects.retain_mut(|effect| {
            let MemberEffect::Persist { ticket, changes } = effect else { return true };
            changes.iter().for_each(|change| self.visible.apply(change));
            self.queue.push_back((*ticket, std::mem::take(changes)));
            false
        });
        effects
    }

    /// How many writes wait for the disk.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// The first writes become durable, and the member is told.
    pub fn sync(&mut self, writes: usize) -> Vec<MemberEffect> {
        match self.write(writes) {
            Some(ticket) => self.step(MemberInput::Durable { ticket }),
            None => Vec::new(),
        }
    }

    /// The power goes. Of the writes that wait, the first ones had reached the disk all the same.
    pub fn crash(&mut self, writes: usize) {
        self.write(writes);
        self.queue.clear();
        self.up = false;
    }

    pub fn restart(&mut self) {
        self.up = true;
        self.member = StoringMember::new(self.durable.0.clone());
        self.visible = self.durable.1.clone();
    }

    /// What a reader would hear now; `None` where it would hear nothing, or only after the disk.
    pub fn found(&self, lsn: Lsn) -> Option<Found> {
        let speaks = self.up && self.queue.is_empty();
        speaks.then(|| self.member.found(lsn, &self.visible).expect("memory does not fail"))
    }

    /// What it would know after a crash.
    pub fn durable_state(&self) -> &MemberState {
        &self.durable.0
    }

    fn write(&mut self, writes: usize) -> Option<u64> {
        let mut last = None;
        for (ticket, changes) in self.queue.drain(..writes.min(self.queue.len())) {
            for change in &changes {
                self.durable.0.apply(change);
                self.durable.1.apply(change);
            }
            last = Some(ticket);
        }
        last
    }
}
