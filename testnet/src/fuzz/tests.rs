//! Replay of the corpus with seeded mutations. Silence is not success: executions are counted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::{fs, thread};

use super::*;

/// Mutants of each target in all, shared among its files.
const MUTANTS: usize = 1_500;
/// Bytes of one target's folder at most.
const MAX_FOLDER: usize = 64 << 10;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn files(target: &str) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = fs::read_dir(corpus().join(target)) else { return BTreeMap::new() };
    let entries = entries.map(|entry| entry.unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect()
}

/// What a replay of one target did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    files: usize,
    accepted: usize,
    executions: usize,
}

/// Every file as it is, then `mutants` mutants. A panic names target, file and mutant.
fn replay(target: &Target, files: &BTreeMap<String, Vec<u8>>, mutants: usize) -> Result<Tally, String> {
    let mut tally = Tally { files: files.len(), ..Tally::default() };
    let contents: Vec<_> = files.iter().collect();
    for (name, bytes) in &contents {
        tally.accepted += usize::from(once(target, bytes).map_err(|e| format!("{}/{name}: {e}", target.name))?);
        tally.executions += 1;
    }
    for n in 0..if contents.is_empty() { 0 } else { mutants } {
        let ((name, bytes), (_, other)) = (contents[n % contents.len()], contents[n / 7 % contents.len()]);
        let mutant = Mutator::new(n as u64).mutate(bytes, other);
        once(target, &mutant).map_err(|e| {
            let find = std::env::temp_dir().join(format!("pyralog-find-{}-{n}", target.name));
            fs::write(&find, &mutant).unwrap();
            format!("{}/{name}, mutant {n} (kept as {}): {e}", target.name, find.display())
        })?;
        tally.executions += 1;
    }
    Ok(tally)
}

fn once(target: &Target, bytes: &[u8]) -> Result<bool, String> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_else(|| "panicked".into())
    })
}

/// What is wrong with a tally.
fn faults(target: &Target, tally: &Tally) -> Option<String> {
    let why = match tally {
        Tally { files: 0, .. } => "has no file in testnet/corpus; run `pyralog-testnet fuzz seeds testnet/corpus`",
        Tally { executions: 0, .. } => "ran 0 times",
        Tally { accepted: 0, .. } => "accepts none of its own corpus: the format has changed, make the seeds anew",
        _ => return None,
    };
    Some(format!("{} {why}", target.name))
}

#[test]
fn every_target_survives_its_corpus_and_mutants_of_it() {
    let chunk = TARGETS.len().div_ceil(thread::available_parallelism().map_or(2, Into::into));
    let wrong: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..chunk.min(8))
            .map(|worker| {
                scope.spawn(move || {
                    let mut wrong = Vec::new();
                    for target in TARGETS.iter().skip(worker).step_by(chunk.min(8)) {
                        match replay(target, &files(target.name), MUTANTS) {
                            Ok(tally) => wrong.extend(faults(target, &tally)),
                            Err(panic) => wrong.push(panic),
                        }
                    }
                    wrong
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn folders_and_targets_are_the_same() {
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names.len(), TARGETS.len(), "two targets of one name");
    let folders = fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(folders.collect::<BTreeSet<_>>(), names);
    for name in &names {
        let size: usize = files(name).values().map(Vec::len).sum();
        assert!(size <= MAX_FOLDER, "{name}: {size} bytes, {MAX_FOLDER} at most");
    }
}

#[test]
fn seeds_are_real_and_made_the_same_each_time() {
    let made = seeds();
    assert_eq!(made, seeds());
    for seed in &made {
        let target = target(seed.target).unwrap_or_else(|| panic!("no target {}", seed.target));
        assert!((target.run)(&seed.bytes), "{}/{} is refused", seed.target, seed.name);
    }
    let covered: BTreeSet<&str> = made.iter().map(|seed| seed.target).collect();
    assert_eq!(covered, TARGETS.iter().map(|target| target.name).collect());
}

#[test]
fn a_target_that_does_nothing_or_breaks_is_noticed() {
    let idle = Target { name: "idle", run: |_| false };
    let tally = replay(&idle, &BTreeMap::new(), 10).unwrap();
    assert_eq!(tally, Tally::default());
    assert!(faults(&idle, &tally).unwrap().contains("no file"));
    let one = BTreeMap::from([("a".to_owned(), vec![1, 2, 3])]);
    let tally = replay(&idle, &one, 10).unwrap();
    assert_eq!(tally, Tally { files: 1, accepted: 0, executions: 11 });
    assert!(faults(&idle, &tally).unwrap().contains("accepts none"));
    let broken = Target { name: "broken", run: |bytes| bytes[0] == 1 };
    let error = replay(&broken, &one, 500).unwrap_err();
    assert!(error.contains("broken/a, mutant"), "{error}");
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("pyralog-find-broken-") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}
