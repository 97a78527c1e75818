//! The first start of a generator is ended at every operation, by a kill or a power cut: the next one goes on, and repeats nothing.

use super::testkit::{StepClock, dir};
use super::{NodeNumber, Obelisk, ObeliskOptions, ScarabOptions, Scarabs};
use crate::Error;
use crate::disk::FaultyDisk;

/// More operations than a first start and its end have.
const OPERATIONS: u64 = 50;

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// What it did is there, and durable only as far as it synced.
    Kill,
    Power,
}

fn end(disk: &FaultyDisk, end: End) {
    match end {
        // From here on operations succeed again.
        End::Kill => disk.cut_power_after(u64::MAX),
        End::Power => disk.crash(),
    }
}

/// `draw` opens what was made, draws one and closes it. It is opened only after `make` has answered once.
fn everywhere(make: impl Fn(&FaultyDisk) -> Result<(), Error>, draw: impl Fn(&FaultyDisk) -> Result<u64, Error>) {
    let mut cuts = [0, 0];
    for (operations, seed) in (0..OPERATIONS).flat_map(|operations| (0..10).map(move |seed| (operations, seed))) {
        for ends in [[End::Power, End::Power], [End::Kill, End::Power], [End::Kill, End::Kill]] {
            let disk = FaultyDisk::new(seed);
            let what = format!("seed {seed}, after {operations} operations {ends:?}");
            disk.cut_power_after(operations);
            let made = make(&disk);
            let first = made.clone().and_then(|()| draw(&disk));
            end(&disk, ends[0]);
            if made.is_err() {
                cuts[0] += 1;
                make(&disk).unwrap_or_else(|error| panic!("{what}: not made: {error}"));
                end(&disk, ends[1]);
            }
            cuts[1] += u32::from(first.is_err());
            let second = draw(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(first.is_err() || second > first.unwrap(), "{what}: drawn again");
            end(&disk, ends[1]);
            let third = draw(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(third > second, "{what}: drawn again");
            assert!(matches!(make(&disk), Err(Error::IdsUsed { .. })));
        }
    }
    assert!(cuts[0] > 300 && cuts[1] > cuts[0] + 200, "{cuts:?}");
}

#[test]
fn of_an_obelisk() {
    let options = ObeliskOptions { block_bits: 2, manual: true };
    everywhere(|disk| Obelisk::make(dir(), 2, disk), |disk| Obelisk::open_with(dir(), options, disk)?.next());
}

#[test]
fn of_scarabs() {
    let options = ScarabOptions { manual: true, ..ScarabOptions::of(NodeNumber::MAX) };
    let clock = StepClock::at(50_000_000_000);
    let draw = |disk: &FaultyDisk| {
        // Never ahead of what was drawn before.
        clock.step(-10_000);
        Scarabs::open_with(dir(), options, disk, clock.clone())?.next().map(u64::from)
    };
    everywhere(|disk| Scarabs::make(dir(), options.node, disk), draw);
}
