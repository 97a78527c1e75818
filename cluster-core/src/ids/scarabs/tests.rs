//! No id twice, wherever the clock goes.

use proptest::prelude::*;

use super::*;
use crate::disk::FaultyDisk;
use crate::ids::MAX_RANGE;
use crate::ids::bound::AHEAD_MS;
use crate::ids::testkit::{DIR, StepClock, dir};

const NOW: u64 = 50_000_000_000;
const HOUR_MS: u64 = 3_600_000;

fn options() -> ScarabOptions {
    ScarabOptions { manual: true, ..ScarabOptions::of(NodeNumber::new(5).unwrap()) }
}

fn try_open(disk: &FaultyDisk, clock: &StepClock) -> Result<Scarabs<StepClock>, Error> {
    Scarabs::open_with(dir(), options(), disk, clock.clone())
}

/// Makes the generator where it was not used yet.
fn make(disk: &FaultyDisk) {
    if Scarabs::used_by(dir(), disk).unwrap().is_none() {
        Scarabs::make(dir(), options().node, disk).unwrap();
    }
}

fn open(disk: &FaultyDisk, clock: &StepClock) -> Scarabs<StepClock> {
    make(disk);
    try_open(disk, clock).unwrap()
}

#[test]
fn ids_carry_the_clock_and_the_node() {
    let (disk, clock) = (FaultyDisk::new(1), StepClock::at(NOW));
    let scarabs = open(&disk, &clock);
    let ids: Vec<Scarab> = (0..3).map(|_| scarabs.next().unwrap()).collect();
    assert!(ids.iter().all(|id| id.time_ms() == NOW && id.node() == scarabs.node()));
    assert_eq!(ids.iter().map(|id| id.sequence()).collect::<Vec<_>>(), [0, 1, 2]);
    clock.pass(10);
    let id = scarabs.next().unwrap();
    assert_eq!((id.time_ms(), id.sequence()), (NOW + 10, 0));
    assert_eq!(scarabs.drift_ms(), 0);
}

#[test]
fn the_sequence_carries_and_never_wraps() {
    let (disk, clock) = (FaultyDisk::new(1), StepClock::at(NOW));
    let scarabs = open(&disk, &clock);
    let mut last = scarabs.next().unwrap();
    for draw in 1..20_000u64 {
        let id = scarabs.next().unwrap();
        assert!(id > last);
        assert_eq!((id.time_ms(), u64::from(id.sequence())), (NOW + draw / 8192, draw % 8192));
        last = id;
    }
    assert_eq!(scarabs.drift_ms(), 2);
    let range: Vec<Scarab> = scarabs.range(10_000).unwrap().collect();
    assert!(range[0] > last && range.is_sorted() && range.len() == 10_000);
    assert!(scarabs.next().unwrap() > range[9_999]);
    for count in [0, MAX_RANGE + 1] {
        assert!(matches!(scarabs.range(count), Err(Error::Size { .. })));
    }
}

#[test]
fn a_clock_that_steps_back_repeats_nothing() {
    for back in [5_000, 3 * HOUR_MS] {
        let (disk, clock) = (FaultyDisk::new(1), StepClock::at(NOW));
        let mut scarabs = open(&disk, &clock);
        let mut last = scarabs.next().unwrap();
        for round in 0..20 {
            clock.step(if round % 2 == 0 { -(back as i64) } else { 1_000 });
            for _ in 0..50 {
                let id = scarabs.next().unwrap();
                assert!(id > last);
                last = id;
                clock.pass(1);
                scarabs.drive();
            }
            assert!(scarabs.drift_ms() >= back - 2_000);
            // An end in order, or a crash.
            if round % 3 == 0 {
                drop(scarabs);
                disk.crash();
                scarabs = open(&disk, &clock);
            } else if round % 3 == 1 {
                disk.crash();
                drop(scarabs);
                scarabs = open(&disk, &clock);
            }
        }
    }
}

#[test]
fn a_clock_hours_ahead_is_followed_and_leaves_a_drift() {
    let (disk, clock) = (FaultyDisk::new(1), StepClock::at(NOW));
    let scarabs = open(&disk, &clock);
    clock.step(3 * HOUR_MS as i64);
    let high = scarabs.next().unwrap();
    assert_eq!(high.time_ms(), NOW + 3 * HOUR_MS);
    clock.step(-3 * HOUR_MS as i64);
    assert!(scarabs.next().unwrap() > high);
    assert_eq!(scarabs.drift_ms(), 3 * HOUR_MS);
    clock.pass(3 * HOUR_MS + 1);
    assert_eq!((scarabs.next().unwrap().time_ms(), scarabs.drift_ms()), (NOW + 3 * HOUR_MS + 1, 0));
}

