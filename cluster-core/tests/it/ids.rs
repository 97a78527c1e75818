//! kill -9 at random moments while ids are drawn. The test runs itself as a child that draws and prints; the parent kills it, starts
//! it again with a clock that was set back, and checks that nothing was ever printed twice.
//!
//! `PYRALOG_KILL_ROUNDS=300` for a long run.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use pyralog_cluster_core::disk::RealDisk;
use pyralog_cluster_core::{
    Clock, CoarseClock, NodeNumber, Obelisk, ObeliskOptions, Scarab, ScarabOptions, ScarabRange, Scarabs,
};

const HOME: &str = "PYRALOG_IDS_TEST_HOME";
const BACK_MS: &str = "PYRALOG_IDS_TEST_BACK_MS";
const ROUNDS: &str = "PYRALOG_KILL_ROUNDS";

/// Behind the machine's by so much.
struct LateClock(u64);

impl Clock for LateClock {
    fn unix_ms(&self) -> u64 {
        CoarseClock.unix_ms() - self.0
    }

    fn steady_ms(&self) -> u64 {
        CoarseClock.steady_ms()
    }
}

/// The child: does nothing in an ordinary test run.
#[test]
fn child() {
    let Ok(home) = std::env::var(HOME) else { return };
    let back_ms = std::env::var(BACK_MS).unwrap().parse().unwrap();
    let home = Path::new(&home);
    // Small blocks, so that many kills hit a reservation.
    let options = ObeliskOptions { block_bits: 4, ..ObeliskOptions::default() };
    let node = ScarabOptions::of(NodeNumber::new(9).unwrap());
    let made = home.join("made");
    if !made.exists() {
        Obelisk::make(&home.join("obelisk"), options.block_bits, &RealDisk).unwrap();
        Scarabs::make(&home.join("scarab"), node.node, &RealDisk).unwrap();
        std::fs::write(made, "").unwrap();
    }
    let obelisk = Obelisk::open(&home.join("obelisk"), options).unwrap();
    let scarabs = Scarabs::open_with(&home.join("scarab"), node, &RealDisk, LateClock(back_ms)).unwrap();
    say("ready");
    std::thread::scope(|scope| {
        for thread in 0..3u32 {
            let (obelisk, scarabs) = (&obelisk, &scarabs);
            scope.spawn(move || draw(obelisk, scarabs, thread));
        }
    });
}

/// Draws, and prints what was drawn: single values and ranges, of both kinds.
fn draw(obelisk: &Obelisk, scarabs: &Scarabs<LateClock>, thread: u32) {
    for number in 0u32.. {
        let count = if number % 4 == thread { 1 } else { number % 50 + 1 };
        let range = obelisk.range(count).unwrap();
        let first = scarabs.range(count * 100).unwrap().next().unwrap();
        say(&format!("{} {} {first} {} {}", range.start, count, count * 100, scarabs.next().unwrap()));
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // One write per line: a kill cannot leave half of one that was counted.
    out.write_all(format!("\n@{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// All that was ever printed, as first and last of each draw. Ids of one node are ordered as they were drawn.
#[derive(Default)]
struct Seen {
    values: BTreeMap<u64, u64>,
    ids: BTreeMap<u64, u64>,
}

impl Seen {
    fn hear(&mut self, line: &str) {
        let numbers: Vec<u64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        let [first, count, id, ids, single] = numbers[..] else { panic!("what is {line}?") };
        add(&mut self.values, first, first + count - 1);
        let range = ScarabRange::new(Scarab::from(id), u32::try_from(ids).unwrap()).unwrap();
        add(&mut self.ids, id, range.last().unwrap().into());
        add(&mut self.ids, single, single);
    }
}

fn add(seen: &mut BTreeMap<u64, u64>, first: u64, last: u64) {
    let before = seen.range(..=last).next_back();
    assert!(before.is_none_or(|(_, end)| *end < first), "{first} to {last} meets {before:?}: something left twice");
    seen.insert(first, last);
}

#[test]
fn killed_at_random_moments_it_repeats_no_id() {
    let rounds = std::env::var(ROUNDS).map_or(10, |rounds| rounds.parse().unwrap());
    let home = tempfile::tempdir().unwrap();
    let mut random = u64::from(std::process::id());
    let mut seen = Seen::default();
    for round in 0..rounds {
        let back_ms: u64 = [0, 5_000, 3 * 3_600_000, 2_000][round % 4];
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "ids::child", "--nocapture", "--test-threads=1"])
            .env(HOME, home.path())
            .env(BACK_MS, back_ms.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let (ready, is_ready) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut lines = Vec::new();
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                match line.strip_prefix(b"@") {
                    Some(b"ready") => ready.send(()).unwrap(),
                    Some(line) => lines.push(String::from_utf8(line.to_vec()).unwrap()),
                    None => {}
                }
            }
            lines
        });
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Some rounds die while the generators open; most of them in full run.
        if round % 5 != 4 {
            is_ready.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        std::thread::sleep(Duration::from_micros((random >> 33) % 40_000));
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap().iter().for_each(|line| seen.hear(line));
    }
    println!("{rounds} kills, {} draws", seen.values.len() + seen.ids.len());
    assert!(seen.values.len() > 50, "the child did no work");
}
