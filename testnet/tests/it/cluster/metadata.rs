//! Logs that several clients make, delete and list through all members while these are killed. For each log there must be one order that explains all
//! answers, in which what was made, deleted or refused stands between question and answer. A list alone is what a member knows by itself, which may be a
//! moment old: a log that was deleted through another member is there until this one has removed it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::history::{Model, Timed, order};
use super::members::{Answer, Members, SIZE, until};
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

/// How old a list may be, in microseconds: much more than it is.
const MOMENT: u64 = 10_000_000;

/// One log.
struct OneLog;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Call {
    /// It is made.
    Create,
    /// It was there already.
    Exists,
    Delete,
    /// There was none.
    Missing,
    /// Whether it stands in a list.
    Seen(bool),
}

impl Model for OneLog {
    type Call = Call;
    /// Whether it is there.
    type State = bool;

    fn after(is_there: &bool, call: &Call) -> Option<bool> {
        let (before, after) = match call {
            Call::Create => (false, true),
            // Also of what is left of it at a member: then it is deleted already.
            Call::Delete => return Some(false),
            Call::Exists => (true, true),
            Call::Missing => (false, false),
            Call::Seen(seen) => (*seen, *seen),
        };
        (*is_there == before).then_some(after)
    }

    fn is_look(call: &Call) -> bool {
        !matches!(call, Call::Create | Call::Delete)
    }
}

/// What the clients have seen.
struct Seen {
    began: Instant,
    /// Of each log.
    histories: Mutex<[Vec<Timed<Call>>; NAMES.len()]>,
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
    fn note(&self, began: u64, node: usize, asked: &Asked, answered: Result<Answer, ureq::Error>) {
        let ended = self.now();
        let (heard, said) = match judge(asked, answered) {
            Ok(heard) => heard,
            Err(wrong) => return self.wrong.lock().unwrap().push(format!("{asked:?} through member {node}: {wrong}")),
        };
        *self.answers.lock().unwrap().entry(said).or_default() += 1;
        let mut histories = self.histories.lock().unwrap();
        match (heard, asked) {
            (Heard::Known(calls), _) => {
                self.answered.fetch_add(1, Ordering::SeqCst);
                for (name, call) in calls {
                    let began = if matches!(call, Call::Seen(_)) { began.saturating_sub(MOMENT) } else { began };
                    histories[name].push(Timed { began, ended: Some(ended), call });
                }
            }
            (Heard::Unknown, Asked::Create(name)) => {
                histories[*name].push(Timed { began, ended: None, call: Call::Create });
            }
            (Heard::Unknown, Asked::Delete(name)) => {
                histories[*name].push(Timed { began, ended: None, call: Call::Delete });
            }
            (Heard::Unknown, Asked::List) | (Heard::Nothing, _) => {}
        }
    }
}

/// What a client asks; logs are the places of their names.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Create(usize),
    Delete(usize),
    List,
}

/// What a client knows afterwards.
enum Heard {
    /// This, of these logs.
    Known(Vec<(usize, Call)>),
    /// It was done, will be, or never.
    Unknown,
    /// It was not done, and never will be.
    Nothing,
}

/// What an answer means, with its name, or what is wrong with it.
fn judge(asked: &Asked, answered: Result<Answer, ureq::Error>) -> Result<(Heard, String), String> {
    let Answer { status, body } = match answered {
        Ok(answer) if !answer.body.is_null() => answer,
        Ok(_) => return Ok((Heard::Unknown, "half an answer".to_owned())),
        Err(ureq::Error::Io(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            return Ok((Heard::Nothing, "connection refused".to_owned()));
        }
        Err(error) => return Ok((Heard::Unknown, format!("lost: {error}"))),
    };
    let code = body["error"]["code"].as_str();
    let is_listed = |name: &str| body["logs"].as_array().is_some_and(|logs| logs.iter().any(|log| log["name"] == name));
    let known = match (*asked, status, code) {
        (Asked::Create(name), 201, None) => vec![(name, Call::Create)],
        // It was deleted before it could be described.
        (Asked::Create(name), 404, Some("no_such_log")) => vec![(name, Call::Create)],
        (Asked::Create(name), 409, Some("log_exists" | "refused")) => vec![(name, Call::Exists)],
        (Asked::Delete(name), 200, None) => vec![(name, Call::Delete)],
        (Asked::Delete(name), 404, Some("no_such_log")) | (Asked::Delete(name), 409, Some("refused")) => {
            vec![(name, Call::Missing)]
        }
        (Asked::List, 200, None) => {
            NAMES.iter().enumerate().map(|(place, name)| (place, Call::Seen(is_listed(name)))).collect()
        }
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
                (Asked::Create(name), members.ask(node, "/v1/cluster/logs", Some(log), PATIENCE))
            }
            1 => (Asked::Delete(name), members.delete(node, &path, PATIENCE)),
            _ => (Asked::List, members.ask(node, "/v1/cluster/logs", None, PATIENCE)),
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
        histories: Mutex::default(),
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
    println!("answers: {:?}", seen.answers.into_inner().unwrap());
    for (name, history) in NAMES.iter().zip(seen.histories.into_inner().unwrap()) {
        let made = history.iter().filter(|timed| timed.call == Call::Create).count();
        println!("{name}: {} calls and looks, of which {made} made it", history.len());
        order::<OneLog>(&history).unwrap_or_else(|why| panic!("no order explains what was said of {name}: {why}"));
    }
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
        order::<OneLog>(&calls.iter().map(timed).collect::<Vec<_>>()).is_ok()
    }

    #[test]
    fn a_log_comes_and_goes() {
        let (made, gone) = ((1, 2, Call::Create), (3, 4, Call::Delete));
        let seen = |began, ended, is_there| (began, ended, Call::Seen(is_there));
        assert!(is_sound(&[made.clone(), gone.clone(), seen(5, 6, false), (7, 8, Call::Missing)]));
        // A look that is older than what was answered before it.
        assert!(!is_sound(&[made.clone(), seen(3, 4, false)]));
        assert!(!is_sound(&[made.clone(), (3, 4, Call::Missing)]));
        assert!(!is_sound(&[made.clone(), gone.clone(), (5, 6, Call::Exists)]));
        assert!(!is_sound(&[seen(1, 2, true), (3, 4, Call::Create)]));
        // One that may be a moment old.
        assert!(is_sound(&[made.clone(), gone, (2, 6, Call::Exists), seen(2, 7, true)]));
        // One that comes first in the history is not taken for one that changed nothing.
        let late =
            [made.clone(), (2, 9, Call::Delete), (3, 4, Call::Exists), seen(8, 9, false), (10, 11, Call::Create)];
        assert!(is_sound(&late));
        assert!(is_sound(&[(1, 9, Call::Delete), (2, 3, Call::Create), (4, 5, Call::Exists), (10, 11, Call::Missing)]));
        // Made twice; what is left of it may be deleted twice, and it is gone then.
        assert!(!is_sound(&[made.clone(), (3, 4, Call::Create)]));
        assert!(is_sound(&[made.clone(), (3, 4, Call::Delete), (5, 6, Call::Delete), (7, 8, Call::Create)]));
        assert!(!is_sound(&[made, (3, 4, Call::Delete), (5, 6, Call::Delete), (7, 8, Call::Exists)]));
    }
}
