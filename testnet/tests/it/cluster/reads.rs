//! Clients that append one record at a time and read the end of the partition, through all members, while these are killed. A log that only grows has one
//! order, so whether the answers are those of one log is seen without a search.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::members::{Members, SIZE, number, until};
use super::{LONG, Stop, asked, down_and_clean};
use crate::net::Net;

/// Between two calls of a client.
const PACE: Duration = Duration::from_millis(10);
/// Calls that were answered before each fault, and after the last one.
const CALLS: usize = 60;

/// What a client did, and was answered. Times are of one clock.
#[derive(Debug, Clone)]
struct Event {
    began: u64,
    /// `None` where nobody knows whether it was done.
    ended: Option<u64>,
    /// Through which member, in which of its lives.
    through: (usize, u32),
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// The record of this number was appended, at this offset where it is known.
    Append { record: u64, offset: Option<u64> },
    /// These were read from an offset on, and there was nothing behind them.
    Read { from: u64, records: Vec<u64> },
}

/// How far what was answered counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// For all members.
    Everywhere,
    /// For the member that has answered, until it is started again.
    SameLife,
}

/// What is wrong with a history, if anything is.
fn check(history: &[Event], reach: Reach) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut records: BTreeMap<u64, u64> = BTreeMap::new();
    let mut offsets: BTreeMap<u64, u64> = BTreeMap::new();
    let mut places = Vec::new();
    for event in history {
        match &event.what {
            What::Append { record, offset: Some(offset) } => places.push((*offset, *record, event)),
            What::Append { .. } => {}
            What::Read { from, records } => {
                places.extend((*from..).zip(records).map(|(at, record)| (at, *record, event)))
            }
        }
    }
    // Each offset has one record, for all and for ever, and each record one offset.
    for (offset, record, event) in places {
        if *records.entry(offset).or_insert(record) != record || *offsets.entry(record).or_insert(offset) != offset {
            wrong.push(format!("{offset} has record {record} in {event:?}, and was otherwise before"));
        }
    }
    let sent: BTreeMap<u64, u64> = history
        .iter()
        .filter_map(|event| match event.what {
            What::Append { record, .. } => Some((record, event.began)),
            What::Read { .. } => None,
        })
        .collect();
    for event in history {
        if let What::Read { records, .. } = &event.what
            && let Some(early) =
                records.iter().find(|record| sent.get(record).is_none_or(|began| Some(*began) > event.ended))
        {
            wrong.push(format!("record {early} is read before it was sent: {event:?}"));
        }
    }
    // How long the log was at least when something began, and at most when it had ended.
    let reaches = |before: &Event, after: &Event| reach == Reach::Everywhere || before.through == after.through;
    for after in history {
        let earlier = history.iter().filter(|before| before.ended.is_some_and(|ended| ended < after.began));
        let of_order = |before: &&Event| match (&after.what, before.end()) {
            // An append that began later stands behind, through whomever it was made.
            (What::Append { offset: Some(offset), .. }, Some(end)) => *offset < end,
            (What::Read { .. }, Some(end)) => reaches(before, after) && after.end().is_some_and(|read| read < end),
            _ => false,
        };
        if let Some(before) = earlier.max_by_key(|before| (of_order(before), before.end())).filter(of_order) {
            wrong.push(format!("{after:?}\nis behind what was answered before it began: {before:?}"));
        }
    }
    wrong
}

impl Event {
    /// How long the log was at least when this was answered.
    fn end(&self) -> Option<u64> {
        match &self.what {
            What::Append { offset, .. } => offset.map(|offset| offset + 1),
            What::Read { from, records } => Some(from + records.len() as u64),
        }
    }
}

/// What the clients have seen, and how often each member was started.
struct Seen {
    began: Instant,
    history: Mutex<Vec<Event>>,
    answered: AtomicUsize,
    next: AtomicUsize,
    /// Behind what was acknowledged or read.
    end: AtomicUsize,
    lives: Mutex<[u32; SIZE]>,
}

