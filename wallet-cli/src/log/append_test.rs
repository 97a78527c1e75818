use std::io::Cursor;
use std::sync::{Arc, Mutex, mpsc};

use serde_json::{Value, json};

use super::super::LogCommand;
use super::super::testkit::{FakeNode, Reply, Request, parse, problem};
use super::*;

/// A node that gives the records of a request the next offsets of partition 0, from 17 on.
fn node() -> FakeNode {
    refusing(|_, _| None)
}

/// The same, but for the requests of which `refuse` says otherwise, by their number and how many records they have.
fn refusing(refuse: impl Fn(usize, usize) -> Option<Reply> + Send + Sync + 'static) -> FakeNode {
    let state = Mutex::new((0, 17));
    FakeNode::start(move |request: &Request| {
        let mut state = state.lock().unwrap();
        let count = request.body["records"].as_array().unwrap().len();
        state.0 += 1;
        if let Some(reply) = refuse(state.0, count) {
            return reply;
        }
        let first = state.1;
        state.1 += count as u64;
        let places = (first..state.1).map(|offset| json!({ "partition": 0, "offset": offset.to_string() }));
        Reply::Answer(200, json!({ "records": places.collect::<Vec<_>>() }))
    })
}

fn args(words: &[&str]) -> AppendArgs {
    match parse(&[&["append", "orders"], words].concat()).unwrap() {
        LogCommand::Append(args) => args,
        other => panic!("another command: {other:?}"),
    }
}

fn ran(node: &FakeNode, words: &[&str], input: impl Read + Send + 'static) -> Result<Output> {
    let (client, args) = (node.client(), args(words));
    let mut appender = Appender::new(&client, &args.name, (args.partition, args.ack), true).with_stamp(args.stamp());
    let outcome = append(&args, &mut appender, input);
    appender.output(outcome)
}

fn fed(node: &FakeNode, words: &[&str], input: &[u8]) -> Result<Output> {
    ran(node, words, Cursor::new(input.to_vec()))
}

/// The records of all requests.
fn sent(node: &FakeNode) -> Vec<Value> {
    node.requests.lock().unwrap().iter().flat_map(|r| r.body["records"].as_array().unwrap().clone()).collect()
}

fn values(node: &FakeNode) -> Vec<String> {
    let text = |record: &Value| String::from_utf8(hex::decode(record["value"].as_str().unwrap()).unwrap()).unwrap();
    sent(node).iter().map(text).collect()
}

/// How many records each request has.
fn batches(node: &FakeNode) -> Vec<usize> {
    node.requests.lock().unwrap().iter().map(|request| request.body["records"].as_array().unwrap().len()).collect()
}

fn numbered(count: usize) -> Vec<u8> {
    (1..=count).map(|number| format!("{number}\n")).collect::<String>().into_bytes()
}

#[test]
fn one_value_is_sent_with_all_that_the_flags_say() {
    let node = node();
    let time = "2024-11-27T09:33:20Z";
    let words = ["-5", "--key", "k", "--header", "b=2=3", "--header", "a=", "--timestamp", time, "--partition", "0"];
    let output = fed(&node, &words, b"").unwrap();
    let record = json!({
        "timestamp": "1732700000000", "key": "6b", "value": "2d35",
        "headers": [{ "name": "b", "value": "323d33" }, { "name": "a", "value": "" }],
    });
    assert_eq!(sent(&node), [record]);
    assert_eq!(node.asked(), ["POST /v1/cluster/logs/orders/records?partition=0"]);
    assert_eq!(output.text, "0 17");
    let placements = json!([{ "partition": 0, "first": "17", "last": "17", "count": 1 }]);
    let document = json!({ "status": "appended", "log": "orders", "count": 1, "placements": placements });
    assert_eq!((output.document, output.failure), (document, None));
    fed(&node, &["x", "--key-hex", "00FF"], b"").unwrap();
    assert_eq!(sent(&node)[1]["key"], "00ff");
    assert_eq!(sent(&node)[1]["headers"], json!([]));
    let now: u64 = sent(&node)[1]["timestamp"].as_str().unwrap().parse().unwrap();
    assert!(now > 1_732_700_000_000, "this machine's clock");
}

