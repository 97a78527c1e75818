use pyralog_crypto::KdfParams;
use pyralog_crypto::SigningKey;
use pyralog_crypto::keystore::{NONCE_BYTES, SALT_BYTES};

use super::*;
use crate::localnet::testkit::{layout, members};

/// A network in which node0-1 has not joined.
fn network() -> (tempfile::TempDir, Layout, State) {
    let (dir, layout) = layout();
    let mut state = members(&layout, 2, 2);
    state.nodes[2].peer_id.clear();
    (dir, layout, state)
}

#[test]
fn a_member_is_made_with_the_founder_of_its_cluster() {
    let (_dir, layout, state) = network();
    let args = arguments(&layout, &state, &state.nodes[3]).unwrap().join(" ");
    let (home, founder) = (layout.home("node1-1"), layout.home("node1"));
    let expected = format!(
        "join-cluster --home {} --api http://127.0.0.1:6 --token-file {founder}/data/admin.token --name node1-1 --password-file {founder}/keys/password \
         --rpc-listen 127.0.0.1:1 --api-listen 127.0.0.1:2 --metrics-listen 127.0.0.1:3 \
         --tunnel-mode userspace --p2p-listen /ip4/127.0.0.1/udp/4 --cheap-kdf",
        home.display(),
        founder = founder.display(),
    );
    assert_eq!(args, expected);
    assert!(arguments(&layout, &state, &state.nodes[0]).is_err(), "a founder joins nobody");
}

/// Seals a key as the peer key of node0-1, and gives its identity.
fn peer_key(layout: &Layout) -> String {
    let key = SigningKey::from_seed([7; 32]);
    let sealed = keystore::seal(&key, b"secret", KdfParams::CHEAPEST, [1; SALT_BYTES], [2; NONCE_BYTES]).unwrap();
    std::fs::create_dir_all(layout.home("node0-1").join("keys")).unwrap();
    std::fs::write(layout.home("node0-1").join("keys/peer.key"), sealed).unwrap();
    peer_id::of(&key.public_key())
}

fn joined(layout: &Layout, state: &mut State) -> Result<Option<String>> {
    // No program of this name: a home that is made already needs none.
    join(layout, state, 2, Path::new("/no/such/program"), Duration::from_secs(20), &Interrupt::default())
}

#[test]
fn a_home_that_was_made_before_the_launcher_could_say_so_is_used() {
    let (_dir, layout, mut state) = network();
    let peer_id = peer_key(&layout);
    std::fs::write(layout.home("node0-1").join("pyralog.toml"), "").unwrap();
    assert_eq!(joined(&layout, &mut state).unwrap(), None);
    assert_eq!(state.nodes[2].peer_id, peer_id);
    assert_eq!(State::require(&layout).unwrap(), state, "durably");
}

#[test]
fn the_identity_of_a_member_is_that_of_its_sealed_key() {
    let (_dir, layout, _) = network();
    let (expected, path) = (peer_key(&layout), layout.home("node0-1").join("keys/peer.key"));
    assert_eq!(identity(&path).unwrap(), expected);
    std::fs::write(&path, "no key").unwrap();
    assert!(format!("{:#}", identity(&path).unwrap_err()).contains("peer.key"));
}
