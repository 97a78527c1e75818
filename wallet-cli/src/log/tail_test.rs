use std::sync::atomic::AtomicUsize;

use super::super::LogCommand;
use super::super::testkit::{FakeNode, Reply, Request, log, parse, problem, served};
use super::*;

fn shared(node: &FakeNode, cursor: Cursor) -> Shared {
    let info = serde_json::from_value(log("orders", &[(0, 0)])).unwrap();
    Shared::new(Arc::new(node.client()), &info, &[cursor])
}

fn args(node: &FakeNode, words: &[&str]) -> TailArgs {
    match parse(&[&["tail", "orders"], words].concat()).unwrap() {
        LogCommand::Tail(args) => TailArgs { node: node.args(), ..args },
        other => panic!("another command: {other:?}"),
    }
}

/// Follows partition 0 from an offset until so many records came; what came, and how it ended.
fn follow(node: &FakeNode, from: u64, until: usize) -> (Vec<u64>, Result<()>) {
    let cursor = Cursor::new(0, At::Offset(from));
    let shared = shared(node, cursor);
    let came = Mutex::new(Vec::new());
    let print = |_, records: &[StoredRecord]| {
        let mut came = came.lock().unwrap();
        came.extend(records.iter().map(|record| record.offset));
        Ok(came.len() < until)
    };
    let end = Follower { shared: &shared, cursor }.follow(&print);
    (came.into_inner().unwrap(), end)
}

fn from(request: &Request) -> Option<u64> {
    request.target.split_once("from=")?.1.split('&').next()?.parse().ok()
}

/// Serves two records from where it is asked.
fn two(request: &Request) -> Reply {
    let from = from(request).unwrap();
    served(0, &[from, from + 1], from + 2, from + 2)
}

#[test]
fn records_come_once_and_in_order_through_breaks_and_restarts() {
    let count = AtomicUsize::new(0);
    let node = FakeNode::start(move |request| match count.fetch_add(1, Ordering::SeqCst) {
        1 => Reply::Hang,
        2 => Reply::Raw(b"HTTP/1.1 200 X\r\ncontent-length: 500\r\n\r\n{\"partition\":0,\"records\":[".to_vec()),
        3 => problem(503, "busy"),
        4 => served(0, &[], from(request).unwrap(), from(request).unwrap()),
        _ => two(request),
    });
    let (came, end) = follow(&node, 5, 6);
    end.unwrap();
    assert_eq!(came, (5..11).collect::<Vec<_>>());
    let asked: Vec<Option<u64>> = node.requests.lock().unwrap().iter().map(from).collect();
    assert_eq!(asked, [5, 7, 7, 7, 7, 7, 9].map(Some));
    assert!(node.asked()[0].contains("&wait_ms=20000"), "{:?}", node.asked()[0]);
}

#[test]
fn a_node_that_is_not_there_is_waited_for_and_its_new_token_taken() {
    let node = FakeNode::start(|request| match request.authorization.as_str() {
        "Bearer new" => two(request),
        _ => problem(401, "unauthorized"),
    });
    let token = node.dir.path().join("admin.token");
    let cursor = Cursor::new(0, At::Offset(0));
    let shared = shared(&node, cursor);
    let mut follower = Follower { shared: &shared, cursor };
    follower.mend(NodeFault::Unreachable("connection refused".to_owned())).unwrap();
    assert!(shared.lost.load(Ordering::SeqCst));
    std::fs::write(token, "new\n").unwrap();
    follower.follow(&|_, records: &[StoredRecord]| Ok(records.is_empty())).unwrap();
    assert!(!shared.lost.load(Ordering::SeqCst));
    assert_eq!(shared.places.lock().unwrap()[0].at, At::Offset(0), "what nobody reads is not taken for printed");
}

#[test]
fn what_retention_removed_is_passed_over_and_a_log_that_shrank_is_not() {
    let node = |first, next| {
        FakeNode::start(move |request| match from(request) {
            None => Reply::Answer(200, log("orders", &[(first, next)])),
            Some(offset) if (first..=next).contains(&offset) => two(request),
            Some(_) => problem(416, "out_of_range"),
        })
    };
    let (came, end) = follow(&node(5, 100), 2, 2);
    end.unwrap();
    assert_eq!(came, [5, 6]);
    let (came, end) = follow(&node(0, 3), 5, 2);
    let failure = end.unwrap_err();
    assert!(failure.to_string().contains("ends at 3 and had 5 before"), "{failure}");
    assert_eq!((came.len(), failure.code()), (0, 1));
}