#[test]
fn standard_input_is_one_record_and_each_file_is_one() {
    let (node, dir) = (node(), tempfile::tempdir().unwrap());
    fed(&node, &[], b"all\nof it\n").unwrap();
    fed(&node, &[], b"").unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    std::fs::write(&a, "A\n").unwrap();
    std::fs::write(&b, "").unwrap();
    let output = fed(&node, &["--file", a.to_str().unwrap(), "-", b.to_str().unwrap()], b"in").unwrap();
    assert_eq!(values(&node), ["all\nof it\n", "", "A\n", "in", ""]);
    assert_eq!(output.text, "0 19\n0 20\n0 21");
}

#[test]
fn nothing_is_sent_where_a_file_or_a_record_cannot_be_appended() {
    let (node, dir) = (node(), tempfile::tempdir().unwrap());
    let (good, large) = (dir.path().join("good"), dir.path().join("large"));
    std::fs::write(&good, "x").unwrap();
    std::fs::write(&large, vec![0; MAX_RECORD_BYTES + 1]).unwrap();
    let (good, large) = (good.to_str().unwrap(), large.to_str().unwrap());
    for (words, code, why) in [
        (vec!["--file", good, large], 1, "larger than a record may be"),
        (vec!["--file", good, "/no/such/file"], 1, "/no/such/file"),
        (vec!["--file", good, dir.path().to_str().unwrap()], 1, "no regular file"),
        (vec!["--file", "-", "-"], 2, "only once"),
    ] {
        let failure = fed(&node, &words, b"").unwrap_err();
        assert_eq!(failure.code(), code, "{failure}");
        assert!(failure.to_string().contains(why), "{failure}");
    }
    // The frame of a record takes bytes too.
    for input in [vec![0; MAX_RECORD_BYTES], vec![0; MAX_RECORD_BYTES + 1]] {
        let failure = fed(&node, &[], &input).unwrap_err();
        assert!(failure.to_string().contains("standard input"), "{failure}");
    }
    let long = format!("{}=x", "n".repeat(256));
    assert_eq!(fed(&node, &["x", "--header", &long], b"").unwrap_err().code(), 2);
    assert_eq!(node.asked().len(), 0);
}

