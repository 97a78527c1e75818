use serde_json::json;

use super::super::cursor::At;
use super::super::testkit::{FakeNode, INCARNATION, Reply, TOKEN, log, problem, served};
use super::*;
use crate::admin::may_be_done;

fn describe(reply: Reply) -> Failure {
    FakeNode::start(move |_| reply.clone()).client().describe("orders").unwrap_err()
}

#[test]
fn every_call_goes_under_the_token() {
    let node = FakeNode::start(|_| Reply::Answer(200, json!({ "logs": [] })));
    let client = node.client();
    client.list().unwrap();
    let _ = client.ask("a");
    let _ = client.create("a", &json!({}));
    let _ = client.delete("a");
    let _ = client.append("a", (Some(3), Ack::Durable), b"{}", 0);
    let _ = client.append("a", (Some(3), Ack::Cached), b"{}", 0);
    let _ = client.append("a", (None, Ack::Replicated), b"{}", 0);
    let asked = node.asked();
    let paths = [
        "GET /v1/cluster/logs",
        "GET /v1/cluster/logs/a",
        "POST /v1/cluster/logs",
        "DELETE /v1/cluster/logs/a",
        "POST /v1/cluster/logs/a/records?partition=3",
        "POST /v1/cluster/logs/a/records?partition=3&ack=cached",
        "POST /v1/cluster/logs/a/records?ack=replicated",
    ];
    assert_eq!(asked, paths);
    let bearer = format!("Bearer {TOKEN}");
    assert!(node.requests.lock().unwrap().iter().all(|request| request.authorization == bearer));
}

#[test]
fn a_token_that_the_node_made_anew_is_read_again() {
    let node = FakeNode::start(|request| match request.authorization.as_str() {
        "Bearer new" => Reply::Answer(200, log("orders", &[(0, 1)])),
        _ => problem(401, "unauthorized"),
    });
    let client = node.client();
    let failure = client.describe("orders").unwrap_err();
    assert_eq!(node.asked().len(), 1, "the same token is not tried twice");
    let text = format!("{failure} {:?} {client:?}", failure.report().next);
    assert!(text.contains("admin.token") && text.contains("--token-file") && !text.contains(TOKEN), "{text}");
    std::fs::write(node.dir.path().join("admin.token"), "new\n").unwrap();
    assert_eq!(client.describe("orders").unwrap().name, "orders");
}

#[test]
fn one_node_holds_a_log() {
    let named = LogNodeArgs { node: Some("http://a:1,http://b:1".to_owned()), token_file: None };
    let failure = named.connect().unwrap_err();
    assert_eq!(failure.code(), 2);
    assert!(failure.to_string().contains("in one node"), "{failure}");
    let bad = LogNodeArgs { node: Some("a:1".to_owned()), token_file: None };
    assert_eq!(bad.connect().unwrap_err().code(), 2);
}

#[test]
fn descriptions_that_contradict_themselves_are_refused() {
    let mut disorder = log("orders", &[(0, 1), (0, 1)]);
    disorder["partitions"][1]["partition"] = 0.into();
    let mut hostile = log("orders", &[(0, 1)]);
    hostile["name"] = "\u{1b}[2J".into();
    for (answer, why) in [
        (json!([]), "not understood"),
        (json!("\u{1b}[2J"), "not understood"),
        (json!({ "name": "orders" }), "not understood"),
        (log("other", &[(0, 1)]), "answers for the log other"),
        (log("orders", &[]), "contradicts itself"),
        (log("orders", &[(2, 1)]), "contradicts itself"),
        (disorder, "contradicts itself"),
        (hostile, "none can be called"),
    ] {
        let failure = describe(Reply::Answer(200, answer));
        assert_eq!(failure.code(), 1);
        assert!(failure.to_string().contains(why), "{failure}");
        assert!(!failure.to_string().contains('\u{1b}'));
    }
}

#[test]
fn an_answer_without_an_end_is_given_up() {
    let mut huge = b"HTTP/1.1 200 X\r\ncontent-length: 40000000\r\n\r\n\"".to_vec();
    huge.resize(40_000_000, b'a');
    let failure = describe(Reply::Raw(huge));
    assert!(failure.to_string().contains("larger than"), "{failure}");
    let chunked = "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    assert_eq!(describe(Reply::Raw(chunked.into())).code(), 1);
    assert_eq!(describe(Reply::Raw(vec![b'x'; 100_000])).code(), 1);
}

#[test]
fn a_page_that_leads_nowhere_is_refused_and_the_cursor_stays() {
    let node = FakeNode::start(|_| served(0, &[], 5, 9));
    let mut cursor = Cursor::new(0, At::Offset(5));
    let ask = Ask { incarnation: INCARNATION, limit: 10, wait: Duration::ZERO, proof: false };
    let fault = node.client().page("orders", &mut cursor, ask).unwrap_err();
    assert!(matches!(&fault, NodeFault::Nonsense(why) if why.contains("gives none from 5 on")), "{fault:?}");
    assert_eq!(cursor.at, At::Offset(5));
    assert_eq!(node.asked(), ["GET /v1/cluster/logs/orders/records?partition=0&from=5&limit=10&incarnation=7"]);
}

#[test]
fn a_page_of_another_incarnation_is_refused() {
    let node = FakeNode::start(|_| served(0, &[5], 6, 9));
    let mut cursor = Cursor::new(0, At::Offset(5));
    let ask = Ask { incarnation: INCARNATION + 1, limit: 10, wait: Duration::ZERO, proof: false };
    let fault = node.client().page("orders", &mut cursor, ask).unwrap_err();
    assert!(
        matches!(&fault, NodeFault::Nonsense(why) if why.contains("incarnation 7 of orders instead of 8")),
        "{fault:?}"
    );
    assert_eq!(cursor.at, At::Offset(5));
}

#[test]
fn only_what_says_that_nothing_was_done_is_certain() {
    let fault = |reply: Reply| {
        let node = FakeNode::start(move |_| reply.clone());
        node.client().append("orders", (None, Ack::Durable), b"{}", 1).unwrap_err()
    };
    for (reply, open) in [
        (Reply::Hang, true),
        (Reply::Raw(b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\n{".to_vec()), true),
        (Reply::Answer(200, json!({ "records": [] })), true),
        (problem(500, "internal"), true),
        (problem(503, "timeout"), true),
        (problem(503, "busy"), false),
        (problem(503, "not_started"), false),
        (problem(503, "no_leader"), false),
        (problem(429, "rate_limited"), false),
        (problem(413, "record_too_large"), false),
        (problem(507, "disk_full"), true),
        (problem(500, "partly_appended"), true),
        (problem(404, "no_such_log"), false),
    ] {
        let fault = fault(reply);
        assert_eq!(may_be_done(&fault), open, "{fault:?}");
    }
    assert!(!may_be_done(&NodeFault::Unreachable("connection refused".to_owned())));
}

#[test]
fn a_full_disk_keeps_the_remedy_of_the_node() {
    let failure = describe(problem(507, "disk_full"));
    assert_eq!(failure.report().next.as_deref(), Some("do this"), "{failure}");
}
