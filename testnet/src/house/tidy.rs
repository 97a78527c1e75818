//! What no file may hold, and how large a file may be.

use std::path::Path;

/// Longest file allowed, in lines.
const LONGEST_FILE: usize = 1_000;

/// Folders and files that may stand at the root of the checkout.
const AT_ROOT: [&str; 25] = [
    "crypto",
    "consensus",
    "zk",
    "p2p",
    "cluster-core",
    "node",
    "wallet-cli",
    "testnet",
    "docs",
    "Makefile",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "LICENSE",
    "Cargo.toml",
    "Cargo.lock",
    "deny.toml",
    "clippy.toml",
    "rustfmt.toml",
    ".config",
    ".ci",
    ".gitignore",
    ".gitattributes",
    ".git",
];

/// Words that no source may hold, each with what to do instead. Spelled in halves so that this file passes its own rule.
const NOWHERE: [(&str, &str, &str); 6] = [
    ("todo", "!(", "build it, or say in the README that it is missing"),
    ("unimpl", "emented!(", "build it, or return an error that says so"),
    ("dbg", "!(", "use tracing"),
    ("#[ig", "nore", "a test that does not run proves nothing"),
    ("FIX", "ME", "mend it or file it"),
    ("std::process::ex", "it(1)", "return an error from main"),
];

/// What the deterministic room may not name in shipped code.
const NOT_IN_CONSENSUS: [(&str, &str); 9] = [
    ("HashMap", "BTreeMap: iteration order must not differ between nodes"),
    ("HashSet", "BTreeSet: iteration order must not differ between nodes"),
    ("SystemTime", "time comes in as an argument"),
    ("Instant::now", "time comes in as an argument"),
    ("Time::now", "time comes in as an argument"),
    ("f64", "integers only"),
    ("f32", "integers only"),
    ("std::fs", "the node owns the files"),
    ("std::thread", "one thread, one order"),
];

fn is_test_source(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.contains("/tests")
        || text.contains("/benches/")
        || text.contains("_test.rs")
        || text.contains("/testkit")
        || text.contains("/house/")
}

/// The part of a source before its in-file tests, comments left out.
fn shipped_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number + 1, line))
}

#[test]
fn only_the_known_entries_stand_at_the_root() {
    let ignored = std::fs::read_to_string(super::root().join(".gitignore")).expect(".gitignore");
    for entry in std::fs::read_dir(super::root()).expect("the checkout").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let known = AT_ROOT.contains(&name.as_str()) || ignored.lines().any(|l| l.trim_start_matches('/') == name);
        assert!(known, "{name} does not belong at the root: find it a room");
    }
}

#[test]
fn no_file_is_longer_than_a_reader_bears() {
    for path in super::rust_files(&super::root()) {
        let lines = std::fs::read_to_string(&path).expect("readable source").lines().count();
        assert!(lines <= LONGEST_FILE, "{}: {lines} lines, {LONGEST_FILE} at most: split it", path.display());
    }
}

#[test]
fn no_source_holds_an_unfinished_mark() {
    for path in super::rust_files(&super::root()) {
        let text = std::fs::read_to_string(&path).expect("readable source");
        for (head, tail, instead) in NOWHERE {
            let word = format!("{head}{tail}");
            assert!(!text.contains(&word), "{} holds `{word}`: {instead}", path.display());
        }
    }
}

#[test]
fn consensus_code_is_deterministic_by_its_words() {
    let mut seen = 0;
    for path in super::rust_files(&super::root().join("consensus/src")) {
        if is_test_source(&path) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("readable source");
        for (number, line) in shipped_lines(&text) {
            for (word, instead) in NOT_IN_CONSENSUS {
                // A serde visitor must name the floats that it refuses.
                if word == "f64" && line.contains("fn visit_f64<E>(self, _: f64)") {
                    continue;
                }
                assert!(!line.contains(word), "{}:{number} names `{word}`: {instead}", path.display());
            }
        }
        seen += 1;
    }
    assert!(seen > 0, "no source was read");
}

#[test]
fn nothing_names_a_path_of_one_machine() {
    for path in super::rust_files(&super::root()) {
        let text = std::fs::read_to_string(&path).expect("readable source");
        for (head, tail) in [("/ro", "ot/"), ("/wo", "rk/"), ("/ho", "me/")] {
            assert!(!text.contains(&format!("{head}{tail}")), "{} names {head}{tail}", path.display());
        }
    }
}