#[test]
fn lines_go_in_batches_and_all_places_come_back() {
    let node = node();
    let output = fed(&node, &["--lines"], &numbered(2_500)).unwrap();
    assert_eq!(batches(&node), [1_000, 1_000, 500]);
    assert_eq!(values(&node), (1..=2_500).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(output.text, "partition 0: offsets 17 to 2516, 2500 records");
    let placements = json!([{ "partition": 0, "first": "17", "last": "2516", "count": 2500 }]);
    assert_eq!(output.document["placements"], placements);
    let node = self::node();
    let large = vec![b'y'; 400_000];
    fed(&node, &["--lines"], &[large.as_slice(), b"\n", &large, b"\n", &large].concat()).unwrap();
    assert_eq!(batches(&node), [2, 1], "no request is larger than a node takes");
    assert_eq!(fed(&node, &["--lines"], b"").unwrap().document["count"], 0);
}

#[test]
fn what_is_before_the_separator_is_the_key() {
    let node = node();
    fed(&node, &["--lines", "--key-separator", "→"], "a→1→2\n→\nb→".as_bytes()).unwrap();
    let keys: Vec<Value> = sent(&node).iter().map(|record| record["key"].clone()).collect();
    assert_eq!(keys, ["61", "", "62"]);
    assert_eq!(values(&node), ["1→2", "", ""]);
    let output = fed(&node, &["--lines", "--key-separator", ":"], b"a:1\nb:2\nc\nd:4\n").unwrap();
    let failure = output.failure.unwrap();
    let text = failure.to_string();
    assert!(
        text.contains("line 3") && text.contains("':'") && text.contains("2 records are durable, the last at 0 21"),
        "{text}"
    );
    assert_eq!(values(&node)[3..], ["1", "2"]);
}

#[test]
fn a_line_over_the_limit_is_said_by_number_after_those_before_it_are_durable() {
    for excess in [0, 1, 5_000_000] {
        let node = node();
        let input = [b"a\nb\n".as_slice(), &vec![b'x'; MAX_RECORD_BYTES + excess], b"\nc\n"].concat();
        let output = fed(&node, &["--lines"], &input).unwrap();
        assert_eq!((output.text.as_str(), output.document["count"].as_u64()), ("0 17\n0 18", Some(2)));
        assert_eq!(output.document["status"], "error");
        let failure = output.failure.unwrap();
        assert_eq!(failure.code(), 1);
        let text = failure.to_string();
        assert!(
            text.contains("line 3 of standard input") && text.contains("2 records are durable, the last at 0 18"),
            "{text}"
        );
        assert_eq!(values(&node), ["a", "b"]);
    }
    let failure = fed(&node(), &["--lines"], &vec![b'x'; MAX_RECORD_BYTES + 1]).unwrap_err();
    assert!(failure.to_string().contains("no record is durable"), "{failure}");
}

#[test]
fn a_lost_answer_is_no_success_and_no_refusal() {
    let placed = |records: Value| Reply::Answer(200, json!({ "records": records }));
    for reply in [
        Reply::Hang,
        Reply::Raw(b"HTTP/1.1 200 X\r\ncontent-length: 5\r\n\r\nno".to_vec()),
        problem(500, "internal"),
        placed(json!([])),
        placed(json!("x")),
        placed(json!(vec![json!({ "partition": 0, "offset": "3" }); 1_000])),
    ] {
        let node = refusing(move |number, _| (number == 2).then(|| reply.clone()));
        let output = fed(&node, &["--lines"], &numbered(2_500)).unwrap();
        assert_eq!((batches(&node).len(), output.document["count"].as_u64()), (2, Some(1_000)), "nothing follows it");
        let failure = output.failure.unwrap();
        let text = failure.to_string();
        assert!(text.contains("may be appended or not: line 1001 to line 2000 (1000 records)"), "{text}");
        assert!(text.contains("1000 records are durable, the last at 0 1016"), "{text}");
        assert!(failure.report().next.as_ref().unwrap().contains("pyralog log describe orders"));
    }
}

#[test]
fn a_request_that_is_done_in_part_is_accounted_for_record_by_record() {
    let partly = |acknowledged: Value, unknown: Value| {
        let message = "2 of the 13 records are acknowledged, the others are not: it burns";
        let error =
            json!({ "code": "partly_appended", "message": message, "acknowledged": acknowledged, "unknown": unknown });
        let node = refusing(move |_, _| Some(Reply::Answer(500, json!({ "error": error }))));
        fed(&node, &["--lines"], &numbered(13))
    };
    let place = |record: usize, partition: u32, offset: &str| json!({ "record": record, "partition": partition, "offset": offset });
    let output = partly(json!([place(1, 3, "7"), place(4, 0, "5")]), json!([0, 12])).unwrap();
    assert_eq!(output.text, "3 7\n0 5");
    assert_eq!(output.document["unknown"], json!(["line 1", "line 13"]));
    assert_eq!(output.document["not_appended"].as_array().unwrap().len(), 9);
    let text = output.failure.unwrap().to_string();
    for part in ["it burns", "may be appended or not: line 1, line 13;", "line 11 and 1 more; 2 records are durable"] {
        assert!(text.contains(part), "{text}");
    }
    for bad in [
        partly(json!([place(13, 0, "1")]), json!([])),
        partly(json!([]), json!([13])),
        partly(json!([place(2, 0, "1"), place(1, 0, "2")]), json!([])),
        partly(json!([place(1, 0, "2"), place(2, 0, "1")]), json!([])),
        partly(json!("x"), json!([])),
    ] {
        let failure = bad.unwrap_err();
        assert!(failure.to_string().contains("may be appended or not: line 1 to line 13"), "{failure}");
    }
}

#[test]
fn a_refusal_says_that_nothing_was_appended() {
    let remedy = "free space there and start the node again; no record was taken";
    let full = json!({ "error": { "code": "disk_full", "message": "it is disk_full", "remedy": remedy } });
    for (reply, why) in [
        (problem(413, "record_too_large"), "it is record_too_large"),
        (problem(404, "no_such_log"), "no log orders"),
        (Reply::Answer(507, full), "it is disk_full"),
    ] {
        let node = refusing(move |number, _| (number == 2).then(|| reply.clone()));
        let failure = fed(&node, &["--lines"], &numbered(1_001)).unwrap().failure.unwrap();
        let text = failure.to_string();
        assert!(text.contains(why) && text.contains("not appended: line 1001; 1000 records are durable"), "{text}");
    }
    let closed = node();
    let dead = format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let client = LogNodeArgs { node: Some(dead), ..closed.args() }.connect().unwrap();
    let mut appender = Appender::new(&client, "orders", (None, Ack::Durable), true);
    let outcome = append(&args(&["x"]), &mut appender, std::io::empty());
    let failure = appender.output(outcome).unwrap_err();
    assert!(failure.to_string().contains("not appended: the record; no record is durable"), "{failure}");
}

#[test]
fn a_busy_node_is_asked_again_and_one_that_takes_less_gets_less() {
    let busy = refusing(|number, _| (number == 1).then(|| problem(503, "busy")));
    assert_eq!(fed(&busy, &["x"], b"").unwrap().text, "0 17");
    assert_eq!(values(&busy), ["x", "x"]);
    let small = refusing(|_, count| (count > 300).then(|| problem(413, "too_large")));
    let output = fed(&small, &["--lines"], &numbered(1_000)).unwrap();
    assert_eq!(batches(&small), [1_000, 500, 250, 250, 500, 250, 250]);
    assert_eq!(
        output.document["placements"],
        json!([{ "partition": 0, "first": "17", "last": "1016", "count": 1000 }])
    );
    let never = refusing(|_, _| Some(problem(413, "too_large")));
    let failure = fed(&never, &["--lines"], &numbered(3)).unwrap_err();
    assert!(failure.to_string().contains("not appended: line 1; no record"), "{failure}");
}

#[test]
fn a_slow_writer_does_not_wait_for_a_full_batch() {
    struct Slow(mpsc::Receiver<Vec<u8>>);
    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Ok(piece) = self.0.recv() else { return Ok(0) };
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }
    let node = Arc::new(node());
    let (sender, receiver) = mpsc::channel();
    let running = {
        let node = Arc::clone(&node);
        std::thread::spawn(move || ran(&node, &["--lines"], Slow(receiver)))
    };
    sender.send(b"one\ntw".to_vec()).unwrap();
    while node.asked().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(values(&node), ["one"]);
    sender.send(b"o\n".to_vec()).unwrap();
    drop(sender);
    assert_eq!(running.join().unwrap().unwrap().text, "0 17\n0 18");
}

