use super::super::LogCommand;
use super::super::testkit::{FakeNode, Reply, Request, log, parse, problem, served};
use super::*;

fn args(node: &FakeNode, words: &[&str]) -> ReadArgs {
    match parse(&[&["read", "orders"], words].concat()).unwrap() {
        LogCommand::Read(args) => ReadArgs { node: node.args(), ..args },
        other => panic!("another command: {other:?}"),
    }
}

fn query(request: &Request, key: &str) -> Option<u64> {
    let (_, query) = request.target.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(&format!("{key}=")))?.parse().ok()
}

/// A node whose partitions hold these offsets, and serve so many records at once.
fn node(partitions: &'static [(u64, u64)], at_once: u64) -> FakeNode {
    FakeNode::start(move |request| {
        let Some(partition) = query(request, "partition") else { return Reply::Answer(200, log("orders", partitions)) };
        let (first, next) = partitions[partition as usize];
        let from = query(request, "from").or_else(|| query(request, "time")).unwrap_or(first);
        if !(first..=next).contains(&from) {
            return problem(416, "out_of_range");
        }
        let end = next.min(from + at_once.min(query(request, "limit").unwrap()));
        served(partition as u32, &(from..end).collect::<Vec<_>>(), end, next)
    })
}

fn offsets(document: &Value) -> Vec<(u64, String)> {
    let record =
        |record: &Value| (record["partition"].as_u64().unwrap(), record["offset"].as_str().unwrap().to_owned());
    document["records"].as_array().unwrap().iter().map(record).collect()
}

fn expected(partition: u64, offsets: std::ops::Range<u64>) -> Vec<(u64, String)> {
    offsets.map(|offset| (partition, offset.to_string())).collect()
}

fn queries(node: &FakeNode) -> Vec<String> {
    let query = |asked: &String| Some(asked.split_once('?')?.1.strip_suffix("&incarnation=7")?.to_owned());
    node.asked().iter().filter_map(query).collect()
}

#[test]
fn a_log_is_read_to_its_end_in_as_many_answers_as_it_takes() {
    let node = node(&[(3, 10)], 3);
    let output = run(&args(&node, &[]), true).unwrap();
    assert_eq!(offsets(&output.document), expected(0, 3..10));
    assert_eq!(
        queries(&node),
        ["partition=0&limit=1000", "partition=0&from=6&limit=997", "partition=0&from=9&limit=994"]
    );
    assert_eq!(output.document["complete"], true);
    assert_eq!(output.document["verified"], Value::Null);
    let place = json!([{ "partition": 0, "next_offset": "10", "end_offset": "10" }]);
    assert_eq!(output.document["partitions"], place);
    assert_eq!(output.document["records"][0]["value_text"], "3");
}

#[test]
fn a_limit_an_offset_and_a_time_say_which_records() {
    let node = node(&[(3, 1_000_000)], 5_000);
    let output = run(&args(&node, &["--from", "7", "--limit", "2"]), true).unwrap();
    assert_eq!(offsets(&output.document), expected(0, 7..9));
    assert_eq!(output.document["complete"], false);
    let output = run(&args(&node, &["--since", "12", "--limit", "1500"]), true).unwrap();
    assert_eq!(offsets(&output.document), expected(0, 12..1512));
    let output = run(&args(&node, &[]), true).unwrap();
    assert_eq!(output.document["records"].as_array().unwrap().len(), 1_000, "a document has a bound of its own");
    let asked = [
        "partition=0&from=7&limit=2",
        "partition=0&time=12&limit=1000",
        "partition=0&from=1012&limit=500",
        "partition=0&limit=1000",
    ];
    assert_eq!(queries(&node), asked);
}

#[test]
fn all_partitions_are_read_one_after_the_other_unless_one_is_named() {
    let node = node(&[(0, 2), (0, 0), (5, 8)], 100);
    let output = run(&args(&node, &[]), true).unwrap();
    assert_eq!(offsets(&output.document), [expected(0, 0..2), expected(2, 5..8)].concat());
    assert_eq!(output.document["complete"], true);
    let output = run(&args(&node, &["--limit", "2"]), true).unwrap();
    assert_eq!((offsets(&output.document), output.document["complete"].as_bool()), (expected(0, 0..2), Some(false)));
    let output = run(&args(&node, &["--partition", "2", "--from", "6"]), true).unwrap();
    assert_eq!(offsets(&output.document), expected(2, 6..8));
    let failure = run(&args(&node, &["--from", "6"]), true).unwrap_err();
    assert_eq!((failure.code(), failure.report().next.as_deref()), (2, Some("add --partition N")));
    let failure = run(&args(&node, &["--partition", "3"]), true).unwrap_err();
    assert!(failure.to_string().contains("no partition 3, its partitions are 0 to 2"), "{failure}");
}

#[test]
fn an_offset_that_the_log_does_not_hold_is_said_with_the_right_one() {
    let node = node(&[(3, 10)], 3);
    for (offset, why, from) in [("2", "removed the records before 3", 3), ("11", "next record gets 10", 10)] {
        let failure = run(&args(&node, &["--from", offset]), true).unwrap_err();
        assert_eq!(failure.code(), 1);
        assert!(failure.to_string().contains(why), "{failure}");
        let next = failure.report().next.clone().unwrap();
        assert!(next.starts_with(&format!("pyralog log read orders --from {from} --node")), "{next}");
    }
    let several = self::node(&[(3, 10), (0, 0)], 3);
    let failure = run(&args(&several, &["--partition", "0", "--from", "11"]), true).unwrap_err();
    let next = failure.report().next.clone().unwrap();
    assert!(next.starts_with("pyralog log read orders --partition 0 --from 10 --node"), "{next}");
    let output = run(&args(&node, &["--from", "10"]), true).unwrap();
    assert_eq!(output.document["records"], json!([]), "the end is an offset to begin at");
}

