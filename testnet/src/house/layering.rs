//! Arrows run one way only: testnet → node → {consensus, zk, p2p, cluster-core} → crypto.

use std::collections::BTreeSet;

struct Room {
    folder: &'static str,
    may_import: &'static [&'static str],
    never: &'static [&'static str],
}

/// The one crate that may call foreign code, and so has lints of its own.
const UNSAFE: &str = "crypto/mceliece";

const IO: [&str; 5] = ["tokio", "libp2p", "rocksdb", "axum", "ureq"];

const ROOMS: [Room; 9] = [
    Room {
        folder: "crypto",
        may_import: &["pyralog-mceliece"],
        never: &["tokio", "libp2p", "rocksdb", "axum", "ureq", "getrandom", "rand"],
    },
    Room {
        folder: "crypto/mceliece",
        may_import: &[],
        never: &["tokio", "libp2p", "rocksdb", "axum", "ureq", "getrandom", "rand"],
    },
    Room {
        folder: "consensus",
        may_import: &["pyralog-crypto"],
        never: &["tokio", "libp2p", "rocksdb", "axum", "ureq", "getrandom", "rand"],
    },
    Room { folder: "zk", may_import: &["pyralog-crypto"], never: &IO },
    Room { folder: "p2p", may_import: &["pyralog-crypto"], never: &["rocksdb", "tendermint", "axum", "ureq"] },
    Room { folder: "cluster-core", may_import: &["pyralog-crypto"], never: &["libp2p", "tendermint", "axum", "ureq"] },
    Room {
        folder: "node",
        may_import: &["pyralog-crypto", "pyralog-consensus", "pyralog-zk", "pyralog-p2p", "pyralog-cluster-core"],
        never: &["libp2p", "rocksdb"],
    },
    Room {
        folder: "wallet-cli",
        may_import: &["pyralog-crypto", "pyralog-consensus", "pyralog-zk"],
        never: &["libp2p", "rocksdb"],
    },
    Room {
        folder: "testnet",
        may_import: &[
            "pyralog-crypto",
            "pyralog-consensus",
            "pyralog-cluster-core",
            "pyralog-p2p",
            "pyralog-zk",
            "pyralog-node",
        ],
        never: &[],
    },
];

/// Names of the dependencies of one manifest; dev-dependencies count for our own crates only.
fn dependencies(manifest: &toml::Table) -> (BTreeSet<String>, BTreeSet<String>) {
    let names = |table: &str| -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        if let Some(dependencies) = manifest.get(table).and_then(toml::Value::as_table) {
            names.extend(dependencies.keys().cloned());
        }
        for target in manifest.get("target").and_then(toml::Value::as_table).into_iter().flat_map(|t| t.values()) {
            if let Some(dependencies) = target.get(table).and_then(toml::Value::as_table) {
                names.extend(dependencies.keys().cloned());
            }
        }
        names
    };
    let mut normal = names("dependencies");
    normal.extend(names("build-dependencies"));
    (normal, names("dev-dependencies"))
}

/// Every arrow of `manifest` that the room may not have, as sentences.
fn forbidden_arrows(room: &Room, manifest: &toml::Table) -> Vec<String> {
    let (normal, dev) = dependencies(manifest);
    // A crate may name itself as a dev-dependency, to switch on its own test kit.
    let own = format!("pyralog-{}", room.folder);
    let ours = normal.union(&dev).filter(|name| name.starts_with("pyralog-") && **name != own);
    let mut found: Vec<String> = ours
        .filter(|name| !room.may_import.contains(&name.as_str()))
        .map(|name| format!("{}/ imports {name}; it may import {:?}", room.folder, room.may_import))
        .collect();
    found.extend(
        normal
            .iter()
            .filter(|n| room.never.contains(&n.as_str()))
            .map(|n| format!("{}/ must never touch {n}", room.folder)),
    );
    if room.folder != "testnet" {
        let kits = test_kits(manifest);
        found.extend(kits.into_iter().map(|n| format!("{}/ ships with the test kit of {n}", room.folder)));
    }
    found
}

