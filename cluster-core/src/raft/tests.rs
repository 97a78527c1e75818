//! Clusters in one process, over links that lose, delay and part, and disks that lose what was not synced.

mod chaos_tests;
mod disk_tests;
mod hearing_tests;
mod history;
mod member_tests;
mod net;
mod rig;
mod single_tests;

use std::time::Duration;

use tokio::time::Instant;

/// Waits until it is so. Generous: it ends as soon as it is, and the machine may be busy.
async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(40);
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Options under which a busy machine does not take a busy leader for a dead one.
fn options() -> super::RaftOptions {
    super::RaftOptions {
        heartbeat: Duration::from_millis(60),
        election: (Duration::from_millis(250), Duration::from_millis(500)),
        snapshot_every: 60,
        keep: 20,
        chunk_bytes: 256,
        patience: Duration::from_secs(20),
        ..Default::default()
    }
}
