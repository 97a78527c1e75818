//! Logs that several clients make, delete and list through all members while these are killed: there must be one order that explains all answers.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::history::{Model, Timed, order};
use super::members::{Answer, Members, SIZE, number, until};
use super::{LONG, Stop, asked, down_and_clean};
use crate::net::Net;

/// Names of logs.
const NAMES: [&str; 3] = ["apples", "pears", "plums"];
/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two calls of a client.
const PACE: Duration = Duration::from_millis(30);
/// Calls that were answered before each fault, and after the last one.
const CALLS: usize = 40;

/// The logs that there are.
struct Logs;

/// A log that is there: its incarnation, where somebody has heard of it.
type Log = Option<u64>;

#[derive(Debug, Clone)]
enum Call {
    /// It is made, by this incarnation where it was answered.
    Create(usize, Log),
    /// It was there already.
    Exists(usize),
    Delete(usize),
    /// There was none.
    Missing(usize),
    /// These are there.
    List([Option<u64>; NAMES.len()]),
}

impl Model for Logs {
    type Call = Call;
    type State = [Option<Log>; NAMES.len()];

    fn after(state: &Self::State, call: &Call) -> Option<Self::State> {
        let mut after = *state;
        match *call {
            Call::Create(name, log) => {
                after[name] = Some(log);
                state[name].is_none().then_some(after)
            }
            Call::Exists(name) => state[name].is_some().then_some(after),
            Call::Delete(name) => {
                after[name] = None;
                state[name].is_some().then_some(after)
            }
            Call::Missing(name) => state[name].is_none().then_some(after),
            Call::List(seen) => {
                for (known, seen) in after.iter_mut().zip(seen) {
                    match (*known, seen) {
                        (None, None) => {}
                        // Now it is known which one that is.
                        (Some(None), Some(_)) => *known = Some(seen),
                        (Some(Some(one)), Some(other)) if one == other => {}
                        _ => return None,
                    }
                }
                Some(after)
            }
        }
    }
}

/// What the clients have seen.
struct Seen {
    began: Instant,
    history: Mutex<Vec<Timed<Call>>>,
    answered: AtomicUsize,
    /// Answers that no member may give.
    wrong: Mutex<Vec<String>>,
    /// How often what was answered.
    answers: Mutex<BTreeMap<String, usize>>,
}