#[test]
fn a_damaged_partition_is_said_before_anything_is_read_and_the_others_are_read() {
    let node = FakeNode::start(|request| match query(request, "partition") {
        None => {
            let mut log = log("orders", &[(0, 2), (0, 2)]);
            log["partitions"][1] = json!({ "partition": 1, "error": "0.seg is damaged" });
            Reply::Answer(200, log)
        }
        Some(partition) => served(partition as u32, &[0, 1], 2, 2),
    });
    for words in [&[][..], &["--partition", "1"]] {
        let failure = run(&args(&node, words), true).unwrap_err();
        assert!(failure.to_string().contains("partition 1 of orders cannot be read: 0.seg is damaged"), "{failure}");
        assert!(queries(&node).is_empty());
    }
    assert_eq!(offsets(&run(&args(&node, &["--partition", "0"]), true).unwrap().document), expected(0, 0..2));
}

#[test]
fn of_an_only_partition_no_others_are_named() {
    let next = |absent: bool| {
        let node = FakeNode::start(move |_| {
            let mut log = log("orders", &[(0, 2)]);
            log["partitions"][0] = json!({ "partition": 0, "error": "it is not here", "absent": absent });
            Reply::Answer(200, log)
        });
        run(&args(&node, &[]), true).unwrap_err().report().next.clone().unwrap()
    };
    assert!(next(false).starts_with("pyralog log describe orders --node"), "{}", next(false));
    let absent = next(true);
    assert!(
        absent.starts_with("start a member that stores it") && absent.contains("pyralog cluster status --node"),
        "{absent}"
    );
}

#[test]
fn a_log_that_grows_while_it_is_read_is_read_to_where_it_ended() {
    let node = FakeNode::start(|request| match query(request, "partition") {
        None => Reply::Answer(200, log("orders", &[(0, 4)])),
        Some(_) => {
            let from = query(request, "from").unwrap_or(0);
            served(0, &[from, from + 1], from + 2, from + 4)
        }
    });
    let output = run(&args(&node, &["--limit", "500"]), true).unwrap();
    assert_eq!(offsets(&output.document), expected(0, 0..4));
    assert_eq!(output.document["complete"], true);
}

#[test]
fn a_node_that_goes_backwards_or_in_circles_is_refused_soon() {
    for reply in [served(0, &[], 3, 9), served(0, &[2], 3, 9), served(0, &[5], 6, 4), served(0, &[7, 6], 8, 9)] {
        let node = FakeNode::start(move |request| match query(request, "from") {
            None if query(request, "partition").is_none() => Reply::Answer(200, log("orders", &[(0, 9)])),
            None => served(0, &[0, 1, 2], 3, 9),
            Some(_) => reply.clone(),
        });
        let failure = run(&args(&node, &[]), true).unwrap_err();
        assert_eq!((failure.code(), queries(&node).len()), (1, 2), "{failure}");
        assert!(failure.report().next.as_ref().unwrap().contains("--node"));
    }
}

#[test]
fn a_log_or_a_range_that_is_gone_names_what_to_type() {
    let node = FakeNode::start(|_| problem(404, "no_such_log"));
    let failure = run(&args(&node, &[]), true).unwrap_err();
    assert!(failure.report().next.as_ref().unwrap().contains("pyralog log create orders"), "{failure}");
    let node = FakeNode::start(|request| match query(request, "partition") {
        None => Reply::Answer(200, log("orders", &[(0, 9)])),
        Some(_) => problem(416, "out_of_range"),
    });
    let failure = run(&args(&node, &["--from", "1"]), true).unwrap_err();
    assert!(failure.report().next.as_ref().unwrap().contains("pyralog log describe orders"), "{failure}");
}

#[test]
fn a_document_ends_before_it_fills_the_memory() {
    let node = node(&[(0, 9)], 3);
    let client = node.client();
    let sink = Sink::Document { records: Vec::new(), bytes: DOCUMENT_BYTES - 2 };
    let info = client.describe("orders").unwrap();
    let mut reader = Reader { client: &client, info: &info, left: 9, read: 0, sink, verifier: None, gone: false };
    let place = reader.partition(info.partitions[0].extent().unwrap(), At::First).unwrap();
    assert_eq!(place, Place { partition: 0, next: Some(3), end: 9 }, "the first answer has the last bytes");
    assert_eq!(reader.output(&[place]).document["complete"], false);
}

#[test]
fn values_and_json_do_not_go_together_and_times_and_offsets_neither() {
    let node = node(&[(0, 9)], 3);
    assert_eq!(run(&args(&node, &["--values"]), true).unwrap_err().code(), 2);
    for words in [
        &["read", "a", "--from", "1", "--since", "2"][..],
        &["read", "a", "--limit", "0"],
        &["read", "a", "--from", "-1"],
        &["read", "a", "--owner-key", "00"],
        &["read", "a", "--genesis", "g.json"],
        &["read", "a", "--since", "yesterday"],
    ] {
        assert_eq!(parse(words).unwrap_err().exit_code(), 2, "{words:?}");
    }
}
