//! kill -9 at random moments. The test runs itself as a child that writes and prints what was acknowledged; the parent kills it
//! and checks that every printed line still holds, with proofs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use pyralog_cluster_core::{
    Backend, Core, LogId, LogSpec, NotaryLog, Options, Partition, PutBlock, Record, Storage, completion, fsck,
    segment::Retention,
};
use pyralog_crypto::{Blake3, Decode, Sha256, leaf_hashes};

const HOME: &str = "PYRALOG_KILL_TEST_HOME";
/// Which life of the home the child is. Process ids come round.
const LIFE: &str = "PYRALOG_KILL_TEST_LIFE";
const LOG: LogId = LogId([0x5a; 32]);
/// Rounds of an ordinary run; the variable asks for more.
const LOOPS: u64 = 36;
const LOOPS_ENV: &str = "PYRALOG_KILL_TEST_ROUNDS";
const PARTITIONS: u32 = 2;

fn options() -> Options {
    Options { segment_bytes: 64 << 10, journal_bytes: 256 << 10, ..Options::default() }
}

/// The leaf of a writer's submission; different for each life of the child.
fn leaf(life: u32, writer: u64, number: u64, place: u64) -> Vec<u8> {
    let mut leaf = format!("{life}/{writer}/{number}/{place}/").into_bytes();
    leaf.resize(leaf.len() + (number % 60) as usize, b'x');
    leaf
}

/// The log of records, made by the first life that gets so far.
fn records(core: &Core) -> Vec<Partition> {
    let spec = LogSpec {
        name: "records".parse().unwrap(),
        id: LOG,
        partitions: PARTITIONS,
        storage: Storage::Disk,
        retention: Retention::default(),
        segment_bytes: 64 << 10,
    };
    let log = core.logs().open_log("records").or_else(|_| core.logs().create(spec)).unwrap();
    log.partitions().to_vec()
}

