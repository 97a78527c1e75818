use super::super::testkit::{FakeNode, Reply, log};
use super::*;

#[test]
fn logs_are_listed_by_name_with_their_sums() {
    let logs = json!({ "logs": [log("b", &[(0, u64::MAX), (0, 7)]), log("a", &[(3, 18)])] });
    let node = FakeNode::start(move |_| Reply::Answer(200, logs.clone()));
    let output = run(&ListArgs { node: node.args() }).unwrap();
    assert_eq!(output.document, json!({ "logs": [log("a", &[(3, 18)]), log("b", &[(0, u64::MAX), (0, 7)])] }));
    let lines: Vec<Vec<&str>> = output.text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "PARTITIONS", "RECORDS", "BYTES", "STORAGE", "KEPT"]);
    assert_eq!(lines[1], ["a", "1", "15", "1", "KiB", "disk", "all"]);
    assert_eq!(lines[2], ["b", "2", "18446744073709551615", "2", "KiB", "disk", "all"]);
}

#[test]
fn a_node_without_logs_is_no_error() {
    let node = FakeNode::start(|_| Reply::Answer(200, json!({ "logs": [] })));
    let output = run(&ListArgs { node: node.args() }).unwrap();
    assert_eq!((output.document, output.text.as_str()), (json!({ "logs": [] }), ""));
}

#[test]
fn of_a_log_that_other_members_store_no_sum_is_known() {
    let mut absent = log("a", &[(0, 0)]);
    absent["partitions"][0] = json!({ "partition": 0, "error": "it is not here", "absent": true });
    let logs = json!({ "logs": [absent] });
    let served = logs.clone();
    let node = FakeNode::start(move |_| Reply::Answer(200, served.clone()));
    let output = run(&ListArgs { node: node.args() }).unwrap();
    assert_eq!(output.document, logs);
    let lines: Vec<Vec<&str>> = output.text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1], ["a", "1", "-", "-", "disk", "all"]);
}

#[test]
fn a_damaged_partition_hides_no_log() {
    let mut damaged = log("a", &[(3, 18), (0, 0)]);
    damaged["partitions"][1] = json!({ "partition": 1, "error": "it is damaged" });
    let logs = json!({ "logs": [damaged, log("b", &[(0, 1)])] });
    let (node, served) = (logs.clone(), logs);
    let node = FakeNode::start(move |_| Reply::Answer(200, node.clone()));
    let output = run(&ListArgs { node: node.args() }).unwrap();
    assert_eq!((output.document, output.text.lines().count()), (served, 3));
}
