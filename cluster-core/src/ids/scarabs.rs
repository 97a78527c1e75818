//! The generator of Scarab ids.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::bound::BoundFile;
use super::refill::Refill;
use super::scarab::{END_MS, SCARAB_EPOCH_MS, SEQUENCE_BITS};
use super::{Clock, CoarseClock, NodeNumber, Padded, Scarab, ScarabRange, range_count};
use crate::Error;
use crate::disk::{Disk, RealDisk};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// A clock that leaps further than this while the process runs is not followed: an hour or a time zone is a mistake that ids can
/// absorb, a leap of years would stay in them for ever.
const MAX_LEAP_MS: u64 = DAY_MS;
/// A start takes the clock at its word, since the machine may have been off for long; but not for longer than this, which a receiver
/// of satellite time that lost count of its weeks would claim (19.6 years).
const MAX_REST_MS: u64 = 10 * 365 * DAY_MS;

/// Settings of [`Scarabs::open`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScarabOptions {
    /// Goes into every id; no other generator of the cluster may ever have had it.
    pub node: NodeNumber,
    /// No thread: a draw that needs a later bound records it, and [`Scarabs::drive`] records one that is due. For simulators.
    pub manual: bool,
}

impl ScarabOptions {
    /// The defaults, for a node.
    #[must_use]
    pub const fn of(node: NodeNumber) -> Self {
        Self { node, manual: false }
    }
}

/// A generator of [`Scarab`] ids that repeats none, whatever crashes and wherever the clock goes: each id is larger than all that
/// were drawn before the draw began, in this life and in earlier ones.
///
/// Its state is one integer, `time << 13 | sequence`, and a draw moves it to the larger of the next state and the clock's. So the
/// sequence carries into the time and never wraps, and a clock that steps back changes nothing but the drift. A *bound* on the time
/// is recorded on stable storage before any id at or above it leaves, and a start goes on from it. A thread records the next bound,
/// 4 s ahead, when half of that is used; after a pause of more than that the first draw waits for one record.
///
/// # Drift
/// Ids run ahead of the clock ([`Scarabs::drift_ms`]) by as much as it stepped back, until it has caught up; by up to 4 s after a crash;
/// and at more than 8,192,000 ids per second, for as long as that lasts. They go on in all cases; an alarm is up to the caller.
///
/// # A clock that leaps ahead
/// Hours are followed, and stay in the ids when the clock is set back. More than a day beyond what a steady clock says since the
/// start is refused with [`Error::ClockLeapt`], without effect on anything: draws go on when the clock is right again, or after a
/// restart, which takes the clock at its word up to ten years beyond the last bound. (A machine that starts with a clock days behind
/// should set it before it starts the node.)
///
/// # What a start notices
/// The files `bound` and `mark` hold the same bound, and the node number. Where one of them is missing, or the bound is older than its
/// mark, the start is refused with [`Error::BoundLost`]; so are a directory without both, and another node number. **Not** noticed:
/// both files restored from an older copy. Then ids repeat where they had run ahead of the clock, or where it was set back since: give the
/// generator a node number that was never used. Two generators with one number on two machines repeat each other's ids unseen.
#[derive(Debug)]
pub struct Scarabs<C: Clock = CoarseClock> {
    /// The next free state.
    free: Padded,
    refill: Refill,
    clock: C,
    node: NodeNumber,
    opened: Opened,
}

/// Both clocks at the start. Wall time in milliseconds since 2025-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy)]
struct Opened {
    wall_ms: u64,
    steady_ms: u64,
}

impl Scarabs {
    /// The number under which ids may have left the generator in a directory; `None` where none did. Nothing is made or changed.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a bound that does not check; [`Error::Io`] from the disk.
    pub fn used_by(dir: &Path, disk: &dyn Disk) -> Result<Option<NodeNumber>, Error> {
        BoundFile::used_by(disk, dir)
    }

    /// Makes a generator in a directory, and the directory where there is none, durably; its parent should exist. No id leaves
    /// by it, and it may be made again, also for another number, until it is opened. Who has made it records that in another place,
    /// and opens it only then: after the loss of this directory only that record says that it was there.
    ///
    /// # Errors
    /// [`Error::IdsUsed`] where ids may have left; [`Error::InUse`] while another has it open; [`Error::Damaged`],
    /// [`Error::DiskFull`], [`Error::SyncFailed`] and [`Error::Io`] from the disk.
    pub fn make(dir: &Path, node: NodeNumber, disk: &dyn Disk) -> Result<(), Error> {
        BoundFile::make(disk, dir, node)
    }

    /// Opens the generator that was made in a directory on the real disk.
    ///
    /// # Errors
    /// [`Error::InUse`] while another has it open; [`Error::IdsMissing`], [`Error::BoundLost`] and [`Error::Damaged`] for files that
    /// do not fit; [`Error::OtherNodeNumber`] for a number that does not; [`Error::ClockLeapt`] and [`Error::IdsExhausted`] by the
    /// clock; [`Error::DiskFull`], [`Error::SyncFailed`] and [`Error::Io`] from the disk.
    pub fn open(dir: &Path, options: ScarabOptions) -> Result<Self, Error> {
        Self::open_with(dir, options, &RealDisk, CoarseClock)
    }
}

