use super::super::testkit::{FakeNode, Reply, client, cluster, problem};
use super::*;

fn find(reply: Reply, word: &str) -> Result<Chosen> {
    let node = FakeNode::start(move |_| reply.clone());
    Chosen::find(&client(&node), word)
}

#[test]
fn a_member_is_named_by_number_or_name() {
    let mut named = cluster(0);
    named["members"][2]["name"] = "1".into();
    for (word, id) in [("2", 2), ("node1", 2), ("node0", 1), ("1", 1)] {
        assert_eq!(find(Reply::Answer(200, named.clone()), word).unwrap().id, id, "{word}");
    }
    let chosen = find(Reply::Answer(200, cluster(0)), "3").unwrap();
    assert_eq!(chosen.called(), "member 3 (node2)");
}

#[test]
fn who_is_nobody_or_several_is_refused() {
    let failure = find(Reply::Answer(200, cluster(0)), "node7").unwrap_err();
    assert!(failure.to_string().contains("member 1 (node0), member 2 (node1), member 3 (node2)"), "{failure}");
    assert!(failure.report().next.as_ref().unwrap().starts_with("pyralog cluster status"));
    assert!(find(Reply::Answer(200, cluster(0)), "9").is_err());
    assert!(find(Reply::Answer(200, cluster(0)), "").is_err());
    let mut twins = cluster(0);
    twins["members"][1]["name"] = "node0".into();
    let failure = find(Reply::Answer(200, twins), "node0").unwrap_err();
    assert!(failure.code() == 2 && failure.to_string().contains("by its number"), "{failure}");
}

#[test]
fn where_the_cluster_cannot_be_described_the_number_is_enough() {
    let chosen = find(problem(503, "no_leader"), "2").unwrap();
    assert_eq!((chosen.id, chosen.called().as_str()), (2, "member 2"));
    assert!(find(problem(503, "no_leader"), "node1").is_err());
    assert!(find(problem(404, "not_found"), "2").is_err());
}
