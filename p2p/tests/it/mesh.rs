//! Tests of other modules, with every node inside tunnels: [`within`] sets up a mesh for the test's thread, and
//! [`crate::net::Node::start`] joins it.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use libp2p::multiaddr::Protocol;
use pyralog_p2p::{Config, Multiaddr, PresharedKey, Tunnel, TunnelConfig, TunnelKey, TunnelPeer, TunnelSecret};
use zeroize::Zeroizing;

use crate::relay::Relay;

/// The tunnels of one test, by the node's seed.
pub type Mesh = Rc<RefCell<BTreeMap<u8, Tunnel>>>;

thread_local! {
    static MESH: RefCell<Option<Mesh>> = const { RefCell::new(None) };
}

/// Runs a test whose nodes live in tunnels. It must start them in its main task, which runs on this thread.
pub fn within(test: fn()) {
    MESH.set(Some(Mesh::default()));
    test();
    MESH.set(None);
}

pub fn secret(seed: u8) -> TunnelSecret {
    TunnelSecret::from_bytes(&Zeroizing::new(blake3::derive_key("tests: tunnel", &[seed])))
}

/// The key that both peers of a pair have in tests.
pub fn pair_key(one: TunnelKey, other: TunnelKey) -> PresharedKey {
    let (low, high) = (one.min(other), one.max(other));
    PresharedKey::new(Zeroizing::new(blake3::derive_key("tests: pair", &[low.0, high.0].concat())))
}

/// Lets two tunnels know each other, with one key.
pub fn join(one: &Tunnel, other: &Tunnel) {
    for (own, peer) in [(one, other), (other, one)] {
        let (key, endpoint) = (peer.key(), Some(peer.local_addr()));
        own.set_peer(&TunnelPeer { key, endpoint, keepalive: None }).unwrap();
        own.set_preshared_key(&key, pair_key(own.key(), key)).unwrap();
    }
}

/// The same by a relay: `one` sends to it, `other` waits to be spoken to.
pub fn join_by(relay: &Relay, one: &Tunnel, other: &Tunnel) {
    other.set_peer(&TunnelPeer { key: one.key(), endpoint: None, keepalive: None }).unwrap();
    other.set_preshared_key(&one.key(), pair_key(one.key(), other.key())).unwrap();
    one.set_peer(&TunnelPeer { key: other.key(), endpoint: Some(relay.front), keepalive: None }).unwrap();
    one.set_preshared_key(&other.key(), pair_key(one.key(), other.key())).unwrap();
}

/// Moves a node's addresses into a tunnel, where the test runs [`within`] a mesh.
pub async fn enter(config: &mut Config) {
    let Some(mesh) = MESH.with_borrow(Clone::clone) else { return };
    if config.transport.is_some() {
        return;
    }
    let seed = config.secret_seed[0];
    let before = mesh.borrow_mut().remove(&seed);
    if let Some(before) = before {
        before.stop().await;
    }
    let (tunnel, _queues) =
        Tunnel::start(TunnelConfig::new(secret(seed), "127.0.0.1:0".parse().unwrap())).await.unwrap();
    for other in mesh.borrow().values() {
        join(&tunnel, other);
    }
    let mut listen: Vec<_> = config.listen.iter().map(|address| inside(&tunnel, address)).collect();
    listen.dedup();
    config.listen = listen;
    config.transport = Some(tunnel.transport(&config.limits));
    mesh.borrow_mut().insert(seed, tunnel);
}

fn inside(tunnel: &Tunnel, address: &str) -> String {
    let parsed: Multiaddr = address.parse().unwrap();
    match parsed.iter().next() {
        Some(Protocol::Ip6(_)) => address.to_owned(),
        _ => tunnel.listen_address(0).to_string(),
    }
}

macro_rules! within_tunnels {
    ($($module:ident: $($test:ident)*;)*) => {
        $(mod $module {
            $(#[test]
            fn $test() {
                super::within(crate::$module::$test);
            })*
        })*
    };
}

within_tunnels! {
    gossip:
        gossip_reaches_five_peers_over_quic
        what_the_node_rejects_or_ignores_is_not_forwarded
        nothing_is_forwarded_before_the_verdict
        oversize_and_unknown_topics_are_refused_at_publish
        the_same_bytes_go_out_once_and_nobody_is_no_silent_success
        many_large_messages_in_a_row_all_arrive;
    requests:
        a_question_gets_its_answer
        sizes_are_checked_at_both_ends
        a_dropped_question_is_refused
        an_unanswered_question_times_out_at_both_ends
        concurrency_is_limited_by_the_server
        several_protocols_live_side_by_side
        a_connection_that_ends_ends_the_question;
    members:
        messages_come_in_order_and_whole_over_quic
        seven_members_all_talk_with_each_other
        what_cannot_be_sent_says_why
        the_largest_message_passes
        a_flood_of_bulk_does_not_hold_up_urgent_messages
        a_reader_that_is_slow_on_one_lane_stalls_that_lane_only
        a_reader_that_stops_for_long_is_not_taken_for_dead;
    members_paths:
        a_member_that_restarts_goes_down_and_comes_up
        a_connection_that_ends_is_dialled_again_at_once
        both_dial_at_once_and_the_streams_come_to_stand
        a_member_is_not_bound_by_the_rules_for_strangers
        gossip_and_links_share_a_connection;
    members_speed:
        round_trips_and_throughput;
}