impl Seen {
    fn now(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    fn life(&self, node: usize) -> (usize, u32) {
        (node, self.lives.lock().unwrap()[node])
    }

    fn note(&self, event: Event) {
        if let Some(end) = event.end().filter(|_| event.ended.is_some()) {
            self.answered.fetch_add(1, Ordering::SeqCst);
            self.end.fetch_max(usize::try_from(end).unwrap(), Ordering::SeqCst);
        }
        self.history.lock().unwrap().push(event);
    }

    /// Appends a record through a member.
    fn append(&self, members: &Members<'_>, node: usize) {
        let record = self.next.fetch_add(1, Ordering::SeqCst) as u64;
        let (began, through) = (self.now(), self.life(node));
        let answer = members.append(node, record, b"x").ok();
        let offset = answer
            .filter(|answer| answer.status == 200)
            .and_then(|answer| number(&answer.body["records"][0]["offset"]));
        // What was refused may as well count as unknown: it is read by nobody, and nothing follows from it.
        let ended = offset.is_some().then(|| self.now());
        self.note(Event { began, ended, through, what: What::Append { record, offset } });
    }

    /// Reads a few records before the end, and all behind them.
    fn read(&self, members: &Members<'_>, node: usize, before: u64) {
        let from = (self.end.load(Ordering::SeqCst) as u64).saturating_sub(before);
        let (began, through) = (self.now(), self.life(node));
        let path = format!("/v1/cluster/logs/orders/records?partition=0&limit=1000&from={from}");
        let Some((status, page)) = members.answer(node, &path) else { return };
        let ended = Some(self.now());
        // Behind the end that this member has: it says where that is.
        let (from, records) = match (status, page["records"].as_array()) {
            (200, Some(records)) => {
                (from, records.iter().map(|record| number(&record["timestamp"]).unwrap()).collect())
            }
            (416, _) => match number(&page["error"]["end_offset"]) {
                Some(end) => (end, Vec::new()),
                None => panic!("a read behind the end is refused without the end: {page}"),
            },
            _ => return,
        };
        self.note(Event { began, ended, through, what: What::Read { from, records } });
    }
}

#[test]
fn what_was_acknowledged_is_read_in_its_order_while_members_are_killed() {
    let seed = asked("PYRALOG_FAULT_SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("PYRALOG_FAULT_SEED={seed}");
    let net = Net::empty();
    net.launcher(&["up", "--validators", "1", "--members", "3", "--detach"]).expect(0);
    let members = Members::of(&net);
    until(LONG, "a log is made", || members.create());
    until(LONG, "the cluster is whole", || members.whole());
    let (history, answered, next, end, lives) = Default::default();
    let (seen, stop) = (Seen { began: Instant::now(), history, answered, next, end, lives }, AtomicBool::new(false));
    std::thread::scope(|threads| {
        let _stop = Stop(&stop);
        for client in 0..3 {
            let (members, seen, stop) = (&members, &seen, &stop);
            let mut chance = ChaCha8Rng::seed_from_u64(seed + client);
            threads.spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let (node, before) = (chance.random_range(0..SIZE), chance.random_range(0..20));
                    if chance.random_range(0..2) == 0 {
                        seen.append(members, node)
                    } else {
                        seen.read(members, node, before)
                    }
                    std::thread::sleep(PACE);
                }
            });
        }
        let more = || {
            let wanted = seen.answered.load(Ordering::SeqCst) + CALLS;
            until(LONG, "calls are answered", || {
                let answered = seen.answered.load(Ordering::SeqCst);
                if answered >= wanted { Ok(()) } else { Err(format!("{answered} of {wanted}\n{}", members.views())) }
            });
        };
        for is_leader in [true, false, true] {
            more();
            let leader = until(LONG, "somebody leads", || members.leader().ok_or_else(|| members.views()));
            let node = if is_leader { leader } else { (leader + 1) % SIZE };
            net.launcher(&["fault", "kill", members.name(node)]).expect(0);
            more();
            seen.lives.lock().unwrap()[node] += 1;
            net.launcher(&["fault", "restart", members.name(node)]).expect(0);
            until(LONG, "the cluster is whole", || members.whole());
        }
        more();
    });
    let history = seen.history.into_inner().unwrap();
    let wrong = check(&history, Reach::SameLife);
    let late = check(&history, Reach::Everywhere).len().saturating_sub(wrong.len());
    println!("{} events; {late} reads did not have yet what another member had acknowledged or given", history.len());
    assert!(
        wrong.is_empty(),
        "{} of {} events: {}",
        wrong.len(),
        history.len(),
        wrong[..wrong.len().min(5)].join("\n")
    );

    // In the end everybody has the same, and all that was acknowledged.
    let read: Vec<Vec<u64>> =
        (0..SIZE).map(|node| members.read(node, 0).iter().map(|held| held.timestamp).collect()).collect();
    let now = seen.began.elapsed().as_micros() as u64;
    let all = read.into_iter().enumerate().map(|(node, records)| Event {
        began: now,
        ended: Some(now),
        through: (node, 0),
        what: What::Read { from: 0, records },
    });
    let history: Vec<Event> = history.into_iter().filter(Event::is_append).chain(all).collect();
    assert_eq!(check(&history, Reach::Everywhere), [""; 0]);
    down_and_clean(&net);
}

