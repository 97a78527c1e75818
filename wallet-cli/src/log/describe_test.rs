use super::super::testkit::{FakeNode, Reply, log, problem};
use super::*;

fn describe(reply: Reply) -> Result<Output> {
    let node = FakeNode::start(move |_| reply.clone());
    run(&DescribeArgs { name: "orders".to_owned(), node: node.args() })
}

#[test]
fn a_log_is_shown_with_each_partition() {
    let mut document = log("orders", &[(3, 18), (0, 0)]);
    document["retention"] = serde_json::json!({ "max_age_ms": "604800000", "max_bytes": "10737418240" });
    document["partitions"][0]["min_time"] = "1732700000000".into();
    let output = describe(Reply::Answer(200, document.clone())).unwrap();
    assert_eq!(output.document, document);
    assert!(
        output.text.contains("storage  disk, segments of 64 MiB\nkept     7d, 10 GiB a partition\n"),
        "{}",
        output.text
    );
    let rows: Vec<Vec<&str>> = output.text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[7], ["0", "3", "18", "15", "1", "KiB", "1", "2024-11-27T09:33:20.000Z", "-"]);
    assert_eq!(rows[8], ["1", "0", "0", "0", "1", "KiB", "1", "-", "-"]);
}

#[test]
fn a_log_that_is_not_there_names_the_commands_that_make_and_list() {
    let failure = describe(problem(404, "no_such_log")).unwrap_err();
    assert_eq!(failure.code(), 1);
    assert!(failure.to_string().contains("has no log orders"), "{failure}");
    let next = failure.report().next.clone().unwrap();
    assert!(next.contains("pyralog log create orders --node") && next.contains("pyralog log list"), "{next}");
    let older = describe(problem(404, "not_found")).unwrap_err();
    assert!(older.report().next.as_ref().unwrap().contains("serves record logs"), "{older}");
}

#[test]
fn nobody_is_told_to_make_a_log_whose_name_is_the_clusters_own() {
    let node = FakeNode::start(|_| problem(404, "no_such_log"));
    for name in ["pyralog.orders", "PYRALOG.orders", "pyralog"] {
        let failure = run(&DescribeArgs { name: name.to_owned(), node: node.args() }).unwrap_err();
        assert!(failure.to_string().contains("names that begin with pyralog. are the cluster's own"), "{failure}");
        let next = failure.report().next.clone().unwrap();
        assert!(!next.contains("create") && next.contains("pyralog log list"), "{next}");
    }
}

/// The log `orders` of a cluster that has two members, of which the answering one stores all partitions but the last.
fn of_two_members() -> serde_json::Value {
    let mut document = log("orders", &[(3, 18), (0, 0)]);
    document["partitions"][1] =
        serde_json::json!({ "partition": 1, "error": "this member stores nothing", "absent": true });
    for partition in document["partitions"].as_array_mut().unwrap() {
        partition["members"] = serde_json::json!([1, 2]);
        (partition["replication"], partition["copies"]) = (2.into(), 2.into());
    }
    document["copysets"] = "partition".into();
    for (field, number) in [("nodeset", 3), ("replication", 3), ("copies", 2)] {
        document[field] = number.into();
    }
    document
}

#[test]
fn the_numbers_that_hold_stand_beside_those_that_were_asked_for() {
    let plain = |document: &serde_json::Value| {
        let output = describe(Reply::Answer(200, document.clone())).unwrap();
        assert_eq!(&output.document, document);
        anstream::adapter::strip_str(&output.text).to_string()
    };
    let mut document = of_two_members();
    let text = plain(&document);
    let now = "copies   3; acknowledged with 2\nnow      2 of 3 replicas on 2 members, acknowledged with 2, until there are more members\n";
    assert!(text.contains(now), "{text}");
    for partition in document["partitions"].as_array_mut().unwrap() {
        partition["members"] = serde_json::json!([1, 2, 3]);
        partition["replication"] = 3.into();
    }
    let text = plain(&document);
    assert!(text.contains("copies   3; acknowledged with 2\nkept"), "{text}");
}

#[test]
fn what_other_members_store_is_no_damage() {
    let output = describe(Reply::Answer(200, of_two_members())).unwrap();
    assert_eq!(output.failure, None);
    let end = "\n1 of 2 partitions is not stored by this member, and what is in it is not known here: pyralog cluster status shows who stores it";
    assert!(output.text.ends_with(end), "{}", output.text);
}

#[test]
fn a_damaged_partition_is_said_beside_the_others_and_ends_with_1() {
    let mut document = log("orders", &[(3, 18), (0, 0), (0, 4)]);
    document["partitions"][1] = serde_json::json!({ "partition": 1, "error": "0.seg is damaged\u{1b}[2J" });
    let output = describe(Reply::Answer(200, document.clone())).unwrap();
    assert_eq!(output.document, document);
    let failure = output.failure.unwrap();
    assert_eq!((failure.code(), failure.to_string().contains("1 of 3")), (1, true), "{failure}");
    let rows: Vec<Vec<&str>> = output.text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((rows[7][3], &rows[8], rows[9][3]), ("15", &vec!["1", "-", "-", "-", "-", "-", "-", "-"], "4"));
    assert!(output.text.contains("0.seg is damaged\\u{1b}[2J"), "{}", output.text);
}
