use super::super::LogCommand;
use super::super::testkit::{FakeNode, Reply, log, parse, problem};
use super::*;

fn args(words: &[&str]) -> CreateArgs {
    match parse(&[&["create"], words].concat()).unwrap() {
        LogCommand::Create(args) => args,
        other => panic!("another command: {other:?}"),
    }
}

#[test]
fn flags_become_the_document_that_makes_a_log() {
    let plain = json!({
        "name": "orders", "partitions": 1, "storage": "disk", "retention": { "max_age_ms": null, "max_bytes": null },
    });
    assert_eq!(request(&args(&["orders"])).unwrap(), plain);
    let line = "a.b_c-1 --partitions 12 --memory --keep-for 7d --keep-bytes 10GiB --segment-bytes 64MiB";
    let full = json!({
        "name": "a.b_c-1", "partitions": 12, "storage": "memory", "segment_bytes": "67108864",
        "retention": { "max_age_ms": "604800000", "max_bytes": "10737418240" },
    });
    assert_eq!(request(&args(&line.split(' ').collect::<Vec<_>>())).unwrap(), full);
}

#[test]
fn what_no_log_can_be_is_a_usage_error() {
    let long = "x".repeat(65);
    for words in [
        vec![],
        vec![""],
        vec!["a/b"],
        vec!["a b"],
        vec!["ä"],
        vec![long.as_str()],
        vec!["a", "--partitions", "0"],
        vec!["a", "--partitions", "4097"],
        vec!["a", "--partitions", "4294967296"],
        vec!["a", "--nodeset", "0"],
        vec!["a", "--nodeset", "8"],
        vec!["a", "--replication", "255"],
        vec!["a", "--copies", "0"],
        vec!["a", "--copies", "2", "--memory"],
        vec!["a", "--may-lose-acknowledged"],
        vec!["a", "--keep-for", "7 weeks"],
        vec!["a", "--keep-bytes", "10G"],
        vec!["a", "--segment-bytes", "-1"],
    ] {
        let error = parse(&[&["create"], words.as_slice()].concat()).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{words:?}");
    }
}

#[test]
fn what_the_node_refuses_is_said_with_the_names_of_the_flags() {
    let message = "segment_bytes is 5; limit them with max_bytes or max_age_ms";
    let body = json!({ "error": { "code": "bad_request", "message": message, "remedy": "give less" } });
    let node = FakeNode::start(move |_| Reply::Answer(400, body.clone()));
    let error = run(&CreateArgs { node: node.args(), ..args(&["orders"]) }).unwrap_err().to_string();
    assert!(error.contains("--segment-bytes is 5; limit them with --keep-bytes or --keep-for"), "{error}");
}

#[test]
fn what_may_be_lost_is_asked_for_by_name() {
    use clap::CommandFactory;
    #[derive(clap::Parser)]
    struct Create {
        #[command(flatten)]
        args: CreateArgs,
    }
    let help = Create::command().render_long_help().to_string();
    assert!(help.contains("With --copies, in a cluster: take half"), "{help}");
    let asked = |words: &[&str]| request(&args(words)).unwrap()["may_lose_acknowledged"].clone();
    assert_eq!(asked(&["orders", "--replication", "4", "--copies", "2"]), Value::Null);
    assert_eq!(asked(&["orders", "--replication", "4", "--copies", "2", "--may-lose-acknowledged"]), true);
}

#[test]
fn a_log_that_was_made_is_shown() {
    let node = FakeNode::start(|_| Reply::Answer(201, log("orders", &[(0, 0), (0, 0)])));
    let output = run(&CreateArgs { node: node.args(), ..args(&["orders", "--partitions", "2"]) }).unwrap();
    assert_eq!(output.document, log("orders", &[(0, 0), (0, 0)]));
    assert!(output.text.contains("created") && output.text.contains("orders"), "{}", output.text);
    assert_eq!(node.asked(), ["POST /v1/cluster/logs"]);
    assert_eq!(node.requests.lock().unwrap()[0].body["partitions"], 2);
}

#[test]
fn a_log_that_other_members_store_is_made_all_the_same() {
    let mut made = log("orders", &[(0, 0)]);
    made["partitions"][0] = json!({ "partition": 0, "error": "this member stores nothing", "absent": true });
    let node = FakeNode::start(move |_| Reply::Answer(201, made.clone()));
    let output = run(&CreateArgs { node: node.args(), ..args(&["orders"]) }).unwrap();
    assert!(output.text.contains("created") && output.failure.is_none(), "{}", output.text);
    assert!(!output.text.contains("stores nothing"), "{}", output.text);
    let said = "the partition is not stored by this member, and what is in it is not known here";
    assert!(output.text.contains(said), "{}", output.text);
}

#[test]
fn a_log_that_exists_and_an_answer_that_is_lost_are_told_apart() {
    let made = |reply: Reply| {
        let node = FakeNode::start(move |_| reply.clone());
        run(&CreateArgs { node: node.args(), ..args(&["orders"]) }).unwrap_err()
    };
    let exists = made(problem(409, "log_exists"));
    assert!(!exists.to_string().contains("may have been"), "{exists}");
    assert!(exists.report().next.as_ref().unwrap().starts_with("pyralog log describe orders --node http://"));
    for reply in [Reply::Hang, Reply::Answer(201, json!({})), problem(503, "timeout")] {
        let lost = made(reply);
        assert_eq!(lost.code(), 1);
        assert!(lost.to_string().contains("may have been made or not"), "{lost}");
        assert!(lost.report().next.as_ref().unwrap().starts_with("pyralog log list"));
    }
    for reply in [problem(503, "busy"), problem(400, "bad_request")] {
        assert!(!made(reply).to_string().contains("may have been"));
    }
}
