//! What an id costs, beside a `uuid` v7 and one `ftruncate` per id in the same run.
//!
//! `cargo bench -p pyralog-cluster-core --bench ids` (a fresh directory under `$TMPDIR`; set it to the disk in question). Every id is
//! below a ceiling that was synced before; the `ftruncate` is not, so it is the cheapest counter that a file alone can be.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use pyralog_cluster_core::{NodeNumber, Obelisk, ObeliskOptions, ScarabOptions, Scarabs};

const ROUNDS: usize = 301;

fn main() {
    let home = tempfile::tempdir().unwrap();
    let obelisk = Obelisk::open(&home.path().join("obelisk"), ObeliskOptions::default()).unwrap();
    let node = ScarabOptions::of(NodeNumber::new(1).unwrap());
    let scarabs = Scarabs::open(&home.path().join("scarab"), node).unwrap();
    let file = truncated(home.path());
    let mut length = 0;

    println!("one thread, ns per id           median     best     mean    x uuid v7   x ftruncate");
    let uuid = measure(1_000, 1, || black_box(uuid::Uuid::now_v7()));
    let truncate = measure(200, 1, || {
        length += 1;
        file.set_len(length).unwrap();
    });
    let rows = [
        ("Obelisk::next", measure(20_000, 1, || black_box(obelisk.next().unwrap()))),
        ("Obelisk::range(1000)", measure(1_000, 1_000, || black_box(obelisk.range(1_000).unwrap()))),
        ("Scarabs::next", measure(20_000, 1, || black_box(scarabs.next().unwrap()))),
        (
            "Scarabs::range(1000), each",
            measure(50, 1_000, || scarabs.range(1_000).unwrap().for_each(|id| _ = black_box(id))),
        ),
        ("uuid v7", uuid),
        ("ftruncate per id", truncate),
    ];
    for (name, Cost { median, best, mean }) in rows {
        let (uuid, truncate) = (uuid.median / median, truncate.median / median);
        println!("{name:<28} {median:>9.2} {best:>8.2} {mean:>8.2} {uuid:>12.1} {truncate:>13.1}");
    }
    println!("Scarab ids ahead of the clock after this: {} ms", scarabs.drift_ms());

    println!();
    println!("threads   Obelisk M/s   Scarab M/s   uuid v7 M/s");
    for threads in [1, 2, 8] {
        let obelisk = together(threads, || _ = black_box(obelisk.next().unwrap()));
        let scarabs = together(threads, || _ = black_box(scarabs.next().unwrap()));
        let uuid = together(threads, || _ = black_box(uuid::Uuid::now_v7()));
        println!("{threads:>7} {obelisk:>13.1} {scarabs:>12.1} {uuid:>13.1}");
    }
}

fn truncated(dir: &Path) -> std::fs::File {
    std::fs::File::create(dir.join("truncated")).unwrap()
}

/// Nanoseconds per id.
#[derive(Clone, Copy)]
struct Cost {
    median: f64,
    best: f64,
    /// Of all rounds: with the waits for the disk, and for whatever else this machine does.
    mean: f64,
}

/// Rounds are short, so that most of them are not interrupted by other processes.
fn measure<T>(calls: u32, ids: u32, mut call: impl FnMut() -> T) -> Cost {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..calls {
                call();
            }
            started.elapsed().as_secs_f64() * 1e9 / f64::from(calls * ids)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    Cost { median: times[ROUNDS / 2], best: times[0], mean: times.iter().sum::<f64>() / ROUNDS as f64 }
}

/// Million calls per second of so many threads.
fn together(threads: u32, call: impl Fn() + Sync) -> f64 {
    const CALLS: u32 = 2_000_000;
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..CALLS).for_each(|_| call()));
        }
    });
    f64::from(threads * CALLS) / started.elapsed().as_secs_f64() / 1e6
}