#[test]
fn a_log_that_began_again_is_not_taken_for_the_old_one() {
    let replaced = FakeNode::start(|request| match from(request) {
        Some(5) => two(request),
        _ => problem(409, "log_replaced"),
    });
    // Shorter than what was read, and no longer the same by the time it is described.
    let shorter = FakeNode::start(|request| match from(request) {
        None => {
            let mut log = log("orders", &[(0, 3)]);
            log["incarnation"] = "8".into();
            Reply::Answer(200, log)
        }
        Some(5) => two(request),
        Some(_) => problem(416, "out_of_range"),
    });
    for node in [replaced, shorter] {
        let (came, end) = follow(&node, 5, 9);
        let failure = end.unwrap_err();
        assert_eq!((came, failure.code()), (vec![5, 6], 1));
        assert!(failure.to_string().contains("orders began again"), "{failure}");
        let next = failure.report().next.clone().unwrap();
        assert!(next.starts_with("pyralog log tail orders --from first --node"), "{next}");
    }
}

#[test]
fn what_no_waiting_mends_ends_it() {
    for (reply, why) in [
        (problem(404, "no_such_log"), "no log orders"),
        (problem(401, "unauthorized"), "admin token"),
        (served(0, &[], 5, 9), "gives none from 5 on"),
        (served(0, &[4], 6, 6), "offset 4 where 5"),
        (served(0, &[], 4, 4), "goes on at offset 4"),
        (Reply::Answer(200, serde_json::json!({ "records": 7 })), "not understood"),
    ] {
        let node = FakeNode::start(move |_| reply.clone());
        let (came, end) = follow(&node, 5, 1);
        let failure = end.unwrap_err();
        assert!(failure.to_string().contains(why), "{failure}");
        assert_eq!((came.len(), node.asked().len()), (0, 1));
    }
}

#[test]
fn it_begins_at_the_end_unless_told_otherwise() {
    let node = FakeNode::start(|_| Reply::Answer(200, log("orders", &[(3, 10), (0, 4)])));
    let client = node.client();
    let info = client.describe("orders").unwrap();
    let places = |words: &[&str]| cursors(&args(&node, words), &info, &client);
    let at = |words: &[&str]| places(words).unwrap().iter().map(|c| (c.partition, c.at)).collect::<Vec<_>>();
    assert_eq!(at(&[]), [(0, At::Offset(10)), (1, At::Offset(4))]);
    assert_eq!(at(&["--from", "first"]), [(0, At::First), (1, At::First)]);
    assert_eq!(at(&["--since", "7"]), [(0, At::Time(7)), (1, At::Time(7))]);
    assert_eq!(at(&["--partition", "0", "--from", "3"]), [(0, At::Offset(3))]);
    assert_eq!(places(&["--from", "3"]).unwrap_err().code(), 2);
    assert_eq!(places(&["--partition", "0", "--from", "11"]).unwrap_err().code(), 1);
    assert_eq!(places(&["--partition", "2"]).unwrap_err().code(), 1);
    for words in [&["tail", "a", "--from", "last"][..], &["tail", "a", "--from", "-1"], &["tail"]] {
        assert_eq!(parse(words).unwrap_err().exit_code(), 2, "{words:?}");
    }
}

#[test]
fn the_command_that_goes_on_names_no_partition_where_there_is_one() {
    for (partitions, command) in [
        (&[(3, 10)][..], "pyralog log tail orders --from 7 --node"),
        (&[(3, 10), (0, 4)], "pyralog log tail orders --partition 0 --from 7 --node"),
    ] {
        let node = FakeNode::start(move |_| Reply::Answer(200, log("orders", partitions)));
        let info = node.client().describe("orders").unwrap();
        let shared = Shared::new(Arc::new(node.client()), &info, &[Cursor::new(0, At::First)]);
        assert!(shared.again(0, 7).starts_with(command), "{}", shared.again(0, 7));
    }
}

#[test]
fn more_partitions_than_connections_are_refused() {
    let many = vec![(0, 0); MAX_PARTITIONS + 1];
    let node = FakeNode::start(move |_| Reply::Answer(200, log("orders", &many)));
    let failure = run(&args(&node, &[]), false).unwrap_err();
    assert_eq!((failure.code(), failure.report().next.as_deref()), (2, Some("follow one of them with --partition N")));
}
