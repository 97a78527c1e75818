//! Messages on their way, and what the adversary holds back.

use super::super::{Answer, Command, MemberId, Message};
use super::rng::Rng;

/// Anything on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Packet {
    /// From one process to another.
    Peer { from: MemberId, to: MemberId, message: Message },
    /// To the epoch store. `seat` is the sequencer that asks; a storing member where there is none.
    Command { from: MemberId, seat: Option<usize>, command: Command },
    /// From the epoch store.
    Answer { to: MemberId, seat: Option<usize>, answer: Answer },
}

/// The kind of a packet, for rules about packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Wave,
    Mutation,
    Stored,
    Fenced,
    Seal,
    Sealed,
    Digest,
    Digested,
    Clean,
    Cleaned,
    Release,
    Read,
    Command,
    Answer,
}

impl Kind {
    pub const ALL: [Self; 14] = [
        Self::Wave,
        Self::Mutation,
        Self::Stored,
        Self::Fenced,
        Self::Seal,
        Self::Sealed,
        Self::Digest,
        Self::Digested,
        Self::Clean,
        Self::Cleaned,
        Self::Release,
        Self::Read,
        Self::Command,
        Self::Answer,
    ];
}

impl Packet {
    pub fn kind(&self) -> Kind {
        use super::super::Precedence::Wave;
        match self {
            Self::Command { .. } => Kind::Command,
            Self::Answer { .. } => Kind::Answer,
            Self::Peer { message, .. } => match message {
                Message::Store { entry, .. } if matches!(entry.precedence, Wave(_)) => Kind::Wave,
                Message::Store { .. } => Kind::Mutation,
                Message::Stored { .. } | Message::Received { .. } => Kind::Stored,
                Message::Fenced { .. } => Kind::Fenced,
                Message::Seal { .. } => Kind::Seal,
                Message::Sealed { .. } => Kind::Sealed,
                Message::Digest { .. } => Kind::Digest,
                Message::Digested { .. } => Kind::Digested,
                Message::Clean { .. } => Kind::Clean,
                Message::Cleaned { .. } => Kind::Cleaned,
                Message::Release { .. } => Kind::Release,
                Message::Read { .. } | Message::Answer { .. } => Kind::Read,
            },
        }
    }

    /// Whether the process sends or receives it.
    pub fn concerns(&self, process: MemberId) -> bool {
        match self {
            Self::Peer { from, to, .. } => *from == process || *to == process,
            Self::Command { from, .. } => *from == process,
            Self::Answer { to, .. } => *to == process,
        }
    }
}

/// Packets that are not delivered for a while. What is not said does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Hold {
    pub kind: Option<Kind>,
    pub process: Option<MemberId>,
    pub until: u64,
}

impl Hold {
    fn holds(&self, packet: &Packet) -> bool {
        self.kind.is_none_or(|kind| packet.kind() == kind)
            && self.process.is_none_or(|process| packet.concerns(process))
    }
}

/// Everything that is on its way, in no order.
#[derive(Debug, Default)]
pub(super) struct Network {
    packets: Vec<Packet>,
    holds: Vec<Hold>,
    /// Packets that come back at a step.
    frozen: Vec<(u64, Packet)>,
}

impl Network {
    pub fn send(&mut self, packet: Packet) {
        self.packets.push(packet);
    }

    pub fn len(&self) -> usize {
        self.packets.len()
    }

    pub fn hold(&mut self, hold: Hold) {
        self.holds.push(hold);
    }

    /// The packet comes back much later, when others of its kind are long done with.
    pub fn freeze(&mut self, packet: Packet, until: u64) {
        self.frozen.push((until, packet));
    }

    /// Nothing is held any more. What is frozen still comes in its time.
    pub fn heal(&mut self) {
        self.holds.clear();
    }

    /// Lets go of what was held or frozen until now.
    pub fn thaw(&mut self, now: u64) {
        self.holds.retain(|hold| hold.until > now);
        let thawed = self.frozen.extract_if(.., |(until, _)| *until <= now);
        self.packets.extend(thawed.map(|(_, packet)| packet));
    }

    /// One packet that is not held, if a few tries find one.
    pub fn take(&mut self, rng: &mut Rng, newest: bool) -> Option<Packet> {
        for _ in 0..4 {
            if self.packets.is_empty() {
                return None;
            }
            let recent = if newest { self.packets.len().min(8) } else { self.packets.len() };
            let place = self.packets.len() - 1 - rng.below(recent);
            if !self.holds.iter().any(|hold| hold.holds(&self.packets[place])) {
                return Some(self.packets.swap_remove(place));
            }
        }
        None
    }
}