impl<C: Clock> Scarabs<C> {
    /// [`Scarabs::open`] on any disk and clock.
    ///
    /// # Errors
    /// As [`Scarabs::open`].
    pub fn open_with(dir: &Path, options: ScarabOptions, disk: &dyn Disk, clock: C) -> Result<Self, Error> {
        let bound = BoundFile::open(disk, dir, options.node)?;
        let opened = Opened { wall_ms: scarab_ms(&clock), steady_ms: clock.steady_ms() };
        let floor = bound.bound_ms();
        let rested = floor.map_or(0, |floor| opened.wall_ms.saturating_sub(floor));
        if rested > MAX_REST_MS {
            return Err(Error::ClockLeapt { ahead_ms: rested });
        }
        if opened.wall_ms >= END_MS {
            return Err(Error::IdsExhausted { file: dir.to_owned() });
        }
        let floor = floor.unwrap_or(0) << SEQUENCE_BITS;
        let first = floor.max(opened.wall_ms << SEQUENCE_BITS);
        let refill = Refill::start(Box::new(bound), first, options.manual, dir)?;
        Ok(Self { free: Padded(AtomicU64::new(floor)), refill, clock, node: options.node, opened })
    }

    /// The next id.
    ///
    /// # Errors
    /// [`Error::ClockLeapt`] while the clock is more than a day ahead. Once a bound could not be recorded, its error, for ever:
    /// [`Error::SyncFailed`], [`Error::DiskFull`], [`Error::Io`], [`Error::IdsExhausted`].
    #[inline]
    pub fn next(&self) -> Result<Scarab, Error> {
        self.draw(1).map(|state| Scarab::of_state(state, self.node))
    }

    /// The next `count` ids, 1 to [`MAX_RANGE`](super::MAX_RANGE), in one draw and without a gap. Each 8,192 take a millisecond.
    ///
    /// # Errors
    /// [`Error::Size`] for another count; those of [`Scarabs::next`].
    pub fn range(&self, count: u32) -> Result<ScarabRange, Error> {
        let count = range_count(count)?;
        Ok(ScarabRange::of_states(self.draw(count)?, count, self.node))
    }

    /// How far the next id is ahead of the clock, in milliseconds; 0 where it is not.
    pub fn drift_ms(&self) -> u64 {
        (self.free.0.load(Ordering::Relaxed) >> SEQUENCE_BITS).saturating_sub(scarab_ms(&self.clock))
    }

    /// The number that goes into every id.
    #[must_use]
    pub fn node(&self) -> NodeNumber {
        self.node
    }

    /// Why no ids leave any more, if so.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.refill.failure()
    }

    /// Manual mode: records the bound that the thread would record now; `false` where none is due or it failed, and always with a
    /// thread.
    pub fn drive(&self) -> bool {
        self.refill.drive()
    }

    /// Draws `count` states; answers the first.
    #[inline]
    fn draw(&self, count: u64) -> Result<u64, Error> {
        let mut now = scarab_ms(&self.clock);
        let mut free = self.free.0.load(Ordering::Relaxed);
        loop {
            let first = free.max(now << SEQUENCE_BITS);
            let end = first + count;
            if !self.refill.admits(end) {
                self.extend(end, (first > free).then_some(now))?;
                now = scarab_ms(&self.clock);
                free = self.free.0.load(Ordering::Relaxed);
                continue;
            }
            match self.free.0.compare_exchange_weak(free, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    self.refill.nudge(end);
                    return Ok(first);
                }
                Err(other) => free = other,
            }
        }
    }

    /// Waits for a bound that admits `end`. `clock` is the reading that asks for it, if one does.
    #[cold]
    fn extend(&self, end: u64, clock: Option<u64>) -> Result<(), Error> {
        let passed = self.clock.steady_ms().saturating_sub(self.opened.steady_ms);
        let expected = self.opened.wall_ms.saturating_add(passed);
        match clock.map(|wall_ms| wall_ms.saturating_sub(expected)) {
            Some(ahead_ms) if ahead_ms > MAX_LEAP_MS => Err(Error::ClockLeapt { ahead_ms }),
            _ => self.refill.wait(end),
        }
    }
}

impl<C: Clock> Drop for Scarabs<C> {
    fn drop(&mut self) {
        self.refill.close(self.free.0.load(Ordering::Relaxed));
    }
}

/// Milliseconds since 2025-01-01T00:00:00Z, between 0 and [`END_MS`].
#[inline]
fn scarab_ms(clock: &impl Clock) -> u64 {
    clock.unix_ms().saturating_sub(SCARAB_EPOCH_MS).min(END_MS)
}

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;
