use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::localnet::manifest::Manifest;
use crate::localnet::state::TunnelMode;

fn network(validators: usize) -> (tempfile::TempDir, Layout, State) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(&dir.path().join("net")).unwrap();
    let state = create(&layout, validators, 1, 500, TunnelMode::Userspace, false).unwrap();
    (dir, layout, state)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn genesis_names_every_validator_log_and_account() {
    let (_dir, layout, state) = network(4);
    let genesis = Genesis::from_json(&fs::read(layout.genesis()).unwrap()).unwrap();
    assert_eq!(genesis.chain_id(), state.chain_id);
    assert!(state.chain_id.starts_with("pyralog-dev-"));
    let parts = genesis.parts();
    assert_eq!((parts.validators.len(), parts.logs.len(), parts.accounts.len()), (4, 4, 10));
    for node in &state.nodes {
        let home = layout.home(&node.name);
        assert_eq!(fs::read(home.join("genesis.json")).unwrap(), fs::read(layout.genesis()).unwrap());
        let key = |name: &str| keystore::inspect(&fs::read(home.join("keys").join(name)).unwrap()).unwrap().public_key;
        assert!(parts.validators.iter().any(|validator| validator.key == key("validator.key")));
        assert!(parts.logs.iter().any(|log| log.owner == key("log.key")));
        assert_eq!(peer_id::of(&key("peer.key")), node.peer_id);
    }
}

#[test]
fn accounts_open_with_their_password_files_and_are_in_genesis() {
    let (_dir, layout, state) = network(1);
    let genesis = Genesis::from_json(&fs::read(layout.genesis()).unwrap()).unwrap();
    for account in Manifest::describe(&layout, &state).accounts {
        let password = fs::read_to_string(&account.password_file).unwrap();
        let key = keystore::open(&fs::read(&account.keystore).unwrap(), password.trim_end().as_bytes()).unwrap();
        let address = Address::from_key(&key.public_key());
        assert_eq!(address.to_string(), account.address);
        assert!(genesis.parts().accounts.contains(&(address, account.balance)));
        assert_eq!((mode(&account.keystore), mode(&account.password_file)), (0o600, 0o600));
    }
}

#[test]
fn secrets_are_private_and_ports_distinct() {
    let (_dir, layout, state) = network(3);
    let mut seen = BTreeSet::new();
    for node in &state.nodes {
        let home = layout.home(&node.name);
        for file in ["validator.key", "log.key", "peer.key"] {
            assert_eq!(mode(&home.join("keys").join(file)), 0o600);
        }
        assert_eq!(mode(&home.join("keys")), 0o700);
        assert_eq!(mode(&config::password_file(&home)), 0o600);
        assert!(node.ports.all().iter().all(|port| seen.insert(*port)));
    }
    assert_eq!(seen.len(), 12);
}

#[test]
fn an_interrupted_creation_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(dir.path()).unwrap();
    files::write(&layout.unfinished(), b"", files::PUBLIC).unwrap();
    files::make_dir(&layout.home("node9")).unwrap();
    create(&layout, 1, 1, 500, TunnelMode::Userspace, false).unwrap();
    assert!(!layout.home("node9").exists());
    assert!(!layout.unfinished().exists());
    assert!(State::load(&layout).unwrap().is_some());
}

#[test]
fn the_default_ports_that_are_free_go_to_node0_and_to_nobody_else() {
    let defaults = Ports { rpc: 11_001, api: 11_002, metrics: 11_003, p2p: 11_004 };
    let ports = pick_ports(3, &defaults, true, |port| port != defaults.p2p).unwrap();
    assert_eq!(Ports { p2p: defaults.p2p, ..ports[0] }, defaults);
    assert_ne!(ports[0].p2p, defaults.p2p, "somebody holds it");
    let none = pick_ports(3, &defaults, false, |_| true).unwrap();
    for others in [&ports[1..], &none] {
        assert!(others.iter().flat_map(Ports::all).all(|port| !defaults.all().contains(&port)));
    }
}

#[test]
fn members_have_names_and_ports_and_stand_in_no_genesis() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(&dir.path().join("net")).unwrap();
    let state = create(&layout, 2, 3, 500, TunnelMode::Userspace, false).unwrap();
    let names: Vec<&str> = state.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["node0", "node1", "node0-1", "node0-2", "node1-1", "node1-2"]);
    let ports: BTreeSet<u16> = state.nodes.iter().flat_map(|node| node.ports.all()).collect();
    assert_eq!(ports.len(), 24);
    let genesis = Genesis::from_json(&fs::read(layout.genesis()).unwrap()).unwrap();
    assert_eq!((genesis.parts().validators.len(), genesis.parts().logs.len()), (2, 2));
    for node in &state.nodes {
        assert_eq!(layout.home(&node.name).exists(), node.is_founder(), "{}", node.name);
        assert_eq!(node.has_joined(), node.is_founder());
    }
    let text = fs::read_to_string(layout.home("node0").join("pyralog.toml")).unwrap();
    assert_eq!(text.matches("/p2p/").count(), 1, "only who has an identity can be dialled: {text}");
}
