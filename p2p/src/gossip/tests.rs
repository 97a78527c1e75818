#![allow(clippy::unwrap_used)]

use crate::{Config, TopicSpec};

use super::*;

fn settings() -> Settings {
    let mut config = Config::new([1; 32], "test");
    config.topics = vec![TopicSpec::new("votes", 4 << 10), TopicSpec::new("parts", 256 << 10)];
    Settings::check(&config).unwrap()
}

fn built() -> gossipsub::Config {
    let settings = settings();
    let topics: Vec<_> = settings.topics.iter().map(|t| IdentTopic::new(settings.wire_topic(&t.name))).collect();
    config(&settings, &topics).unwrap()
}

#[test]
fn messages_wait_for_a_verdict() {
    assert!(built().validate_messages());
    assert!(matches!(built().validation_mode(), ValidationMode::Anonymous));
}

#[test]
fn each_topic_has_its_size_and_the_rpc_limit_leaves_room() {
    let config = built();
    let size = |name: &str| config.max_transmit_size_for_topic(&TopicHash::from_raw(settings().wire_topic(name)));
    assert!(size("votes") >= 4 << 10 && size("votes") < 5 << 10);
    assert!(size("parts") >= 256 << 10 && size("parts") < 257 << 10);
    assert!(config.max_transmit_size() >= size("parts") + MAX_CONTROL_BYTES + (8 << 10));
}

#[test]
fn a_full_ihave_fits_the_control_limit() {
    let longest_topic = 128 + 64 + 32;
    assert!(MAX_IHAVE_IDS * (32 + 2) + longest_topic < built().max_control_message_size());
}

#[test]
fn the_same_bytes_have_one_id_and_topics_are_apart() {
    assert_eq!(message_id("t", b"data"), message_id("t", b"data"));
    assert_ne!(message_id("t", b"data"), message_id("t", b"datA"));
    assert_ne!(message_id("t", b"data"), message_id("u", b"data"));
    // The boundary between topic and data counts.
    assert_ne!(message_id("ta", b"b"), message_id("t", b"ab"));
    assert_eq!(message_id("t", b"").0.len(), 32);
}

#[test]
fn the_router_subscribes_to_every_topic() {
    let router = router(&settings()).unwrap();
    let mut topics: Vec<_> = router.topics().map(|topic| topic.to_string()).collect();
    topics.sort();
    assert_eq!(topics, ["/pyralog/test/topic/parts", "/pyralog/test/topic/votes"]);
}

#[test]
fn a_network_without_topics_is_fine() {
    let settings = Settings::check(&Config::new([1; 32], "test")).unwrap();
    assert_eq!(router(&settings).unwrap().topics().count(), 0);
}
