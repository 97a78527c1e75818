#![allow(clippy::unwrap_used)]

use super::*;

fn raw(topic: &TopicHash, size: usize) -> RawMessage {
    RawMessage {
        source: None,
        data: vec![7; size],
        sequence_number: None,
        topic: topic.clone(),
        signature: None,
        key: None,
        validated: false,
    }
}

#[test]
fn each_topic_has_its_own_limit() {
    let (small, large) = (TopicHash::from_raw("small"), TopicHash::from_raw("large"));
    let guard = SizeGuard::new([(small.clone(), 10), (large.clone(), 1_000)]);
    assert_eq!(guard.inbound_transform(raw(&small, 10)).unwrap().data.len(), 10);
    assert!(guard.inbound_transform(raw(&small, 11)).is_err());
    assert_eq!(guard.inbound_transform(raw(&large, 1_000)).unwrap().data, vec![7; 1_000]);
    assert!(guard.inbound_transform(raw(&large, 1_001)).is_err());
    assert!(guard.outbound_transform(&small, vec![0; 10]).is_ok());
    assert!(guard.outbound_transform(&small, vec![0; 11]).is_err());
}

#[test]
fn unknown_topics_pass_neither_way() {
    let guard = SizeGuard::new([(TopicHash::from_raw("known"), 10)]);
    let unknown = TopicHash::from_raw("unknown");
    assert!(guard.inbound_transform(raw(&unknown, 0)).is_err());
    assert!(guard.outbound_transform(&unknown, Vec::new()).is_err());
}
