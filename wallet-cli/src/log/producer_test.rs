use super::super::LogCommand;
use super::super::testkit::{FakeNode, Reply, parse, problem};
use super::*;

fn args(words: &[&str]) -> ProducerArgs {
    match parse(&[&["producer", "orders"], words].concat()).unwrap() {
        LogCommand::Producer(args) => args,
        other => panic!("another command: {other:?}"),
    }
}

#[test]
fn it_prints_the_id_alone() {
    let id = "00000000000000010000000000000007";
    let node = FakeNode::start(move |request| {
        Reply::Answer(201, json!({ "producer": id, "partition": request.body["partition"] }))
    });
    let output = open(&args(&["--partition", "3"]), &node.client()).unwrap();
    assert_eq!(output.text, id);
    let document = json!({ "status": "opened", "log": "orders", "partition": 3, "producer": id });
    assert_eq!(output.document, document);
    assert_eq!(node.asked(), ["POST /v1/cluster/logs/orders/producers"]);
    open(&args(&[]), &node.client()).unwrap();
}

#[test]
fn what_is_no_producer_is_not_printed() {
    for answer in [
        json!({}),
        json!({ "producer": "\u{1b}", "partition": 0 }),
        json!({ "producer": "00".repeat(16), "partition": 1 }),
    ] {
        let node = FakeNode::start(move |_| Reply::Answer(201, answer.clone()));
        let failure = open(&args(&[]), &node.client()).unwrap_err();
        assert!(failure.code() == 1 && !failure.to_string().contains('\u{1b}'), "{failure}");
    }
    let node = FakeNode::start(|_| problem(409, "no_producers"));
    assert_eq!(open(&args(&[]), &node.client()).unwrap_err().code(), 1);
}
