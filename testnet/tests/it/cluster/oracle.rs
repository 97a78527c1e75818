//! Clients that append, and what they know afterwards.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::members::{Answer, Held, Members, SIZE, number};

/// Appends through one member before a client goes to the next.
const TURN: usize = 40;
/// Between two appends of a client.
const PACE: Duration = Duration::from_millis(10);
/// Differences that are worth printing.
const SHOWN: usize = 20;
/// Answers with which nothing was taken. `unauthorized` is one to the token of an earlier start.
const REFUSALS: [&str; 6] = ["no_leader", "not_started", "busy", "elsewhere", "no_such_log", "unauthorized"];

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// No answer yet.
    Sent,
    /// It stands at this offset.
    Acknowledged(u64),
    /// It is in the log once or not at all.
    Uncertain,
    /// It is not in the log.
    Refused,
}

/// What the clients know. The number of a record is its place in `fates`.
pub struct Ledger {
    salt: u64,
    known: Mutex<Known>,
}

struct Known {
    fates: Vec<Fate>,
    acknowledged: usize,
    /// How many of them through which member.
    through: [usize; SIZE],
    /// Behind the highest that was acknowledged.
    next_offset: u64,
    /// When a record was acknowledged last.
    last: Instant,
    /// Longest time between two acknowledgements since the window began.
    longest: Duration,
    /// How often what was answered.
    answers: BTreeMap<String, usize>,
    /// Answers that no member may give.
    wrong: Vec<String>,
}

impl Ledger {
    /// Of no record yet.
    pub fn new(salt: u64) -> Self {
        let known = Known {
            fates: Vec::new(),
            acknowledged: 0,
            through: [0; SIZE],
            next_offset: 0,
            last: Instant::now(),
            longest: Duration::ZERO,
            answers: BTreeMap::new(),
            wrong: Vec::new(),
        };
        Self { salt, known: Mutex::new(known) }
    }

    /// How many were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.known().acknowledged
    }

    /// How many were acknowledged through each member.
    pub fn through(&self) -> [usize; SIZE] {
        self.known().through
    }

    /// How often this was answered.
    pub fn answers(&self, what: &str) -> usize {
        self.known().answers.get(what).copied().unwrap_or_default()
    }

    /// Behind the highest offset that was acknowledged.
    pub fn next_offset(&self) -> u64 {
        self.known().next_offset
    }

    /// The longest gap is measured from the last acknowledgement on.
    pub fn begin_window(&self) {
        self.known().longest = Duration::ZERO;
    }

    /// The longest gap until now.
    pub fn window(&self) -> Duration {
        let known = self.known();
        known.longest.max(known.last.elapsed())
    }

    /// Fails where a member gave an answer that none may give.
    pub fn assert_sound(&self) {
        // The lock is given back before a panic.
        let wrong = self.known().wrong.clone();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// How many records had which fate, and what was answered.
    pub fn summary(&self) -> String {
        let known = self.known();
        let count = |wanted| known.fates.iter().filter(|fate| **fate == wanted).count();
        format!(
            "{} acknowledged, {} uncertain, {} refused; answers: {:?}",
            known.acknowledged,
            count(Fate::Uncertain),
            count(Fate::Refused),
            known.answers
        )
    }

    /// What is wrong with records that a member has from offset `from` on. Before the `end` records may be on their way.
    pub fn differences(&self, read: &[Held], from: u64, end: bool) -> Vec<String> {
        // Noted after they were read: what was refused then was never to be seen.
        let fates = self.known().fates.clone();
        let mut wrong = Vec::new();
        let mut places: Vec<Option<u64>> = vec![None; fates.len()];
        for (held, offset) in read.iter().zip(from..) {
            let number = usize::try_from(held.timestamp).unwrap_or(usize::MAX);
            let Some(fate) = fates.get(number) else {
                // One that was sent after the fates were noted.
                if end {
                    wrong.push(format!("offset {offset} has record {number}, which nobody sent"));
                }
                continue;
            };
            if held.value != value(self.salt, held.timestamp) || held.more {
                wrong.push(format!("offset {offset} has record {number} changed: {held:?}"));
            }
            if let Some(before) = places[number].replace(offset) {
                wrong.push(format!("record {number} stands at {before} and at {offset}; it was {fate:?}"));
            }
            match fate {
                Fate::Refused => wrong.push(format!("offset {offset} has record {number}, which was refused")),
                Fate::Acknowledged(said) if *said != offset => {
                    wrong.push(format!("record {number} was acknowledged at {said} and stands at {offset}"));
                }
                Fate::Sent if end => wrong.push(format!("record {number} at {offset} has no fate")),
                _ => {}
            }
        }
        let behind = from + read.len() as u64;
        for (number, fate) in fates.iter().enumerate() {
            let Fate::Acknowledged(offset) = *fate else { continue };
            // Before the end others may have been acknowledged behind what was read.
            let wanted = offset >= from && (end || offset < behind);
            if wanted && places[number] != Some(offset) {
                let there = offset.checked_sub(from).and_then(|place| read.get(usize::try_from(place).ok()?));
                let there = there.map(|held| held.timestamp);
                wrong.push(format!("record {number} was acknowledged at {offset}, where record {there:?} is"));
            }
        }
        let count = wrong.len();
        wrong.truncate(SHOWN);
        if count > SHOWN {
            wrong.push(format!("and {} more", count - SHOWN));
        }
        wrong
    }

    fn send(&self) -> (u64, Vec<u8>) {
        let mut known = self.known();
        let number = known.fates.len() as u64;
        known.fates.push(Fate::Sent);
        (number, value(self.salt, number))
    }

    /// Notes how an append ended; whether it was acknowledged.
    fn learn(&self, number: u64, member: usize, answered: Result<Answer, ureq::Error>) -> bool {
        let (fate, said) = judge(answered);
        let mut known = self.known();
        known.fates[usize::try_from(number).unwrap()] = fate;
        match (fate, said) {
            (Fate::Acknowledged(offset), _) => {
                known.acknowledged += 1;
                known.through[member] += 1;
                known.next_offset = known.next_offset.max(offset + 1);
                known.longest = known.longest.max(known.last.elapsed());
                known.last = Instant::now();
            }
            (_, Ok(said)) => *known.answers.entry(said).or_default() += 1,
            (_, Err(wrong)) => known.wrong.push(format!("record {number} through member {member}: {wrong}")),
        }
        matches!(fate, Fate::Acknowledged(_))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }
}

