#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

fn good() -> Config {
    let mut config = Config::new([7; 32], "pyralog-dev-1");
    config.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    config.topics = vec![TopicSpec::new("consensus", 1 << 20)];
    config.protocols = vec![ProtocolSpec::new("sync/1", 1 << 10, 1 << 20)];
    config
}

/// The field that the check names.
fn field(change: impl FnOnce(&mut Config)) -> &'static str {
    let mut config = good();
    change(&mut config);
    match Settings::check(&config) {
        Err(Error::Config { field, .. }) => field,
        other => panic!("expected a configuration error, got {other:?}"),
    }
}

#[test]
fn a_good_configuration_passes() {
    let settings = Settings::check(&good()).unwrap();
    assert_eq!(settings.protocol_version(), "/pyralog/pyralog-dev-1/1");
    assert_eq!(settings.wire_topic("consensus"), "/pyralog/pyralog-dev-1/topic/consensus");
    assert_eq!(settings.stream_protocol("request", "sync/1").unwrap(), "/pyralog/pyralog-dev-1/request/sync/1");
}

#[test]
fn every_bad_field_is_named() {
    assert_eq!(field(|c| c.network = String::new()), "network");
    assert_eq!(field(|c| c.network = "a b".into()), "network");
    assert_eq!(field(|c| c.network = "a/b".into()), "network");
    assert_eq!(field(|c| c.network = "n".repeat(129)), "network");
    assert_eq!(field(|c| c.agent = String::new()), "agent");
    assert_eq!(field(|c| c.listen.push("localhost:1".into())), "listen");
    assert_eq!(field(|c| c.external.push("nowhere".into())), "external");
    assert_eq!(field(|c| c.bootstrap.push("/ip4/1.2.3.4/tcp/5".into())), "bootstrap");
    assert_eq!(field(|c| c.topics[0].max_size = 0), "topics");
    assert_eq!(field(|c| c.topics[0].max_size = MAX_MESSAGE_BYTES + 1), "topics");
    assert_eq!(field(|c| c.topics[0].weight = f64::NAN), "topics");
    assert_eq!(field(|c| c.topics[0].weight = 0.0), "topics");
    assert_eq!(field(|c| c.topics.push(TopicSpec::new("consensus", 1))), "topics");
    assert_eq!(field(|c| c.topics[0].name = "a topic".into()), "topics");
    assert_eq!(field(|c| c.protocols[0].name = String::new()), "protocols");
    assert_eq!(field(|c| c.protocols[0].max_request = 0), "protocols");
    assert_eq!(field(|c| c.protocols[0].max_response = 0), "protocols");
    assert_eq!(field(|c| c.protocols[0].concurrent = 0), "protocols");
    assert_eq!(field(|c| c.protocols[0].timeout = Duration::ZERO), "protocols");
    assert_eq!(field(|c| c.limits.request_in_flight_bytes = 10), "limits.request_in_flight_bytes");
    assert_eq!(field(|c| c.limits.gossip_in_flight_bytes = 10), "limits.gossip_in_flight_bytes");
    assert_eq!(field(|c| c.limits.gossip_bytes.burst = 10), "limits.gossip_bytes");
    assert_eq!(field(|c| c.limits.event_queue = 0), "limits.event_queue");
    let members = "limits.members lanes (bytes at least one message, counts above 0)";
    assert_eq!(field(|c| c.limits.members.urgent.send_bytes = 1 << 20), members);
    assert_eq!(field(|c| c.limits.members.bulk.receive_messages = 0), members);
    assert_eq!(field(|c| c.limits.members.ping_interval = Duration::ZERO), "limits.members.ping_interval");
    let dead_after = "limits.members.dead_after (at least two ping intervals)";
    assert_eq!(field(|c| c.limits.members.dead_after = c.limits.members.ping_interval), dead_after);
    assert_eq!(field(|c| c.limits.members.redial_max = Duration::ZERO), "limits.members.redial_max");
    assert_eq!(field(|c| c.limits.request_rate.burst = 0), "limits.request_rate");
    assert_eq!(field(|c| (0..17).for_each(|n| c.topics.push(TopicSpec::new(n.to_string(), 9)))), "topics");
}

#[test]
fn peer_addresses_need_both_parts() {
    let peer = PeerId::random();
    let (parsed, address) = parse_peer_address(&format!("/ip4/127.0.0.1/tcp/26656/p2p/{peer}")).unwrap();
    assert_eq!((parsed, address.to_string()), (peer, "/ip4/127.0.0.1/tcp/26656".to_owned()));
    for bad in ["", "/p2p/", &format!("/p2p/{peer}"), "/ip4/127.0.0.1/tcp/1", "/ip4/300.0.0.1/tcp/1"] {
        assert!(parse_peer_address(bad).is_err(), "{bad}");
    }
}

#[test]
fn debug_does_not_show_the_seed() {
    let shown = format!("{:?}", Config::new([0xab; 32], "n"));
    assert!(!shown.contains("171") && !shown.contains("seed"), "{shown}");
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in ".*") {
        let _ = parse_peer_address(&text);
    }

    #[test]
    fn any_address_like_text_is_parsed_or_refused(text in "(/(ip4|ip6|tcp|udp|p2p|quic-v1|dns)(/[0-9a-zA-Z.:]{0,12})?){0,6}") {
        let _ = parse_peer_address(&text);
    }
}
