use super::super::testkit::{FakeNode, Reply, TOKEN, args, client, cluster, problem, serving};
use super::*;

#[test]
fn every_call_goes_under_the_token() {
    let node = serving(cluster(1), Reply::Answer(200, json!({ "removed": 2, "leader": 3, "asked": 4 })));
    let client = client(&node);
    client.status().unwrap();
    client.remove(2, false).unwrap();
    client.transfer(3).unwrap();
    assert_eq!(client.rebalance().unwrap(), 4);
    let asked =
        ["GET /v1/cluster", "DELETE /v1/cluster/members/2", "POST /v1/cluster/leader", "POST /v1/cluster/rebalance"];
    assert_eq!(node.asked(), asked);
    let requests = node.requests.lock().unwrap();
    assert!(requests.iter().all(|request| request.authorization == format!("Bearer {TOKEN}")));
    assert_eq!((&requests[2].body, &requests[3].body), (&json!({ "member": 3 }), &json!({})));
}

#[test]
fn one_member_is_asked() {
    let several = ClusterNodeArgs { node: Some("http://a:1,http://b:1".to_owned()), token_file: None };
    let failure = several.connect().unwrap_err();
    assert_eq!(failure.code(), 2);
    assert!(failure.to_string().contains("one member"), "{failure}");
}

#[test]
fn what_is_no_cluster_is_refused() {
    let (mut twice, mut role) = (cluster(0), cluster(0));
    twice["members"][1]["member"] = 1.into();
    role["members"][0]["role"] = "\u{1b}[2J".into();
    for (answer, why) in [
        (json!([]), "not understood"),
        (json!({ "logs": [] }), "not understood"),
        (role, "not understood"),
        (twice, "contradicts itself"),
    ] {
        let node = FakeNode::start(move |_| Reply::Answer(200, answer.clone()));
        let client = client(&node);
        let failure = client.failure(client.status().unwrap_err());
        assert!(failure.to_string().contains(why) && !failure.to_string().contains('\u{1b}'), "{failure}");
        assert!(failure.report().next.as_ref().unwrap().contains("--node URL"));
    }
}

#[test]
fn an_answer_for_another_member_leaves_it_open() {
    let node = serving(cluster(0), Reply::Answer(200, json!({ "removed": 3, "leader": "2" })));
    let client = client(&node);
    for fault in
        [client.remove(2, false).unwrap_err(), client.transfer(2).unwrap_err(), client.rebalance().unwrap_err()]
    {
        let failure = client.failure_of_change(fault, "it may be done or not");
        assert!(failure.to_string().contains("it may be done or not"), "{failure}");
        assert!(failure.report().next.as_ref().unwrap().starts_with("pyralog cluster status --node http://"));
    }
}

#[test]
fn a_refusal_keeps_the_remedy_of_the_node() {
    let node = serving(cluster(0), problem(409, "last_voter"));
    let client = client(&node);
    let failure = client.failure_of_change(client.remove(2, false).unwrap_err(), "open");
    assert!(failure.to_string().contains("it is last_voter") && !failure.to_string().contains("open"), "{failure}");
    assert_eq!(failure.report().next.as_deref(), Some("do this"));
}

#[test]
fn without_a_majority_nothing_was_done() {
    for (code, open) in [("no_leader", false), ("not_started", false), ("uncertain", true), ("unavailable", true)] {
        let node = serving(cluster(0), problem(503, code));
        let client = client(&node);
        let failure = client.failure_of_change(client.remove(2, false).unwrap_err(), "it may be done or not");
        assert_eq!(failure.to_string().contains("it may be done or not"), open, "{failure}");
        let next = failure.report().next.clone().unwrap();
        assert_eq!(next.contains("a majority of the voters is up"), !open, "{next}");
    }
}

#[test]
fn a_node_without_clusters_and_an_unknown_member_are_told_apart() {
    for (code, next) in [("not_found", "version of this program"), ("no_such_member", "pyralog cluster status")] {
        let node = FakeNode::start(move |_| problem(404, code));
        let client = args(&node).connect().unwrap();
        let failure = client.failure(client.remove(9, false).unwrap_err());
        assert!(failure.report().next.as_ref().unwrap().contains(next), "{failure:?}");
    }
}

#[test]
fn a_token_that_is_not_taken_names_the_file() {
    let node = FakeNode::start(|_| problem(401, "unauthorized"));
    let client = client(&node);
    let failure = client.failure(client.status().unwrap_err());
    assert!(failure.to_string().contains("does not take the admin token in"), "{failure}");
    assert!(!format!("{failure:?}").contains(TOKEN));
}

#[test]
fn a_refusal_of_the_cluster_leads_to_its_status() {
    let node = serving(cluster(0), problem(409, "refused"));
    let client = client(&node);
    let failure = client.failure(client.remove(2, false).unwrap_err());
    assert!(failure.report().next.as_ref().unwrap().starts_with("pyralog cluster status --node"), "{failure:?}");
}
