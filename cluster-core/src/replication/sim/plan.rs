//! How the adversary of one history behaves. Every seed has other habits, so that what takes many steps of one kind comes up as well.

use super::network::Kind;
use super::rng::Rng;

/// What the adversary may do in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Deliver,
    Sync,
    Append,
    Tick,
    Retry,
    Activate,
    Kill,
    Restart,
    Crash,
    Recover,
    Poll,
    CatchUp,
    Lose,
    Hold,
    Ask,
    Check,
}

/// What the adversary does when it sees what it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Ambush {
    Activate,
    Replace,
    CrashReceiver,
    CutReceiver,
    CutSender,
    HoldKind,
    HoldOther(Kind),
    Retry,
}

#[derive(Debug)]
pub(super) struct Plan {
    pub acts: Vec<Act>,
    pub weights: Vec<usize>,
    /// Of a thousand deliveries, for each kind of packet. Some kinds are lost more often than not.
    losses: [usize; Kind::ALL.len()],
    pub doubled: usize,
    /// Of a thousand deliveries that come much later, for each kind of packet.
    freezes: [usize; Kind::ALL.len()],
    /// Packets that are delivered in one step, at most.
    pub burst: usize,
    /// Whether young packets go first, so that old ones get very old.
    pub newest: usize,
    /// Of a thousand steps of a member: its disk is done at once.
    pub prompt: usize,
    /// Of a thousand activations: the sequencers before live on.
    pub zombies: usize,
    pub seats: usize,
    pub steps: usize,
    pub ambushes: Vec<(Kind, Ambush)>,
    /// How many ambushes may be sprung.
    pub traps: usize,
    /// How long a hold lasts, at most.
    pub patience: usize,
    /// Of a thousand new epochs: those that change the nodeset.
    pub change: usize,
    /// Epochs that are taken before another one and that nobody begins, at most.
    pub idle: usize,
}

impl Plan {
    pub fn new(rng: &mut Rng) -> Self {
        let mut losses = Kind::ALL.map(|_| if rng.chance(120) { rng.within(300, 900) } else { rng.below(80) });
        let mut freezes = Kind::ALL.map(|_| if rng.chance(60) { rng.within(100, 400) } else { rng.below(20) });
        // Entries with few copies, and one attempt after the other to recover them, none of which gets far.
        let storm = rng.chance(300);
        if storm {
            losses[Kind::Wave as usize] = rng.within(300, 800);
            losses[Kind::Mutation as usize] = rng.within(0, 500);
            freezes[Kind::Mutation as usize] = rng.within(0, 500);
            losses[Kind::Release as usize] = rng.within(0, 950);
        }
        // Disks are lost.
        let disks = rng.chance(250);
        // One nodeset after the other, none of whose epochs is recovered, and their sequencers live on.
        let drift = rng.chance(200);
        if drift {
            losses[Kind::Digest as usize] = rng.within(300, 950);
            losses[Kind::Wave as usize] = rng.below(100);
        }
        let mut weight = |act: Act, low: usize, high: usize| (act, rng.within(low, high));
        let acts = [
            weight(Act::Deliver, 300, 700),
            weight(Act::Sync, 20, 150),
            weight(Act::Append, 20, 120),
            weight(Act::Tick, 30, 100),
            weight(Act::Retry, if storm { 20 } else { 0 }, if storm { 80 } else { 20 }),
            weight(Act::Activate, 3, 15),
            weight(Act::Kill, 0, 6),
            weight(Act::Restart, 0, 6),
            weight(Act::Crash, 0, 15),
            weight(Act::Recover, 10, 40),
            weight(Act::Hold, 0, 15),
            weight(Act::Ask, 5, 20),
            weight(Act::Check, 30, 60),
            weight(Act::Poll, 0, 5),
            weight(Act::CatchUp, if disks { 20 } else { 0 }, if disks { 80 } else { 0 }),
            weight(Act::Lose, if disks { 3 } else { 0 }, if disks { 15 } else { 0 }),
        ];
        let patient = [20, 60, 150];
        let traps = rng.below(5);
        Self {
            acts: acts.iter().map(|(act, _)| *act).collect(),
            weights: acts.iter().map(|(_, weight)| *weight).collect(),
            losses,
            burst: *rng.pick(&[1, 2, 4, 8]).unwrap_or(&1),
            doubled: rng.below(80),
            freezes,
            newest: *rng.pick(&[0, 300, 700, 950]).unwrap_or(&0),
            prompt: *rng.pick(&[0, 500, 900, 1000]).unwrap_or(&0),
            zombies: if drift { 1000 } else { *rng.pick(&[300, 600, 1000]).unwrap_or(&0) },
            seats: if drift { 12 } else { rng.within(3, 10) },
            steps: rng.within(150, 700),
            ambushes: (0..traps).filter_map(|_| Some((*rng.pick(&Kind::ALL)?, ambush(rng)?))).collect(),
            traps: rng.within(1, 12),
            patience: *rng.pick(&patient).unwrap_or(&60),
            idle: if drift { 3 } else { 0 },
            change: if drift { 1000 } else { *rng.pick(&[0, 0, 300, 700]).unwrap_or(&0) },
        }
    }

    /// How often a packet of this kind is lost.
    pub fn loss(&self, kind: Kind) -> usize {
        self.losses[kind as usize]
    }

    /// How often it comes much later.
    pub fn freeze(&self, kind: Kind) -> usize {
        self.freezes[kind as usize]
    }
}

fn ambush(rng: &mut Rng) -> Option<Ambush> {
    let other = *rng.pick(&Kind::ALL)?;
    rng.pick(&[
        Ambush::Activate,
        Ambush::Replace,
        Ambush::CrashReceiver,
        Ambush::CutReceiver,
        Ambush::CutSender,
        Ambush::HoldKind,
        Ambush::HoldOther(other),
        Ambush::Retry,
    ])
    .copied()
}
