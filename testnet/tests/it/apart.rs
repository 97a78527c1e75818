//! Tests that mount small disks or cut networks: each runs once more, as a process in namespaces of its own, which end with everything in them.

use std::path::Path;
use std::process::Command;

use crate::net::{Ran, run};

/// Set in the process that has namespaces of its own.
const INSIDE: &str = "PYRALOG_TEST_APART";

/// What a test changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// It mounts file systems.
    Mounts,
    /// It drops packets on a loopback device of its own.
    Network,
}

/// Where a test runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In namespaces of its own: go on.
    Inside,
    /// It ran there, and passed: there is nothing left to do.
    Done,
    /// There are none for this user, for this reason.
    Refused(String),
}

/// Runs the test of this name, as `cargo test` calls it, in namespaces of its own. Fails where it failed there.
pub fn apart(test: &str, own: Own) -> Place {
    if std::env::var_os(INSIDE).is_some() {
        return Place::Inside;
    }
    if let Some(why) = missing(own) {
        return Place::Refused(why);
    }
    let mut command = unshare(own);
    command.arg(std::env::current_exe().unwrap()).args([test, "--exact", "--nocapture", "--test-threads=1"]);
    let ran = run(command.env(INSIDE, "yes"));
    println!("{}{}", ran.out, ran.err);
    assert_eq!(ran.code, 0, "{test} failed in namespaces of its own: see above");
    // A name that no test has would pass as well.
    assert!(ran.out.contains("1 passed"), "{test} is not the name of a test");
    Place::Done
}

/// The same where a test has nothing to do otherwise: `true` where it is to go on.
pub fn only_apart(test: &str, own: Own) -> bool {
    match apart(test, own) {
        Place::Inside => true,
        Place::Done => false,
        Place::Refused(why) => {
            println!("skipped: {test} ({why})");
            false
        }
    }
}

/// What this user or machine lacks.
fn missing(own: Own) -> Option<String> {
    if own == Own::Network && !rustix::process::geteuid().is_root() {
        return Some("nodes that can be told apart are started by root".to_owned());
    }
    let mut needed = vec!["unshare", "sh"];
    needed.extend(if own == Own::Mounts { ["mount", "umount"] } else { ["ip", "nft"] });
    if let Some(program) = needed.into_iter().find(|program| !is_installed(program)) {
        return Some(format!("the program {program} is not installed"));
    }
    let Ran { code, err, .. } = run(unshare(own).arg("true"));
    (code != 0).then(|| format!("this user may have no namespaces here: {}", err.trim()))
}

/// Whether a program stands in `PATH`, or where an administrator has it.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Beside `PATH`, which has no directories of an administrator for others.
    let dirs = std::env::split_paths(&path).chain([Path::new("/usr/sbin").into(), Path::new("/sbin").into()]);
    dirs.map(|dir| dir.join(program)).any(|file| file.is_file())
}

/// What runs the arguments behind it in namespaces of its own: they are the first process there, and all others end with it.
fn unshare(own: Own) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]);
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let begin = match own {
        Own::Mounts => "exec \"$@\"",
        Own::Network => {
            command.arg("--net");
            "PATH=$PATH:/usr/sbin:/sbin; ip link set lo up && exec \"$@\""
        }
    };
    command.args(["sh", "-c", begin, "sh"]);
    command
}
