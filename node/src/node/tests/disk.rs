use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::kit::{get_json, homes_in, post, start};

/// A small file system of our own.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` where this user may not mount.
    fn mount(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "pyralog-test"]).arg(dir.path()).output();
        mount.is_ok_and(|done| done.status.success()).then_some(Self(dir))
    }

    /// Takes all the space that is left; the file gives it back when it is removed.
    fn fill(&self) -> std::path::PathBuf {
        let path = self.0.path().join("ballast");
        let mut file = File::create(&path).unwrap();
        for size in [1 << 20, 4_096, 1] {
            let block = vec![0x5a; size];
            let error = std::iter::repeat_with(|| file.write_all(&block)).find_map(Result::err).unwrap();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nearly_full_disk_refuses_leaves_and_the_node_goes_on() {
    let Some(disk) = SmallDisk::mount(160) else {
        eprintln!(
            "skipped: a_nearly_full_disk_refuses_leaves_and_the_node_goes_on (this user may not mount a small file system)"
        );
        return;
    };
    let homes = homes_in(tempfile::tempdir_in(disk.0.path()).unwrap(), 1);
    let home = &homes.homes[0];
    let node = start(home, &[]).await;
    let leaves = format!("{}/v1/notary/leaves", node.endpoints.api);
    let (status, promised) = post(&leaves, &json!({"leaves": ["00ff"]})).await;
    assert_eq!(status, 200, "{promised}");

    let ballast = disk.fill();
    // One that was let in before the disk was looked at may be the last.
    let mut refused = post(&leaves, &json!({"leaves": ["01ff"]})).await;
    if refused.0 == 200 {
        refused = post(&leaves, &json!({"leaves": ["02ff"]})).await;
    }
    assert_eq!(refused.0, 503, "{}", refused.1);
    let message = refused.1["error"]["message"].as_str().unwrap();
    assert!(message.contains("free some space") && names(message, &home.store()), "{message}");
    // What consensus writes has its space already.
    node.reach(node.height() + 3).await;

    std::fs::remove_file(ballast).unwrap();
    let (status, promised) = post(&leaves, &json!({"leaves": ["03ff"]})).await;
    assert_eq!(status, 200, "{promised}");
    let url = format!("{}/v1/notary/receipts/0?wait_ms=20000", node.endpoints.api);
    let (status, receipt) = get_json(&url).await;
    assert_eq!(status, 200, "{receipt}");
    tokio::time::timeout(Duration::from_secs(20), node.stop()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_node_which_goes_on_when_there_is_space() {
    let Some(disk) = SmallDisk::mount(96) else {
        eprintln!(
            "skipped: a_full_disk_stops_the_node_which_goes_on_when_there_is_space (this user may not mount a small file system)"
        );
        return;
    };
    let homes = homes_in(tempfile::tempdir_in(disk.0.path()).unwrap(), 1);
    let home = &homes.homes[0];
    // Without the reserve, leaves use up what is left.
    let node = start(home, &[("store.reserve_bytes", "0")]).await;
    let leaves = format!("{}/v1/notary/leaves", node.endpoints.api);
    let (status, promised) = post(&leaves, &json!({"leaves": ["00ff"]})).await;
    assert_eq!(status, 200, "{promised}");
    node.reach(3).await;
    let third = node.backend.chain().block(3).unwrap().unwrap().hash();

    let ballast = disk.fill();
    let many = json!({"leaves": vec!["5a".repeat(1000); 1000]});
    // The journal has its space already, and a page of the leaf file may be left: not the first one need fail.
    for _ in 0..8 {
        if post(&leaves, &many).await.0 != 200 {
            break;
        }
    }
    let reason = node.ended().await;
    assert!(names(&reason, &home.store()), "{reason}");
    assert!(reason.contains("no space left") && !reason.contains('\n'), "{reason}");

    std::fs::remove_file(ballast).unwrap();
    let again = start(home, &[]).await;
    again.reach(again.height().max(3) + 2).await;
    assert_eq!(again.backend.chain().block(3).unwrap().unwrap().hash(), third);
    let url = format!("{}/v1/notary/receipts/0?wait_ms=20000", again.endpoints.api);
    let (status, receipt) = get_json(&url).await;
    assert_eq!(status, 200, "what was promised before is in the log: {receipt}");
    tokio::time::timeout(Duration::from_secs(20), again.stop()).await.unwrap();
}

fn names(reason: &str, dir: &Path) -> bool {
    reason.contains(&dir.display().to_string())
}
