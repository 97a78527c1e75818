//! One member with its disk.

use std::collections::{BTreeMap, VecDeque};

use super::super::{
    Change, Content, Epoch, Found, Lsn, MemberEffect, MemberId, MemberInput, MemberState, MemoryCopies, StoringMember,
};

/// A storing member, what its disk holds for certain, and what it was asked to hold and may lose.
#[derive(Debug)]
pub(super) struct Host {
    pub id: MemberId,
    pub up: bool,
    /// Its disk is gone: whoever comes instead of it has another id.
    pub lost: bool,
    member: StoringMember,
    visible: MemoryCopies,
    durable: (MemberState, MemoryCopies),
    queue: VecDeque<(u64, Vec<Change>)>,
    /// What it has of other members, from the first position on, and the next one: all of it final, and durable.
    files: (BTreeMap<Lsn, Content>, Lsn),
}

impl Host {
    pub fn new(id: MemberId) -> Self {
        let durable = (MemberState::default(), MemoryCopies::default());
        let member = StoringMember::new(durable.0.clone());
        let files = (BTreeMap::new(), Lsn::new(Epoch(1), 1));
        let (visible, queue) = (MemoryCopies::default(), VecDeque::new());
        Self { id, up: true, lost: false, member, visible, durable, queue, files }
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

    /// The disk is gone.
    pub fn lose(&mut self) {
        (self.up, self.lost) = (false, true);
    }

    /// The first position that it has not taken over.
    pub fn end(&self) -> Lsn {
        self.files.1
    }

    /// Takes over what stands at the first position that it has not.
    pub fn take_over(&mut self, content: Content) {
        let (files, end) = &mut self.files;
        let next = match content {
            Content::Bridge => Lsn::new(Epoch(end.epoch.0 + 1), 1),
            Content::Record(_) | Content::Hole => Lsn::new(end.epoch, end.number + 1),
        };
        files.insert(std::mem::replace(end, next), content);
    }

    pub fn restart(&mut self) {
        self.up = !self.lost;
        self.member = StoringMember::new(self.durable.0.clone());
        self.visible = self.durable.1.clone();
    }

    /// What a reader would hear now; `None` where it would hear nothing, or only after the disk.
    pub fn found(&self, lsn: Lsn) -> Option<Found> {
        let speaks = self.up && self.queue.is_empty();
        let found = speaks.then(|| self.member.found(lsn, &self.visible).expect("memory does not fail"))?;
        let taken_over = self.files.0.get(&lsn).filter(|_| found == Found::Nothing);
        Some(taken_over.map_or(found, |content| Found::Copy(content.clone())))
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