impl Seen {
    fn now(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    /// Notes a call, unless nothing was done.
    fn note(&self, began: u64, node: usize, asked: &Call, answered: Result<Answer, ureq::Error>) {
        let ended = self.now();
        let (heard, said) = match judge(asked, answered) {
            Ok(heard) => heard,
            Err(wrong) => return self.wrong.lock().unwrap().push(format!("{asked:?} through member {node}: {wrong}")),
        };
        *self.answers.lock().unwrap().entry(said).or_default() += 1;
        let timed = match heard {
            Heard::Known(call) => {
                self.answered.fetch_add(1, Ordering::SeqCst);
                Timed { began, ended: Some(ended), call }
            }
            Heard::Unknown if matches!(asked, Call::List(_)) => return,
            Heard::Unknown => Timed { began, ended: None, call: asked.clone() },
            Heard::Nothing => return,
        };
        self.history.lock().unwrap().push(timed);
    }
}

/// What a client knows afterwards.
enum Heard {
    Known(Call),
    /// It was done, will be, or never.
    Unknown,
    /// It was not done, and never will be.
    Nothing,
}

/// What an answer means, with its name, or what is wrong with it.
fn judge(asked: &Call, answered: Result<Answer, ureq::Error>) -> Result<(Heard, String), String> {
    let Answer { status, body } = match answered {
        Ok(answer) if !answer.body.is_null() => answer,
        Ok(_) => return Ok((Heard::Unknown, "half an answer".to_owned())),
        Err(ureq::Error::Io(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            return Ok((Heard::Nothing, "connection refused".to_owned()));
        }
        Err(error) => return Ok((Heard::Unknown, format!("lost: {error}"))),
    };
    let code = body["error"]["code"].as_str();
    let known = match (asked, status, code) {
        (Call::Create(name, _), 201, None) => Call::Create(*name, number(&body["incarnation"])),
        // It was deleted before it could be described.
        (Call::Create(name, _), 404, Some("no_such_log")) => Call::Create(*name, None),
        (Call::Create(name, _), 409, Some("log_exists" | "refused")) => Call::Exists(*name),
        (Call::Delete(name), 200, None) => Call::Delete(*name),
        (Call::Delete(name), 404, Some("no_such_log")) | (Call::Delete(name), 409, Some("refused")) => {
            Call::Missing(*name)
        }
        (Call::List(_), 200, None) => Call::List(NAMES.map(|name| {
            let log = body["logs"].as_array()?.iter().find(|log| log["name"] == name)?;
            number(&log["incarnation"])
        })),
        (_, _, Some(code @ ("no_leader" | "not_started" | "busy" | "unauthorized"))) => {
            return Ok((Heard::Nothing, code.to_owned()));
        }
        (_, 503, Some(code @ ("uncertain" | "unavailable"))) => return Ok((Heard::Unknown, code.to_owned())),
        _ => return Err(format!("{status}: {body}")),
    };
    Ok((Heard::Known(known), code.unwrap_or("done").to_owned()))
}

/// Makes, deletes and lists logs until it is told to stop, each through any member.
fn client(members: &Members<'_>, seen: &Seen, stop: &AtomicBool, seed: u64) {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    while !stop.load(Ordering::SeqCst) {
        let (node, name) = (chance.random_range(0..SIZE), chance.random_range(0..NAMES.len()));
        let (path, began) = (format!("/v1/cluster/logs/{}", NAMES[name]), seen.now());
        let (asked, answered) = match chance.random_range(0..4) {
            0 => {
                let log = json!({"name": NAMES[name]});
                (Call::Create(name, None), members.ask(node, "/v1/cluster/logs", Some(log), PATIENCE))
            }
            1 => (Call::Delete(name), members.delete(node, &path, PATIENCE)),
            _ => (Call::List([None; NAMES.len()]), members.ask(node, "/v1/cluster/logs", None, PATIENCE)),
        };
        seen.note(began, node, &asked, answered);
        std::thread::sleep(PACE);
    }
}

#[test]
fn one_order_explains_what_all_members_say_of_the_logs_while_members_are_killed() {
    let seed = asked("PYRALOG_FAULT_SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("PYRALOG_FAULT_SEED={seed}");
    let net = Net::empty();
    net.launcher(&["up", "--validators", "1", "--members", "3", "--detach"]).expect(0);
    let members = Members::of(&net);
    until(LONG, "all members are up", || members.up());
    let seen = Seen {
        began: Instant::now(),
        history: Mutex::default(),
        answered: AtomicUsize::new(0),
        wrong: Mutex::default(),
        answers: Mutex::default(),
    };
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let _stop = Stop(&stop);
        for number in 0..3 {
            let (members, seen, stop) = (&members, &seen, &stop);
            threads.spawn(move || client(members, seen, stop, seed + number));
        }
        let more = || {
            let wanted = seen.answered.load(Ordering::SeqCst) + CALLS;
            until(LONG, "calls are answered", || {
                let answered = seen.answered.load(Ordering::SeqCst);
                if answered >= wanted { Ok(()) } else { Err(format!("{answered} of {wanted}\n{}", members.views())) }
            });
        };
        for node in [leader(&members), 1, leader(&members)] {
            let name = members.name(node);
            more();
            net.launcher(&["fault", "kill", name]).expect(0);
            more();
            net.launcher(&["fault", "restart", name]).expect(0);
            until(LONG, &format!("{name} is back"), || members.up());
        }
        more();
    });
    let wrong = seen.wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let history = seen.history.into_inner().unwrap();
    println!("{} calls; answers: {:?}", history.len(), seen.answers.into_inner().unwrap());
    order::<Logs>(&history).unwrap_or_else(|why| panic!("no order explains the answers: {why}"));
    down_and_clean(&net);
}

/// Index of the node that leads the cluster.
fn leader(members: &Members<'_>) -> usize {
    until(LONG, "somebody leads the cluster", || {
        let leader = (0..SIZE).find_map(|node| members.view(node)?["leader"].as_u64());
        let place = leader.and_then(|leader| (0..SIZE).find(|node| members.id(*node) == Some(leader)));
        place.ok_or_else(|| members.views())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_sound(calls: &[(u64, u64, Call)]) -> bool {
        let timed =
            |(began, ended, call): &(u64, u64, Call)| Timed { began: *began, ended: Some(*ended), call: call.clone() };
        order::<Logs>(&calls.iter().map(timed).collect::<Vec<_>>()).is_ok()
    }

    #[test]
    fn logs_come_and_go_one_at_a_time() {
        let (one, two) = (Call::List([Some(1), None, None]), Call::List([Some(2), None, None]));
        assert!(is_sound(&[
            (1, 2, Call::Create(0, Some(1))),
            (3, 4, one.clone()),
            (5, 6, Call::Delete(0)),
            (7, 8, Call::Missing(0))
        ]));
        // A list that is older than what was answered before it.
        assert!(!is_sound(&[(1, 2, Call::Create(0, Some(1))), (3, 4, Call::List([None; 3]))]));
        assert!(!is_sound(&[(1, 2, Call::Create(0, Some(1))), (3, 4, two.clone())]));
        // Made or deleted twice.
        assert!(!is_sound(&[(1, 2, Call::Create(0, Some(1))), (3, 4, Call::Create(0, Some(2)))]));
        assert!(!is_sound(&[(1, 2, Call::Create(0, None)), (3, 6, Call::Delete(0)), (4, 5, Call::Delete(0))]));
        // One of an incarnation that nobody was told is some log, and stays that one.
        assert!(is_sound(&[(1, 2, Call::Create(0, None)), (3, 4, one.clone()), (5, 6, one.clone())]));
        assert!(!is_sound(&[(1, 2, Call::Create(0, None)), (3, 4, one), (5, 6, two)]));
    }
}
