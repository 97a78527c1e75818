use super::super::testkit::{FakeNode, Reply, args, client, cluster, problem, serving};
use super::*;

fn gone() -> Reply {
    Reply::Answer(200, json!({ "removed": 2 }))
}

fn ask(node: &FakeNode, yes: bool, terminal: bool, answer: Option<&str>) -> Result<Output> {
    let args = RemoveArgs { member: "node1".to_owned(), yes, may_lose_records: false, node: args(node) };
    remove(&args, &client(node), terminal, |_, _| Ok(answer.expect("nobody is to be asked").to_owned()))
}

fn removals(node: &FakeNode) -> Vec<String> {
    node.asked().into_iter().filter(|asked| asked.starts_with("DELETE")).collect()
}

#[test]
fn the_number_has_to_be_typed() {
    let node = serving(cluster(3), gone());
    for wrong in ["", "1", "node1", "yes", "2 "] {
        let failure = ask(&node, false, true, Some(wrong)).unwrap_err();
        assert!(failure.to_string().contains("not removed"), "{failure}");
    }
    assert!(removals(&node).is_empty());
    let output = ask(&node, false, true, Some("2")).unwrap();
    assert_eq!(removals(&node), ["DELETE /v1/cluster/members/2"]);
    assert_eq!(output.document, json!({ "status": "removed", "member": 2, "name": "node1" }));
}

#[test]
fn what_follows_is_said_before_and_after() {
    let node = serving(cluster(3), gone());
    let follows =
        "members left: 2; partitions that it stores: 3, under-replicated until another member has their records";
    let args = RemoveArgs { member: "2".to_owned(), yes: false, may_lose_records: false, node: args(&node) };
    let output = remove(&args, &client(&node), true, |called, said| {
        assert_eq!(called, "member 2 (node1)");
        assert!(said.contains("never given again") && said.contains(follows), "{said}");
        Ok("2".to_owned())
    });
    let text = output.unwrap().text;
    assert!(text.contains(follows) && text.contains("pyralog cluster add"), "{text}");
    let nothing = serving(cluster(0), gone());
    assert!(ask(&nothing, true, false, None).unwrap().text.contains("it stores no partition"));
}

#[test]
fn without_a_terminal_nobody_is_removed_but_with_yes() {
    let node = serving(cluster(1), gone());
    let failure = ask(&node, false, false, None).unwrap_err();
    assert_eq!((failure.code(), removals(&node).len()), (2, 0));
    assert!(failure.report().next.as_ref().unwrap().starts_with("pyralog cluster remove 2 --yes --node"));
    ask(&node, true, false, None).unwrap();
    assert_eq!(removals(&node).len(), 1);
}

#[test]
fn a_lost_answer_leaves_it_open() {
    for reply in [Reply::Hang, Reply::Answer(200, json!({ "removed": 3 })), problem(500, "internal")] {
        let failure = ask(&serving(cluster(1), reply), true, false, None).unwrap_err();
        assert!(failure.to_string().contains("may be removed or not"), "{failure}");
        assert!(failure.report().next.as_ref().unwrap().starts_with("pyralog cluster status"));
    }
    let refused = ask(&serving(cluster(1), problem(409, "conflict")), true, false, None).unwrap_err();
    assert!(!refused.to_string().contains("may be"), "{refused}");
}

#[test]
fn records_are_lost_only_where_that_is_said() {
    let node = serving(cluster(3), problem(409, "refused"));
    assert_eq!(ask(&node, true, false, None).unwrap_err().code(), 1);
    assert_eq!(removals(&node), ["DELETE /v1/cluster/members/2"]);
    let node = serving(cluster(3), gone());
    let args = RemoveArgs { member: "2".to_owned(), yes: true, may_lose_records: true, node: args(&node) };
    let output = remove(&args, &client(&node), false, |_, _| Err(Failure::error("nobody is to be asked"))).unwrap();
    assert_eq!(removals(&node), ["DELETE /v1/cluster/members/2?may_lose_records=true"]);
    assert!(output.text.contains("records that it alone has are lost"), "{}", output.text);
    let unasked = RemoveArgs { yes: false, ..args };
    let failure = remove(&unasked, &client(&node), false, |_, _| Ok(String::new())).unwrap_err();
    assert!(failure.report().next.as_ref().unwrap().contains("remove 2 --yes --may-lose-records"));
}