/// Dependencies that switch on a test kit, with its planted faults, in what is shipped.
fn test_kits(manifest: &toml::Table) -> Vec<&String> {
    let tables = ["dependencies", "build-dependencies"].into_iter().filter_map(|table| manifest.get(table)?.as_table());
    let switched_on = |entry: &toml::Value| {
        let features = entry.get("features").and_then(toml::Value::as_array);
        features.is_some_and(|features| features.iter().any(|feature| feature.as_str() == Some("testkit")))
    };
    tables.flatten().filter(|(_, entry)| switched_on(entry)).map(|(name, _)| name).collect()
}

fn manifest_of(folder: &str) -> toml::Table {
    let path = super::root().join(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn no_room_imports_what_it_may_not() {
    let faults: Vec<String> = ROOMS.iter().flat_map(|room| forbidden_arrows(room, &manifest_of(room.folder))).collect();
    assert!(faults.is_empty(), "forbidden arrows:\n{}", faults.join("\n"));
}

#[test]
fn every_room_stands_in_the_workspace_and_nothing_else_does() {
    let members: BTreeSet<String> = manifest_of(".")["workspace"]["members"]
        .as_array()
        .expect("members is a list")
        .iter()
        .filter_map(|m| m.as_str().map(str::to_owned))
        .collect();
    for room in &ROOMS {
        assert!(members.contains(room.folder), "{} is missing from the workspace", room.folder);
    }
    for member in &members {
        assert!(ROOMS.iter().any(|room| room.folder == member), "{member} is in no room");
    }
}

#[test]
fn unsafe_code_is_forbidden_everywhere_but_in_one_crate() {
    let lints = &manifest_of(".")["workspace"]["lints"];
    assert_eq!(lints["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for room in ROOMS.iter().filter(|room| room.folder != UNSAFE) {
        let inherits = manifest_of(room.folder)["lints"]["workspace"].as_bool();
        assert_eq!(inherits, Some(true), "{} has lints of its own", room.folder);
    }
    let own = &manifest_of(UNSAFE)["lints"];
    assert_eq!(own["rust"]["unsafe_code"].as_str(), Some("deny"), "allowed in the module that calls, nowhere else");
    assert_eq!(own["clippy"]["undocumented_unsafe_blocks"].as_str(), Some("deny"));
    for (name, level) in lints["rust"].as_table().expect("a table").iter().filter(|(name, _)| *name != "unsafe_code") {
        assert_eq!(own["rust"].get(name), Some(level), "{UNSAFE} has another lint {name}");
    }
    for (name, level) in lints["clippy"].as_table().expect("a table") {
        assert_eq!(own["clippy"].get(name), Some(level), "{UNSAFE} has another lint {name}");
    }
}

#[test]
fn a_forbidden_arrow_is_seen() {
    let planted: Vec<(&str, &str)> = Vec::from([
        ("crypto", "[dependencies]\ntokio = \"1\""),
        ("crypto/mceliece", "[dependencies]\npyralog-crypto.workspace = true"),
        ("consensus", "[dependencies]\npyralog-p2p.workspace = true"),
        ("consensus", "[dependencies]\npyralog-mceliece.workspace = true"),
        ("p2p", "[dev-dependencies]\npyralog-consensus.workspace = true"),
        ("cluster-core", "[target.'cfg(unix)'.dependencies]\npyralog-p2p.workspace = true"),
        ("wallet-cli", "[dependencies]\nrocksdb.workspace = true"),
        ("node", "[build-dependencies]\npyralog-testnet.workspace = true"),
        ("zk", "[dependencies]\npyralog-crypto = { workspace = true, features = [\"testkit\"] }"),
    ]);
    for (folder, text) in planted {
        let room = ROOMS.iter().find(|room| room.folder == folder).expect("a known room");
        let manifest: toml::Table = text.parse().expect("valid TOML");
        assert_eq!(forbidden_arrows(room, &manifest).len(), 1, "{folder}: {text}");
    }
}
