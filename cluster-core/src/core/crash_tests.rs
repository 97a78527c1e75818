//! Power cuts at every operation, over several lives of a home, against an oracle that remembers every acknowledgement.

use std::sync::mpsc::Receiver;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::chain::PutBlock;
use crate::event::{Event, completion};
use crate::notary::testkit::{LOG, Rig, check, grow, leaf};

fn entry(number: u64) -> Bytes {
    Bytes::from(format!("entry {number}"))
}

/// Everything that was acknowledged, and everything that was asked for.
#[derive(Default)]
struct Oracle {
    leaves: u64,
    asked_leaves: u64,
    /// The WAL after each request, the one found at open first; and how many of them were acknowledged.
    asked_wal: Vec<Vec<u64>>,
    wal: usize,
    mark: Option<u64>,
    asked_marks: Vec<u64>,
    height: u64,
    asked_height: u64,
    signed: u64,
    waiting: Vec<(Ask, Receiver<Event>)>,
}

#[derive(Debug, Clone, Copy)]
enum Ask {
    Leaves(u64),
    Wal,
    Mark(u64),
    Block(u64),
}

impl Oracle {
    fn ask(&mut self, core: &Core, log: &NotaryLog, kind: u8, number: u64) -> Result<(), Error> {
        let (done, event) = completion();
        let ask = match kind {
            0..=2 => {
                let count = number % 7 + 1;
                log.append_then((self.asked_leaves..self.asked_leaves + count).map(leaf).collect(), done)?;
                self.asked_leaves += count;
                Ask::Leaves(count)
            }
            3..=5 => {
                core.wal().append_then(entry(number), done)?;
                let mut state = self.asked_wal.last().cloned().unwrap_or_default();
                state.push(number);
                self.asked_wal.push(state);
                Ask::Wal
            }
            6 => {
                core.wal().reset_then(number, done)?;
                self.asked_wal.push(Vec::new());
                Ask::Wal
            }
            7 => {
                core.mark().put_then(entry(number), done)?;
                self.asked_marks.push(number);
                Ask::Mark(number)
            }
            _ => {
                let height = self.asked_height + 1;
                let writes = vec![(b"height".to_vec(), Some(height.to_be_bytes().to_vec()))];
                core.chain().put_block_then(PutBlock { height, writes, ..PutBlock::default() }, done)?;
                self.asked_height = height;
                Ask::Block(height)
            }
        };
        self.waiting.push((ask, event));
        Ok(())
    }

    fn hear(&mut self) {
        for (ask, event) in std::mem::take(&mut self.waiting) {
            match event.try_recv() {
                Ok(Event::Durable { .. }) => match ask {
                    Ask::Leaves(count) => self.leaves += count,
                    Ask::Wal => self.wal += 1,
                    Ask::Mark(number) => self.mark = Some(number),
                    Ask::Block(height) => self.height = height,
                },
                Ok(_) => {}
                Err(_) => self.waiting.push((ask, event)),
            }
        }
    }