/// What an answer to an append means, with its name, or what is wrong with it.
fn judge(answered: Result<Answer, ureq::Error>) -> (Fate, Result<String, String>) {
    let Answer { status, body } = match answered {
        Ok(answer) => answer,
        Err(ureq::Error::Io(error)) if error.kind() == ErrorKind::ConnectionRefused => {
            return (Fate::Refused, Ok("connection refused".to_owned()));
        }
        Err(ureq::Error::Timeout(_)) => return (Fate::Uncertain, Ok("timeout".to_owned())),
        Err(ureq::Error::Io(error)) => return (Fate::Uncertain, Ok(format!("lost: {:?}", error.kind()))),
        Err(error) => return (Fate::Uncertain, Ok(format!("lost: {error}"))),
    };
    if body.is_null() {
        return (Fate::Uncertain, Ok("lost: half an answer".to_owned()));
    }
    match (status, body["error"]["code"].as_str()) {
        (200, None) => match number(&body["records"][0]["offset"]) {
            Some(offset) if body["records"][0]["partition"] == 0 => (Fate::Acknowledged(offset), Ok(String::new())),
            _ => (Fate::Uncertain, Err(format!("200: {body}"))),
        },
        (_, Some(code)) if REFUSALS.contains(&code) => (Fate::Refused, Ok(code.to_owned())),
        // A full disk: before anything was taken, or nobody knows.
        (507, Some(code @ "disk_full")) => {
            let nothing = body["error"]["remedy"].as_str().is_some_and(|remedy| remedy.contains("no record was taken"));
            (if nothing { Fate::Refused } else { Fate::Uncertain }, Ok(code.to_owned()))
        }
        (503, Some(code @ ("unknown" | "unavailable"))) => (Fate::Uncertain, Ok(code.to_owned())),
        _ => (Fate::Uncertain, Err(format!("{status}: {body}"))),
    }
}

/// Appends until it is told to stop, at another member after each failure.
pub fn client(members: &Members<'_>, ledger: &Ledger, stop: &AtomicBool, mut at: usize) {
    let mut turn = 0;
    while !stop.load(Ordering::SeqCst) {
        let (number, value) = ledger.send();
        let acknowledged = ledger.learn(number, at, members.append(at, number, &value));
        turn += 1;
        if !acknowledged || turn >= TURN {
            (at, turn) = ((at + 1) % SIZE, 0);
        }
        std::thread::sleep(PACE);
    }
}

/// The value of a record, which no other one has: its number, and as many bytes more as it happens to get.
fn value(salt: u64, number: u64) -> Vec<u8> {
    let mut value = format!("{salt}:{number}:").into_bytes();
    let more = number.wrapping_mul(2_654_435_761) % 600;
    value.extend((0..more).map(|place| (number + place * 7) as u8));
    value
}
