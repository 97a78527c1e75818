//! Servers of ids and their client as real processes: kills, moves to the next server, a start on the same folder, refusals.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::net::{Net, Ran, beside, get, run};

/// A server of ids; killed when the test ends.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts one on a free port; its log goes to `DIR.log`.
    fn start(dir: &Path, node: u16) -> Self {
        let log = File::options().create(true).append(true).open(dir.with_extension("log")).unwrap();
        let mut child =
            obelisk(dir, node).arg("--json").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let document: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("{error} in {line:?}: {}", std::fs::read_to_string(dir.with_extension("log")).unwrap())
        });
        assert_eq!((&document["node"], &document["pid"]), (&node.into(), &child.id().into()));
        Self { child, url: document["url"].as_str().unwrap().to_owned() }
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; its exit code.
    fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command of a server, on a free port.
fn obelisk(dir: &Path, node: u16) -> Command {
    let mut command = Command::new(beside("pyralogd"));
    command.arg("obelisk").arg("--dir").arg(dir).args(["--node", &node.to_string(), "--listen", "127.0.0.1:0"]);
    command
}

fn ids(from: &[&str], count: u64, more: &[&str]) -> Command {
    let mut command = Command::new(beside("pyralogd"));
    command.args(["ids", "--from", &from.join(","), "--count", &count.to_string()]).args(more);
    command
}

/// Runs a client to its end.
fn draw(from: &[&str], count: u64, more: &[&str]) -> Ran {
    run(&mut ids(from, count, more))
}

/// The lines of a client. Each must be positive as `i64`.
fn numbers(text: &str) -> Vec<u64> {
    text.lines().map(|line| line.parse::<i64>().ok().filter(|id| *id > 0).unwrap().try_into().unwrap()).collect()
}

/// Who made an id.
fn node_of(id: u64) -> u64 {
    id >> 13 & 1023
}