    /// The store after a crash holds all that was acknowledged and nothing that was never asked for.
    fn check(&mut self, core: &Core, log: &NotaryLog, seed: u64) {
        let size = log.size();
        assert!(size >= self.leaves && size <= self.asked_leaves, "seed {seed}: {size} leaves of {}", self.leaves);
        assert!(size >= self.signed && log.retracted().is_none(), "seed {seed}: {size} leaves, {} signed", self.signed);
        check(log, size);
        let found: Vec<Bytes> = core.wal().take_recovery().unwrap().entries;
        let text = |numbers: &Vec<u64>| numbers.iter().map(|number| entry(*number)).collect::<Vec<_>>();
        let wal = self.asked_wal[self.wal..].iter().find(|state| text(state) == found);
        let wal =
            wal.unwrap_or_else(|| panic!("seed {seed}: {found:?} is not after {:?}", self.asked_wal[self.wal])).clone();
        let mark = core.mark().get();
        let first = self.mark.and_then(|mark| self.asked_marks.iter().position(|asked| *asked == mark)).unwrap_or(0);
        let newer = self.asked_marks[first..].iter().any(|asked| mark == Some(entry(*asked)));
        assert!(
            newer || (self.mark.is_none() && mark.is_none()),
            "seed {seed}: mark {mark:?}, acknowledged {:?}",
            self.mark
        );
        let height = core.chain().latest_height().unwrap_or(0);
        assert!(
            height >= self.height && height <= self.asked_height,
            "seed {seed}: height {height} of {}",
            self.height
        );
        let state = core.chain().state(b"height").unwrap();
        assert_eq!(state, (height > 0).then(|| height.to_be_bytes().to_vec()), "seed {seed}");
        let marks = self.asked_marks.iter().copied().filter(|asked| mark == Some(entry(*asked))).collect::<Vec<_>>();
        *self = Self {
            leaves: size,
            asked_leaves: size,
            asked_wal: vec![wal],
            wal: 0,
            mark: marks.last().copied(),
            asked_marks: marks,
            height,
            asked_height: height,
            signed: log.signed_size(),
            waiting: Vec::new(),
        };
    }
}

/// What happens in one life of a home: requests of a kind, each with the groups served after it; then the power goes.
type Life = (Vec<(u8, u8)>, u64);

/// Several lives of one home, each ended by a power cut at an operation, opening included. Panics where something acknowledged is
/// lost.
fn live(rig: &Rig, seed: u64, lives: Vec<Life>) {
    let mut oracle = Oracle { asked_wal: vec![Vec::new()], ..Oracle::default() };
    let mut number = 0;
    for (steps, operations) in lives {
        let (core, _) = rig.open();
        let log = core.notary_log(LOG).unwrap();
        oracle.check(&core, &log, seed);
        rig.disk.cut_power_after(operations);
        for (kind, drives) in steps {
            number += 1;
            if oracle.ask(&core, &log, kind, number).is_err() {
                break;
            }
            if kind == 0 {
                let _refused = log.checkpoint_to_sign(|_| ());
            }
            for _ in 0..drives {
                core.drive();
            }
            oracle.hear();
            oracle.signed = oracle.signed.max(log.signed_size());
        }
        drop((core, log));
        oracle.hear();
        rig.crash();
        // The power may go again while the store recovers.
        for operations in [3, 11] {
            rig.disk.cut_power_after(operations);
            let _may_fail = rig.try_open(rig.options());
            rig.crash();
        }
    }
    let (core, _) = rig.open();
    let log = core.notary_log(LOG).unwrap();
    oracle.check(&core, &log, seed);
    grow(&core, &log, 5);
}

fn rig(seed: u64) -> Rig {
    Rig { segment_bytes: 300, journal_bytes: 20 << 10, ..Rig::new(seed) }
}

#[test]
fn a_disk_that_lies_about_syncs_is_caught() {
    // One kind of request at a time, so that each kind's own sync is seen to matter.
    for kind in [0, 3, 7] {
        let caught = (0..20u64).filter(|seed| {
            let lives: Vec<Life> = vec![(vec![(kind, 1); 20], 1000); 2];
            let lied = std::panic::catch_unwind(|| {
                let rig = rig(*seed);
                let (core, _) = rig.open();
                drop((core.notary_log(LOG).unwrap(), core));
                rig.disk.ignore_syncs();
                live(&rig, *seed, lives);
            });
            lied.is_err()
        });
        assert!(caught.count() > 10, "kind {kind}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn nothing_acknowledged_is_lost_over_power_cuts(
        seed: u64,
        lives in prop::collection::vec((prop::collection::vec((0u8..10, 0u8..4), 1..40), 0u64..120), 1..5),
    ) {
        live(&rig(seed), seed, lives);
    }
}