#[test]
fn sources_and_keys_exclude_each_other() {
    for words in [
        &["append", "a", "x", "--lines"][..],
        &["append", "a", "x", "--file", "f"],
        &["append", "a", "--lines", "--file", "f"],
        &["append", "a", "x", "--key", "k", "--key-hex", "00"],
        &["append", "a", "--lines", "--key", "k", "--key-separator", ":"],
        &["append", "a", "x", "--key-separator", ":"],
        &["append", "a", "--lines", "--key-separator", "::"],
        &["append", "a", "x", "--key-hex", "0"],
        &["append", "a", "x", "--header", "name"],
        &["append", "a", "x", "--header", "=value"],
        &["append", "a", "x", "--timestamp", "now"],
        &["append", "a", "x", "--partition", "-1"],
        &["append"],
    ] {
        assert_eq!(parse(words).unwrap_err().exit_code(), 2, "{words:?}");
    }
}

#[test]
fn what_a_producer_appends_is_one_request_and_is_sent_again_until_it_is_answered() {
    let id = "0000000000000001000000000000000a";
    let words = ["--lines", "--producer", id, "--sequence", "7"];
    let node = refusing(|number, _| match number {
        1 => Some(problem(503, "unknown")),
        2 => Some(problem(503, "busy")),
        _ => None,
    });
    let output = fed(&node, &words, &numbered(1_000)).unwrap();
    assert_eq!(batches(&node), [1_000, 1_000, 1_000]);
    assert_eq!(output.text, "partition 0: offsets 17 to 1016, 1000 records");
    for request in node.requests.lock().unwrap().iter() {
        assert_eq!((&request.body["producer"], &request.body["sequence"]), (&json!(id), &json!("7")));
    }
    // More than one request, of which nothing is sent.
    let before = node.asked().len();
    let failure = fed(&node, &words, &numbered(1_001)).unwrap_err();
    assert!(failure.to_string().contains("more than one append of a producer"), "{failure}");
    assert_eq!(node.asked().len(), before);
    let gap = refusing(|_, _| Some(problem(409, "gap")));
    assert_eq!(fed(&gap, &words, b"x").unwrap_err().code(), 1);
    assert_eq!(gap.asked().len(), 1);
    for bad in [
        &["--producer", id][..],
        &["--sequence", "1"],
        &["--producer", id, "--sequence", "0"],
        &["--producer", "00", "--sequence", "1"],
    ] {
        assert!(parse(&[&["append", "orders", "x"], bad].concat()).is_err(), "{bad:?}");
    }
}

