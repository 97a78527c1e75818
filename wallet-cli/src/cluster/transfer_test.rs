use super::super::testkit::{Reply, args, cluster, problem, serving};
use super::*;

#[test]
fn the_lead_goes_to_the_member_that_is_named() {
    let node = serving(cluster(0), Reply::Answer(200, json!({ "leader": 2, "asked": 5 })));
    let output = run(&TransferArgs { member: "node1".to_owned(), node: args(&node) }).unwrap();
    assert_eq!(output.document, json!({ "status": "transferred", "leader": 2, "name": "node1", "asked": 5 }));
    assert!(output.text.contains("member 2 (node1) leads") && output.text.ends_with("lead: 5"), "{}", output.text);
    assert_eq!(node.asked(), ["GET /v1/cluster", "POST /v1/cluster/leader"]);
    assert_eq!(node.requests.lock().unwrap()[1].body, json!({ "member": 2 }));
}

#[test]
fn a_node_that_counts_no_partitions_is_fine() {
    let node = serving(cluster(0), Reply::Answer(200, json!({ "leader": 3 })));
    let output = run(&TransferArgs { member: "3".to_owned(), node: args(&node) }).unwrap();
    assert!(output.document["asked"].is_null() && output.text.ends_with("the cluster"), "{}", output.text);
}

#[test]
fn whoever_asks_a_member_that_does_not_lead_is_told_what_the_leader_says() {
    let mut document = cluster(0);
    document["leader"] = 3.into();
    let node = serving(document, problem(409, "refused"));
    let refused = run(&TransferArgs { member: "2".to_owned(), node: args(&node) }).unwrap_err().to_string();
    assert!(refused.contains("it is refused"), "{refused}");
}

#[test]
fn a_lost_answer_leaves_it_open_and_a_refusal_does_not() {
    let fail = |reply| {
        let node = serving(cluster(0), reply);
        run(&TransferArgs { member: "2".to_owned(), node: args(&node) }).unwrap_err().to_string()
    };
    assert!(fail(Reply::Hang).contains("may have changed or not"));
    let refused = fail(problem(409, "learner"));
    assert!(refused.contains("it is learner") && !refused.contains("or not"), "{refused}");
}