impl Event {
    fn is_append(&self) -> bool {
        matches!(self.what, What::Append { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(began: u64, ended: u64, node: usize, record: u64, offset: u64) -> Event {
        Event { began, ended: Some(ended), through: (node, 0), what: What::Append { record, offset: Some(offset) } }
    }

    fn read(began: u64, ended: u64, node: usize, from: u64, records: &[u64]) -> Event {
        Event { began, ended: Some(ended), through: (node, 0), what: What::Read { from, records: records.to_vec() } }
    }

    fn is_sound(history: &[Event]) -> bool {
        check(history, Reach::Everywhere).is_empty()
    }

    #[test]
    fn a_sound_history_passes() {
        let lost = Event { began: 1, ended: None, through: (0, 0), what: What::Append { record: 9, offset: None } };
        assert!(is_sound(&[
            append(1, 9, 0, 7, 0),
            append(2, 8, 1, 8, 1),
            read(3, 4, 2, 0, &[7]),
            read(10, 11, 2, 0, &[7, 8, 9]),
            lost
        ]));
        assert!(is_sound(&[append(1, 2, 0, 7, 0), read(3, 4, 1, 1, &[])]));
    }

    #[test]
    fn what_was_acknowledged_before_must_be_there() {
        let stale = [append(1, 2, 0, 7, 0), read(3, 4, 1, 0, &[])];
        assert!(!is_sound(&stale));
        assert_eq!(check(&stale, Reach::SameLife), [""; 0], "another member may be a moment late");
        assert!(!check(&[append(1, 2, 0, 7, 0), read(3, 4, 0, 0, &[])], Reach::SameLife).is_empty());
        // It was on its way.
        assert!(is_sound(&[append(1, 4, 0, 7, 0), read(3, 5, 1, 0, &[])]));
    }

    #[test]
    fn a_read_does_not_go_back_behind_another() {
        let sent = append(1, 20, 0, 7, 0);
        assert!(!is_sound(&[sent.clone(), read(2, 3, 1, 0, &[7]), read(4, 5, 1, 0, &[])]));
        assert!(is_sound(&[sent, read(2, 3, 1, 0, &[7]), read(3, 5, 1, 0, &[])]));
    }

    #[test]
    fn order_and_places_are_the_same_for_all() {
        // Two records at one offset, one record at two, the wrong order, a record of the future and one of nobody.
        assert!(!is_sound(&[append(1, 2, 0, 7, 0), append(1, 2, 0, 8, 0)]));
        assert!(!is_sound(&[append(1, 2, 0, 7, 0), read(3, 4, 0, 0, &[7, 7])]));
        assert!(!is_sound(&[append(1, 2, 0, 7, 1), append(3, 4, 1, 8, 0)]));
        assert!(!is_sound(&[read(1, 2, 0, 0, &[7]), append(3, 4, 1, 7, 0)]));
        assert!(!is_sound(&[read(1, 2, 0, 0, &[7])]));
    }
}