#[test]
fn a_leap_of_more_than_a_day_is_refused_without_a_trace() {
    let (disk, clock) = (FaultyDisk::new(1), StepClock::at(NOW));
    let scarabs = open(&disk, &clock);
    let before = scarabs.next().unwrap();
    let operations = disk.operations();
    clock.step(20 * 365 * DAY_MS as i64);
    for _ in 0..3 {
        let error = scarabs.next().unwrap_err();
        assert!(error.to_string().contains("set it right, and ids go on; if it is right, restart"), "{error}");
        assert!(!error.is_fatal());
    }
    assert!(!scarabs.drive() && scarabs.failure().is_none());
    assert_eq!(disk.operations(), operations);
    clock.set(NOW);
    let after = scarabs.next().unwrap();
    assert!(after > before && after.time_ms() == NOW);
    // The machine slept, or nobody asked: that is no leap.
    clock.pass(300 * DAY_MS);
    assert_eq!(scarabs.next().unwrap().time_ms(), NOW + 300 * DAY_MS);
}

#[test]
fn a_start_takes_the_clock_at_its_word_up_to_ten_years() {
    let (disk, clock) = (FaultyDisk::new(1), StepClock::at(NOW));
    drop(open(&disk, &clock));
    // Nothing left, so nothing was recorded: a wrong clock at a start does no harm before the first draw.
    clock.step(9 * 365 * DAY_MS as i64);
    drop(open(&disk, &clock));
    clock.set(NOW);
    let scarabs = open(&disk, &clock);
    assert_eq!(scarabs.next().unwrap().time_ms(), NOW);
    drop(scarabs);
    clock.step(9 * 365 * DAY_MS as i64);
    assert_eq!(open(&disk, &clock).next().unwrap().time_ms(), NOW + 9 * 365 * DAY_MS);
    clock.step(11 * 365 * DAY_MS as i64);
    assert!(matches!(try_open(&disk, &clock), Err(Error::ClockLeapt { .. })));
}

#[test]
fn a_clock_before_2025_counts_as_2025() {
    struct Dead;
    impl Clock for Dead {
        fn unix_ms(&self) -> u64 {
            0
        }
        fn steady_ms(&self) -> u64 {
            0
        }
    }
    let disk = FaultyDisk::new(1);
    make(&disk);
    let scarabs = Scarabs::open_with(dir(), options(), &disk, Dead).unwrap();
    assert_eq!(scarabs.next().unwrap().time_ms(), 0);
}

#[test]
fn the_bound_is_ahead_of_use_and_a_crash_goes_on_from_it() {
    let (disk, clock) = (FaultyDisk::new(1), StepClock::at(NOW));
    let scarabs = open(&disk, &clock);
    scarabs.next().unwrap();
    assert!(!scarabs.drive());
    clock.pass(AHEAD_MS / 2 + 1);
    scarabs.next().unwrap();
    assert!(scarabs.drive() && !scarabs.drive());
    let syncs = disk.syncs();
    clock.pass(AHEAD_MS - 1);
    scarabs.next().unwrap();
    assert_eq!(disk.syncs(), syncs, "recorded ahead, so nobody waits");
    disk.crash();
    drop(scarabs);
    let scarabs = open(&disk, &clock);
    // The bound is the end of the last id's millisecond and 4 s more.
    assert_eq!(scarabs.next().unwrap().time_ms(), NOW + AHEAD_MS / 2 + 2 + AHEAD_MS);
    drop(scarabs);
    // An end in order gives the rest back.
    let mut last = open(&disk, &clock).next().unwrap();
    for _ in 0..10 {
        let id = open(&disk, &clock).next().unwrap();
        assert!(id > last && id.time_ms() <= last.time_ms() + 1);
        last = id;
    }
}

#[test]
fn the_thread_records_ahead() {
    let (disk, clock) = (FaultyDisk::new(1), StepClock::at(NOW));
    make(&disk);
    let options = ScarabOptions { manual: false, ..options() };
    let scarabs = Scarabs::open_with(dir(), options, &disk, clock.clone()).unwrap();
    let reserved = scarabs.refill.reserved();
    clock.pass(AHEAD_MS / 2 + 1);
    scarabs.next().unwrap();
    while scarabs.refill.reserved() == reserved {
        std::thread::yield_now();
    }
    clock.pass(HOUR_MS);
    assert_eq!(scarabs.next().unwrap().time_ms(), NOW + AHEAD_MS / 2 + 1 + HOUR_MS, "beyond the bound a draw waits");
    assert!(!scarabs.drive());
}