#[test]
fn what_is_acknowledged_early_has_no_offset_and_is_not_called_durable() {
    let early = FakeNode::start(|request: &Request| {
        let count = request.body["records"].as_array().unwrap().len();
        let place = json!({ "partition": 1, "offset": null, "ack": "cached", "epoch": "3", "number": "7" });
        Reply::Answer(200, json!({ "records": vec![place; count] }))
    });
    let output = fed(&early, &["x", "--ack", "cached"], b"").unwrap();
    assert_eq!(early.asked(), ["POST /v1/cluster/logs/orders/records?ack=cached"]);
    assert_eq!(output.text, "1 -");
    let placements = json!([{ "partition": 1, "first": null, "last": null, "count": 1 }]);
    let document =
        json!({ "status": "appended", "log": "orders", "count": 1, "ack": "cached", "placements": placements });
    assert_eq!((output.document, output.failure), (document, None));
    let long = [b"a\nb\n".as_slice(), &vec![b'x'; MAX_RECORD_BYTES + 1]].concat();
    let failure = fed(&early, &["--lines", "--ack", "replicated"], &long).unwrap().failure.unwrap();
    let text = failure.to_string();
    assert!(text.contains("2 records are acknowledged") && !text.contains("durable"), "{text}");
    // To whoever asked for what is durable it is no answer.
    for words in [&["x"][..], &["x", "--ack", "durable"]] {
        let failure = fed(&early, words, b"").unwrap_err();
        assert!(failure.to_string().contains("no offset"), "{failure}");
    }
    let producer = ["--producer", "0000000000000001000000000000000a", "--sequence", "7"];
    for bad in [&["--ack", "soon"][..], &["--ack"], &[&["--ack", "cached"], &producer[..]].concat()] {
        assert_eq!(parse(&[&["append", "orders", "x"], bad].concat()).unwrap_err().exit_code(), 2, "{bad:?}");
    }
}
