#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn parameters_and_thresholds_are_valid() {
    let spec = TopicSpec::new("t", 100);
    let topic = IdentTopic::new("t");
    let params = params([(&topic, &spec)].into_iter());
    params.validate().unwrap();
    thresholds().validate().unwrap();
    assert!(params.topics.contains_key(&topic.hash()));
}

/// P4 is the square of the count times its weight.
fn after_invalid(count: f64) -> f64 {
    let topic = topic_params(&TopicSpec::new("t", 100));
    BEST + count * count * topic.invalid_message_deliveries_weight * topic.topic_weight
}

#[test]
fn the_best_peer_survives_one_invalid_message_and_not_eight() {
    assert!(after_invalid(1.0) > GOSSIP);
    assert!(after_invalid(8.0) < GRAYLIST);
}

#[test]
fn goodness_on_one_topic_is_capped() {
    let topic = topic_params(&TopicSpec::new("t", 100));
    let time = topic.time_in_mesh_weight * topic.time_in_mesh_cap;
    let first = topic.first_message_deliveries_weight * topic.first_message_deliveries_cap;
    assert!(time + first <= BEST);
}