#[test]
fn the_last_millisecond_ends_the_ids() {
    let (disk, clock) = (FaultyDisk::new(1), StepClock::at(END_MS - 3));
    let scarabs = open(&disk, &clock);
    assert!(scarabs.next().is_ok());
    clock.pass(2);
    let last = scarabs.range(8192).unwrap().last().unwrap();
    assert_eq!(u64::from(last) | 1023 << 13, u64::MAX);
    for _ in 0..3 {
        assert!(matches!(scarabs.next(), Err(Error::IdsExhausted { .. })));
    }
    assert!(scarabs.range(1).is_err());
    drop(scarabs);
    clock.pass(1);
    assert!(matches!(try_open(&disk, &clock), Err(Error::IdsExhausted { .. })));
}

#[test]
fn a_failed_sync_poisons_and_is_never_tried_again() {
    // Of both copies of the bound, and of its mark.
    for (manual, syncs) in [true, false].into_iter().flat_map(|manual| [0, 1, 2, 3].map(|syncs| (manual, syncs))) {
        let (disk, clock) = (FaultyDisk::new(1), StepClock::at(NOW));
        make(&disk);
        let options = ScarabOptions { manual, ..options() };
        let scarabs = Scarabs::open_with(dir(), options, &disk, clock.clone()).unwrap();
        let before = scarabs.next().unwrap();
        disk.fail_sync_after(syncs);
        clock.pass(HOUR_MS);
        assert!(matches!(scarabs.next(), Err(Error::SyncFailed { .. })));
        clock.set(NOW);
        let operations = disk.operations();
        assert!(matches!(scarabs.next(), Err(Error::SyncFailed { .. })), "also below the old bound");
        assert!(matches!(scarabs.failure(), Some(Error::SyncFailed { .. })));
        drop(scarabs);
        assert_eq!(disk.operations(), operations);
        disk.crash();
        assert!(open(&disk, &clock).next().unwrap() > before);
    }
}

#[test]
fn a_full_disk_and_a_second_owner_are_refused() {
    let (disk, clock) = (FaultyDisk::new(1), StepClock::at(NOW));
    disk.set_capacity(Some(100));
    let making = Scarabs::make(dir(), options().node, &disk);
    assert!(matches!(making, Err(Error::DiskFull { dir }) if dir == Path::new(DIR)));
    disk.set_capacity(None);
    let scarabs = open(&disk, &clock);
    assert!(matches!(try_open(&disk, &clock), Err(Error::InUse { .. })));
    drop(scarabs);
    open(&disk, &clock);
}

#[test]
fn eight_threads_draw_a_million_distinct_ids_while_the_clock_is_set() {
    let home = tempfile::tempdir().unwrap();
    let clock = StepClock::at(NOW);
    let options = ScarabOptions { manual: false, ..options() };
    let path = home.path().join("ids");
    Scarabs::make(&path, options.node, &RealDisk).unwrap();
    let scarabs = Scarabs::open_with(&path, options, &RealDisk, clock.clone()).unwrap();
    let draw = |thread: u64| {
        let mut ids: Vec<Scarab> = Vec::new();
        for number in 0..125_000u64 {
            if thread == 0 && number % 5_000 == 0 {
                let steps = [1_500, -5_000, 9_000, -3 * HOUR_MS as i64, 2 * HOUR_MS as i64];
                clock.step(steps[number as usize / 5_000 % 5]);
            }
            let id = scarabs.next().unwrap();
            assert!(ids.last().is_none_or(|last| *last < id));
            ids.push(id);
        }
        ids
    };
    let mut ids: Vec<Scarab> = std::thread::scope(|scope| {
        let draw = &draw;
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || draw(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1_000_000);
}

proptest! {
    /// Against the rule as the design writes it: next = max(state + 1, now << 13).
    #[test]
    fn it_follows_the_rule(steps in prop::collection::vec((0u8..6, -20_000i64..20_000, 1u32..20_000), 1..80)) {
        let (disk, clock) = (FaultyDisk::new(1), StepClock::at(NOW));
        let scarabs = open(&disk, &clock);
        let mut free = 0u64;
        for (kind, step, count) in steps {
            let now = (clock.unix_ms() - SCARAB_EPOCH_MS) << SEQUENCE_BITS;
            match kind {
                0..=1 => {
                    free = free.max(now);
                    prop_assert_eq!(scarabs.next().unwrap().state(), free);
                    free += 1;
                }
                2 => {
                    free = free.max(now);
                    let range = scarabs.range(count).unwrap();
                    let states: Vec<u64> = range.map(Scarab::state).collect();
                    prop_assert_eq!(states, (free..free + u64::from(count)).collect::<Vec<_>>());
                    free += u64::from(count);
                }
                3 => {
                    scarabs.drive();
                }
                _ => clock.step(step),
            }
        }
    }
}
