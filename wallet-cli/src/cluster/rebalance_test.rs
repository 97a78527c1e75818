use super::super::testkit::{Reply, args, cluster, serving};
use super::*;

#[test]
fn what_was_asked_is_counted() {
    for (asked, words) in [(0, "balanced"), (1, "for 1 partition that"), (3, "for 3 partitions that")] {
        let node = serving(cluster(0), Reply::Answer(200, json!({ "asked": asked })));
        let output = run(&RebalanceArgs { node: args(&node) }).unwrap();
        assert_eq!(output.document, json!({ "status": "asked", "asked": asked }));
        assert!(output.text.contains(words), "{}", output.text);
        assert_eq!(node.asked(), ["POST /v1/cluster/rebalance"]);
    }
}

#[test]
fn an_answer_without_a_number_leaves_it_open() {
    let node = serving(cluster(0), Reply::Answer(200, json!({})));
    let failure = run(&RebalanceArgs { node: args(&node) }).unwrap_err();
    assert!(failure.to_string().contains("or not"), "{failure}");
}