fn record(life: u32, partition: u32, number: u64, place: u64) -> Record {
    let key = format!("{life}/{partition}/{number}/{place}");
    let value = vec![b'r'; (number % 200) as usize];
    Record::new(1 + number, Some(key.into()), value.into(), Vec::new()).unwrap()
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // One write per line: a kill cannot leave half of one that was counted.
    out.write_all(format!("\n@{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn wait(event: &mpsc::Receiver<pyralog_cluster_core::Event>) -> (u64, u64) {
    event.recv().unwrap().durable().unwrap()
}

/// The child: does nothing in an ordinary test run.
#[test]
fn child() {
    let Ok(home) = std::env::var(HOME) else { return };
    let (core, _) = Core::open(Path::new(&home), options()).unwrap();
    let log = core.notary_log(LOG).unwrap();
    let life = std::env::var(LIFE).unwrap().parse().unwrap();
    say("ready 0 0");
    std::thread::scope(|scope| {
        for writer in 0..3u64 {
            let log = log.clone();
            scope.spawn(move || write_leaves(&log, life, writer));
        }
        scope.spawn(|| sign(&log));
        for partition in records(&core) {
            scope.spawn(move || write_records(&partition, life));
        }
        write_chain(&core, life);
    });
}

fn write_leaves(log: &NotaryLog, life: u32, writer: u64) {
    for number in 0.. {
        let count = [1, 2, 50][writer as usize];
        let (done, event) = completion();
        log.append_then((0..count).map(|place| leaf(life, writer, number, place)).collect(), done).unwrap();
        let (first, _) = wait(&event);
        say(&format!("leaves {first} {count} {life} {writer} {number}"));
    }
}

fn write_records(partition: &Partition, life: u32) {
    for number in 0.. {
        let count = [1, 20][partition.number() as usize];
        let batch: Vec<Record> = (0..count).map(|place| record(life, partition.number(), number, place)).collect();
        let (done, event) = completion();
        partition.append_then(&batch, done).unwrap();
        let (first, _) = wait(&event);
        say(&format!("records {} {first} {count} {life} {number}", partition.number()));
    }
}

fn sign(log: &NotaryLog) {
    loop {
        let (sender, receiver) = mpsc::channel();
        log.checkpoint_to_sign(move |checkpoint| drop(sender.send(checkpoint))).unwrap();
        let checkpoint = receiver.recv().unwrap().unwrap();
        say(&format!("signed {} {} {}", checkpoint.size, checkpoint.roots.blake3, checkpoint.roots.sha256));
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// A validator's rhythm: entries and marks, then the block, then the reset.
fn write_chain(core: &Core, life: u32) {
    let mut height = core.chain().latest_height().unwrap_or(0) + 1;
    // A mark never goes back, also when a height is written again in the next life.
    let mut mark = stored_mark(core);
    loop {
        for number in 0..5u64 {
            let (done, event) = completion();
            core.wal().append_then(Bytes::from(format!("{life}/{height}/{number}")), done).unwrap();
            wait(&event);
            say(&format!("wal {height} {number} {life}"));
            let (done, event) = completion();
            mark += 1;
            core.mark().put_then(Bytes::from(mark.to_string()), done).unwrap();
            wait(&event);
            say(&format!("mark {mark} 0"));
        }
        let (done, event) = completion();
        let text = Bytes::from(height.to_string().repeat(500));
        let writes = vec![(b"height".to_vec(), Some(height.to_be_bytes().to_vec()))];
        let block = PutBlock { height, block: text, hash: [height as u8; 32], writes, ..PutBlock::default() };
        core.chain().put_block_then(block, done).unwrap();
        wait(&event);
        say(&format!("block {height} 0"));
        let (done, event) = completion();
        core.wal().reset_then(height, done).unwrap();
        wait(&event);
        say(&format!("reset {height} 0"));
        height += 1;
    }
}

fn stored_mark(core: &Core) -> u64 {
    core.mark().get().map_or(0, |mark| std::str::from_utf8(&mark).unwrap().parse().unwrap())
}

/// All that was acknowledged over all lives.
#[derive(Default)]
struct Acknowledged {
    /// First index to (count, life, writer, number).
    submissions: BTreeMap<u64, (u64, u32, u64, u64)>,
    /// Partition and first offset to (count, life, number).
    records: BTreeMap<(u32, u64), (u64, u32, u64)>,
    /// Size to roots.
    signed: BTreeMap<u64, (String, String)>,
    height: u64,
    mark: u64,
    reset: u64,
    /// Height, number and life of the last entry.
    wal: Option<(u64, u64, u64)>,
}

impl Acknowledged {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        match words[0] {
            "leaves" => {
                let old = self.submissions.insert(number(1), (number(2), number(3) as u32, number(4), number(5)));
                assert_eq!(old, None, "index {} was given twice", words[1]);
            }
            "records" => {
                let old = self.records.insert((number(1) as u32, number(2)), (number(3), number(4) as u32, number(5)));
                assert_eq!(old, None, "offset {} of partition {} was given twice", words[2], words[1]);
            }
            "signed" => {
                let roots = (words[2].to_owned(), words[3].to_owned());
                let old = self.signed.insert(number(1), roots.clone());
                assert!(old.is_none_or(|old| old == roots), "size {} was signed twice", words[1]);
            }
            "wal" => self.wal = Some((number(1), number(2), number(3))),
            "mark" => self.mark = number(1),
            "block" => self.height = number(1),
            "reset" => self.reset = number(1),
            "ready" => {}
            other => panic!("what is {other}?"),
        }
    }

    /// What an opened core shows counts as acknowledged from then on, also when its writer died before it could say so.
    fn check(&mut self, home: &Path, round: u64, checked: &mut u64) {
        let report = fsck(home, &options(), Backend::default(), false, |_| Vec::new()).unwrap();
        assert!(report.is_sound(), "{:?}", report.findings);
        let (core, report) = Core::open(home, options()).unwrap();
        let log = core.notary_log(LOG).unwrap();
        // Old lives were checked fully before; of them a sample is enough, another one each time.
        let sampled = |number: u64| (number + round).is_multiple_of(61);
        let size = log.size();
        let roots = log.roots(size).unwrap();
        assert!(log.retracted().is_none(), "{report:?}");
        for (first, (count, life, writer, number)) in &self.submissions {
            assert!(first + count <= size, "leaf {first} of {size} is gone");
            if *first < *checked && !sampled(*first) {
                continue;
            }
            for place in 0..*count {
                let index = first + place;
                let bytes = log.leaf(index).unwrap();
                assert_eq!(bytes, leaf(*life, *writer, *number, place));
                let hashes = leaf_hashes(&bytes);
                let proofs = log.inclusion(index, size).unwrap();
                proofs.blake3.verify::<Blake3>(&hashes.blake3, &roots.blake3).unwrap();
                proofs.sha256.verify::<Sha256>(&hashes.sha256, &roots.sha256).unwrap();
                assert_eq!(log.find_leaf(&bytes).unwrap(), Some(index));
            }
        }
        for (signed, (blake3, sha256)) in
            self.signed.iter().filter(|(signed, _)| **signed >= *checked || sampled(**signed))
        {
            let at = log.roots(*signed).unwrap();
            assert_eq!((at.blake3.to_string(), at.sha256.to_string()), (blake3.clone(), sha256.clone()));
            log.consistency(*signed, size).unwrap();
        }
        *checked = size;

        for partition in records(&core) {
            self.check_records(&partition);
        }
        let height = core.chain().latest_height().unwrap_or(0);
        assert!(height == self.height || height == self.height + 1, "{height} after {}", self.height);
        self.height = height;
        if height > 0 {
            assert_eq!(core.chain().state(b"height").unwrap().unwrap(), height.to_be_bytes());
            let text = height.to_string().repeat(500);
            assert_eq!(core.chain().block(height).unwrap().unwrap(), text);
        }
        let mark = stored_mark(&core);
        assert!(mark >= self.mark, "mark {mark} after {}", self.mark);
        self.mark = mark;
        let wal = core.wal().take_recovery().unwrap();
        assert!(wal.height >= self.reset && wal.height <= height, "reset {} of {height}", wal.height);
        if let Some((at, number, life)) = self.wal.filter(|(at, ..)| *at > wal.height) {
            // Entries of later lives may follow, of which nobody has heard.
            let expected: Vec<String> = (0..=number).map(|number| format!("{life}/{at}/{number}")).collect();
            let stand = |part: &[Bytes]| part.iter().zip(&expected).all(|(entry, text)| entry == text);
            assert!(wal.entries.windows(expected.len()).any(stand), "{:?} does not hold {expected:?}", wal.entries);
        }
        core.close().unwrap();
    }
}

impl Acknowledged {
    fn check_records(&self, partition: &Partition) {
        let mut found = Vec::new();
        partition
            .read(0, &mut |stored| {
                assert_eq!(stored.offset, found.len() as u64);
                found.push(Record::from_bytes(stored.bytes).unwrap());
                true
            })
            .unwrap();
        let of = partition.number();
        for ((_, first), (count, life, number)) in self.records.range((of, 0)..=(of, u64::MAX)) {
            for place in 0..*count {
                let kept = found.get((first + place) as usize);
                assert_eq!(
                    kept,
                    Some(&record(*life, of, *number, place)),
                    "record {} of partition {of}",
                    first + place
                );
            }
        }
    }
}

#[test]
fn killed_at_random_moments_it_keeps_every_acknowledged_thing() {
    let home = tempfile::tempdir().unwrap();
    let mut random = u64::from(std::process::id());
    let mut acknowledged = Acknowledged::default();
    let mut checked = 0;
    let loops = std::env::var(LOOPS_ENV).map_or(LOOPS, |rounds| rounds.parse().unwrap());
    for round in 0..loops {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child", "--nocapture", "--test-threads=1"])
            .env(HOME, home.path())
            .env(LIFE, round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let (ready, is_ready) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut lines = Vec::new();
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let Some(line) = line.strip_prefix(b"@") else { continue };
                if line.starts_with(b"ready") {
                    ready.send(()).unwrap();
                }
                lines.push(String::from_utf8(line.to_vec()).unwrap());
            }
            lines
        });
        // Some rounds die while the store opens; most of them in full run.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if round % 6 != 5 {
            is_ready.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        std::thread::sleep(Duration::from_micros((random >> 33) % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in reader.join().unwrap() {
            acknowledged.hear(&line);
        }
        acknowledged.check(home.path(), round, &mut checked);
    }
    let worked = acknowledged.submissions.len() > 50 && acknowledged.records.len() > 50 && acknowledged.height > 0;
    assert!(worked, "the child did no work");
}
