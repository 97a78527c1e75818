use super::super::testkit::{FakeNode, Reply, Request, log, problem};
use super::*;

/// A node with the log `orders`, and what it says to a deletion.
fn node(deletion: Reply) -> FakeNode {
    FakeNode::start(move |request: &Request| match request.method.as_str() {
        "DELETE" => deletion.clone(),
        _ => Reply::Answer(200, log("orders", &[(3, 18)])),
    })
}

fn gone() -> Reply {
    Reply::Answer(200, json!({ "deleted": "orders" }))
}

fn ask(node: &FakeNode, yes: bool, terminal: bool, answer: Option<&str>) -> Result<Output> {
    let args = DeleteArgs { name: "orders".to_owned(), yes, node: node.args() };
    delete(&args, &node.client(), terminal, |_, _| Ok(answer.expect("nobody is to be asked").to_owned()))
}

fn deletions(node: &FakeNode) -> usize {
    node.asked().iter().filter(|asked| asked.starts_with("DELETE")).count()
}

#[test]
fn the_name_has_to_be_typed() {
    let node = node(gone());
    for wrong in ["", "order", "ORDERS", "yes", "orders "] {
        let failure = ask(&node, false, true, Some(wrong)).unwrap_err();
        assert!(failure.to_string().contains("not deleted"), "{failure}");
    }
    assert_eq!(deletions(&node), 0);
    let output = ask(&node, false, true, Some("orders")).unwrap();
    assert_eq!((deletions(&node), output.document["status"].as_str()), (1, Some("deleted")));
    assert!(output.text.contains("15 records, 1 KiB"), "{}", output.text);
}

#[test]
fn without_a_terminal_nothing_is_deleted_but_with_yes() {
    let node = node(gone());
    let failure = ask(&node, false, false, None).unwrap_err();
    assert_eq!((failure.code(), deletions(&node)), (2, 0));
    assert!(failure.report().next.as_ref().unwrap().starts_with("pyralog log delete orders --yes --node"));
    ask(&node, true, false, None).unwrap();
    assert_eq!(deletions(&node), 1);
}

#[test]
fn a_log_that_is_not_there_is_found_out_before_anybody_is_asked() {
    let node = FakeNode::start(|_| problem(404, "no_such_log"));
    let failure = ask(&node, false, true, None).unwrap_err();
    assert!(failure.to_string().contains("no log orders"), "{failure}");
}

#[test]
fn a_damaged_log_is_deleted_too() {
    let mut damaged = log("orders", &[(3, 18), (0, 0)]);
    damaged["partitions"][1] = json!({ "partition": 1, "error": "it is damaged" });
    for (described, what) in [
        (Reply::Answer(200, damaged), "15 records, 1 KiB, partitions: 2, of which 1 cannot be read"),
        (problem(500, "internal"), "what is in it is not known"),
    ] {
        let node = FakeNode::start(move |request: &Request| match request.method.as_str() {
            "DELETE" => gone(),
            _ => described.clone(),
        });
        for (yes, terminal, answer) in [(false, true, Some("orders")), (true, false, None)] {
            let output = ask(&node, yes, terminal, answer).unwrap();
            assert!(output.text.contains(what), "{}", output.text);
        }
        assert_eq!(deletions(&node), 2);
    }
}

#[test]
fn of_what_other_members_store_nothing_is_known() {
    let with = |absent: &[usize]| {
        let mut log = log("orders", &[(3, 18), (0, 0)]);
        for number in absent {
            log["partitions"][*number] =
                json!({ "partition": number, "error": "this member stores nothing of it", "absent": true });
        }
        log
    };
    for (absent, what) in [
        (&[0, 1][..], "orders: partitions: 2, not stored by this member: what is in them is not known here"),
        (&[1], "orders: 15 records, 1 KiB, partitions: 2, of which 1 is not stored by this member and not counted"),
    ] {
        let described = with(absent);
        let node = FakeNode::start(move |request: &Request| match request.method.as_str() {
            "DELETE" => gone(),
            _ => Reply::Answer(200, described.clone()),
        });
        let output = ask(&node, true, false, None).unwrap();
        assert!(output.text.ends_with(what), "{}", output.text);
    }
}

#[test]
fn a_lost_answer_leaves_it_open() {
    for reply in [Reply::Hang, Reply::Answer(200, json!({ "deleted": "other" })), problem(500, "internal")] {
        let failure = ask(&node(reply), true, false, None).unwrap_err();
        assert!(failure.to_string().contains("may be deleted or not"), "{failure}");
    }
    let refused = ask(&node(problem(409, "conflict")), true, false, None).unwrap_err();
    assert!(!refused.to_string().contains("may be"), "{refused}");
}