#[test]
fn no_id_comes_twice_whoever_is_killed() {
    let net = Net::empty();
    let (a_dir, b_dir) = (net.file("a"), net.file("b"));
    let (a, b) = (Server::start(&a_dir, 1), Server::start(&b_dir, 2));
    let mut all = BTreeSet::new();
    let mut take = |ids: Vec<u64>, count: usize| {
        assert_eq!(ids.len(), count);
        assert!(ids.iter().all(|id| all.insert(*id)), "an id came twice");
    };
    let values = |server: &Server| -> Vec<u64> {
        let drawn = draw(&[&server.url], 100_000, &["--counter"]).expect(0);
        drawn.out.lines().map(|line| line.parse().unwrap()).collect()
    };
    let first = draw(&[&a.url, &b.url], 10_000, &[]).expect(0);
    assert_eq!(first.err, "", "only a failure is worth a word");
    let first = numbers(&first.out);
    assert!(first.iter().all(|id| node_of(*id) == 1), "the first server is asked first");
    take(first, 10_000);
    let before = values(&a);

    // A client in the middle of its rounds: it cannot go on before its lines are read.
    let mut client = ids(&[&a.url, &b.url], 200_000, &[]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(client.stdout.take().unwrap());
    let mut text = String::new();
    out.read_line(&mut text).unwrap();
    let a_url = a.url.clone();
    a.kill();
    out.read_to_string(&mut text).unwrap();
    assert!(client.wait().unwrap().success());
    let went_on = numbers(&text);
    let (of_a, of_b) = (went_on.iter().filter(|id| node_of(**id) == 1).count(), went_on.len() - 65_536);
    assert_eq!((of_a, went_on.iter().filter(|id| node_of(**id) == 2).count()), (65_536, of_b));
    take(went_on, 200_000);

    take(numbers(&draw(&[&a_url, &b.url], 10_000, &[]).expect(0).out), 10_000);
    let a = Server::start(&a_dir, 1);
    take(numbers(&draw(&[&a.url, &b.url], 10_000, &[]).expect(0).out), 10_000);
    let after = values(&a);
    assert!([&before, &after].iter().all(|values| values.len() == 100_000 && values.is_sorted_by(|a, b| a < b)));
    assert!(before.last() < after.first(), "the counter goes on");

    let document = draw(&[&a.url], 10_000, &["--json"]).expect(0).json();
    let document = document["ids"].as_array().unwrap();
    take(numbers(&document.iter().map(|id| format!("{}\n", id.as_str().unwrap())).collect::<String>()), 10_000);

    // In good order too.
    assert_eq!((a.stop(), b.stop()), (Some(0), Some(0)));
    let b = Server::start(&b_dir, 2);
    take(numbers(&draw(&[&a_url, &b.url], 10_000, &[]).expect(0).out), 10_000);
}

#[test]
fn what_would_repeat_ids_or_cannot_be_served_is_refused_with_a_sentence() {
    let net = Net::empty();
    let dir = net.file("a");
    let a = Server::start(&dir, 1);
    assert_eq!(get(&format!("{}/livez", a.url)).unwrap()["live"], true);
    assert_eq!(get(&format!("{}/readyz", a.url)).unwrap()["ready"], true);
    let second = run(&mut obelisk(&dir, 1)).expect(1).says("stop it first").says("another --dir");
    assert_eq!(second.says(&a.child.id().to_string()).out, "");
    for count in ["0", "1048577", "many"] {
        assert_eq!(get(&format!("{}/v1/ids?count={count}", a.url)), None);
    }
    draw(&[&a.url], 0, &[]).expect(2).says("--count");
    let other = Server::start(&net.file("b"), 2);
    draw(&[&a.url, &other.url], 5, &["--counter"]).expect(1).says("name one");
    let urls = (a.url.clone(), other.url.clone());
    assert_eq!(other.stop(), Some(0));
    a.kill();

    // Both are dead: each is named.
    let dead =
        draw(&[&urls.0, &urls.1], 5, &[]).expect(1).says(&format!("{}: ", urls.0)).says(&format!("{}: ", urls.1));
    assert_eq!(dead.says("connection refused").out, "");
    assert_eq!(draw(&[&urls.0], 5, &["--json"]).expect(1).out, "");
    run(&mut obelisk(&dir, 3)).expect(1).says("node number 1, not 3");
    run(obelisk(&dir, 1).env("PYRALOG_RPC_LISTEN", "nonsense").args(["--log-format", "xml"])).expect(1).says("xml");
    run(Command::new(beside("pyralogd")).args(["obelisk", "--node", "1", "--listen", "0.0.0.0:0", "--dir"]).arg(&dir))
        .expect(1)
        .says("is not a loopback address")
        .says("--without-tls");
}

#[test]
fn deleted_and_shortened_files_are_refused_until_they_are_back() {
    let net = Net::empty();
    let dir = net.file("a");
    let all = |server: &Server| {
        let lines = |more: &[&str]| -> Vec<u64> {
            let drawn = draw(&[&server.url], 100_000, more).expect(0);
            drawn.out.lines().map(|line| line.parse().unwrap()).collect()
        };
        (lines(&[]), lines(&["--counter"]))
    };
    let server = Server::start(&dir, 1);
    let before = all(&server);
    server.kill();
    let refused = |says: &str| {
        for node in [1, 2] {
            let ran = run(&mut obelisk(&dir, node)).expect(1);
            assert!(node == 2 && ran.err.contains("--node 1") || ran.err.contains(says), "{says}: {}", ran.err);
            assert_eq!(ran.out, "");
        }
    };
    for (lost, says) in [
        (&["node"][..], "a/node: is missing"),
        (&["scarab/bound"], "a/scarab/bound is missing"),
        (&["scarab/mark"], "a/scarab/mark is missing"),
        (&["counter/counter"], "a/counter/counter is missing"),
        (&["counter/mark"], "a/counter/mark is missing"),
        (&["scarab/bound", "scarab/mark"], "bound and mark are missing from"),
        (&["counter/counter", "counter/mark"], "counter and mark are missing from"),
        (&["scarab"], "bound and mark are missing from"),
        (&["node", "scarab"], "a/node: is missing"),
        (&["node", "counter"], "a/node: is missing"),
    ] {
        let aside = net.file("aside");
        std::fs::create_dir(&aside).unwrap();
        let places = || lost.iter().map(|name| (dir.join(name), aside.join(name.replace('/', "-"))));
        places().for_each(|(file, aside)| std::fs::rename(file, aside).unwrap());
        refused(says);
        // A start that is refused may leave an empty directory with its lock.
        places().filter(|(file, _)| file.is_dir()).for_each(|(file, _)| std::fs::remove_dir_all(file).unwrap());
        places().for_each(|(file, aside)| std::fs::rename(aside, file).unwrap());
        std::fs::remove_dir(aside).unwrap();
    }
    let counter = dir.join("counter/counter");
    let length = std::fs::metadata(&counter).unwrap().len();
    let cut = |length| File::options().write(true).open(&counter).unwrap().set_len(length).unwrap();
    for shorter in [0, 1] {
        cut(shorter);
        refused(&format!("a/counter/counter has {shorter} bytes"));
    }
    let advice = run(&mut obelisk(&dir, 1)).expect(1).err;
    let (_, advised) = advice.split_once("truncate -s ").unwrap();
    let advised: u64 = advised.split_once(' ').unwrap().0.parse().unwrap();
    // Killed while it grew, the file is longer than what may have left.
    assert!((2..=length).contains(&advised), "{advised} of {length}");
    cut(advised);
    let server = Server::start(&dir, 1);
    let after = all(&server);
    assert!(before.0.last() < after.0.first() && before.1.last() < after.1.first());
}
