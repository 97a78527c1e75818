use serde_json::{Value, json};

use super::super::testkit::{FakeNode, Reply, args, cluster, member, problem};
use super::*;

fn shown(document: &Value, all: bool) -> Output {
    let answer = document.clone();
    let node = FakeNode::start(move |_| Reply::Answer(200, answer.clone()));
    run(&StatusArgs { all, node: args(&node) }).unwrap()
}

/// What stands in a pipe.
fn plain(output: &Output) -> String {
    anstream::adapter::strip_str(&output.text).to_string()
}

#[test]
fn members_and_partitions_stand_in_tables_and_the_sum_in_a_line() {
    let mut document = cluster(4);
    document["partitions"][3]["records"] = Value::Null;
    let output = shown(&document, false);
    assert_eq!(output.document, document, "the answer as it is");
    let text = plain(&output);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(text.lines().next().unwrap(), "led by member 1 (node0), as member 1 (node0) sees it");
    assert_eq!(lines[2], ["MEMBER", "NAME", "ROLE", "STATE", "LEADER", "ADDRESSES"]);
    assert_eq!(lines[3], ["1", "node0", "voter", "up", "leader", "/ip4/127.0.0.1/tcp/26656"]);
    assert_eq!(lines[4], ["2", "node1", "voter", "up", "/ip4/127.0.0.1/tcp/26657"]);
    assert_eq!(lines[7], ["LOG", "PARTITION", "LEADER", "EPOCH", "MEMBERS", "RECORDS", "STATE"]);
    assert_eq!(lines[8], ["orders", "0", "1", "3", "1,2,3", "100", "full"]);
    assert_eq!(lines[11], ["orders", "3", "1", "3", "1,2,3", "-", "not", "known", "here"]);
    assert_eq!(
        text.lines().last().unwrap(),
        "3 of 3 members up, 3 of 4 partitions full, 1 not known here: ask a member that stores them, with --node URL"
    );
    assert_eq!(plain(&shown(&cluster(4), false)).lines().last().unwrap(), "3 of 3 members up, all 4 partitions full");
    assert!(text.lines().all(|line| line == line.trim_end()), "{text:?}");
}

#[test]
fn a_member_whose_disk_is_full_says_so() {
    let mut document = cluster(1);
    document["disk_low"] = "the disk of /d has 1 bytes left: free some space".into();
    let text = plain(&shown(&document, false));
    let wanted = "\nmember 1 (node0) stores no further records: the disk of /d has 1 bytes left: free some space\n\n3 of 3 members up";
    assert!(text.contains(wanted), "{text}");
}

#[test]
fn a_member_that_hears_no_majority_says_what_is_not_done() {
    let mut document = cluster(1);
    (document["majority"], document["started"]) = (true.into(), true.into());
    assert!(!plain(&shown(&document, false)).contains("until"), "all is well");
    for lost in [1, 2] {
        document["members"][lost] = member(lost as u64 + 1, false);
    }
    document["majority"] = false.into();
    let output = shown(&document, false);
    let text = plain(&output);
    let why = "\nno majority of the members is heard, 1 of 3: nothing is appended where too few copies are up, no partition gets another leader, and no \
               log is made or deleted, until 2 are up\n\n1 of 3 members up";
    assert!(text.contains(why), "{text}");
    assert!(output.text.contains("\u{1b}") && output.document["majority"] == false, "{}", output.text);
    document["started"] = false.into();
    let text = plain(&shown(&document, false));
    assert!(text.contains("1 of 3: nothing is appended through this member, until 2 are up\n"), "{text}");
    // An older node does not say so, and its list of members does.
    document.as_object_mut().unwrap().retain(|field, _| !["majority", "started"].contains(&field.as_str()));
    assert!(plain(&shown(&document, false)).contains("no majority of the members is heard, 1 of 3"));
    let mut waits = cluster(1);
    waits["started"] = false.into();
    let text = plain(&shown(&waits, false));
    assert!(text.contains("the cluster has not confirmed the start of member 1 (node0) yet"), "{text}");
}

#[test]
fn columns_stay_in_line_also_where_words_have_colours() {
    let mut document = cluster(2);
    document["members"][2] = member(3, false);
    document["partitions"][1]["members"] = json!([1, 2]);
    let output = shown(&document, false);
    let text = plain(&output);
    let column = |word: &str| text.lines().filter_map(|line| line.find(word)).collect::<Vec<_>>();
    let addresses = column("/ip4");
    assert!(addresses.len() == 3 && addresses.iter().all(|at| *at == addresses[0]), "{text}");
    assert!(text.contains("down") && text.contains("under-replicated") && output.text.contains('\u{1b}'), "{text}");
    assert_eq!(text.lines().last().unwrap(), "2 of 3 members up, 1 of 2 partitions full");
}

#[test]
fn of_many_partitions_those_that_are_not_full_are_shown_and_the_others_counted() {
    let mut document = cluster(25);
    document["partitions"][7]["leader"] = Value::Null;
    document["partitions"][9]["behind"] = true.into();
    let text = plain(&shown(&document, false));
    assert_eq!(text.matches("orders").count(), 2, "{text}");
    assert!(text.contains("no leader") && text.contains("behind"), "{text}");
    assert!(text.contains("23 full partitions are not shown: pyralog cluster status --all --node http://"), "{text}");
    let all = plain(&shown(&document, true));
    assert_eq!(all.matches("orders").count(), 25, "{all}");
    assert!(!all.contains("not shown"));
    assert_eq!(plain(&shown(&cluster(20), false)).matches("orders").count(), 20);
    let none = plain(&shown(&cluster(21), false));
    assert!(none.contains("21 full partitions") && !none.contains("EPOCH"), "{none}");
}

#[test]
fn a_cluster_without_a_leader_or_partitions_says_so() {
    let mut document = cluster(0);
    document["leader"] = Value::Null;
    document["members"][1] = member(2, false);
    let text = plain(&shown(&document, false));
    assert!(text.starts_with("no leader, as member 1 (node0) sees it"), "{text}");
    let closing = "2 of 3 members up, no partitions, nobody leads the cluster";
    assert_eq!(text.lines().last().unwrap(), closing);
    let one = plain(&shown(&cluster(1), false));
    assert_eq!(one.lines().last().unwrap(), "3 of 3 members up, the only partition full");
}

#[test]
fn who_signs_is_said_where_it_is_known() {
    let mut document = cluster(1);
    document["signer"] = 2.into();
    let text = plain(&shown(&document, false));
    assert_eq!(
        text.lines().next().unwrap(),
        "led by member 1 (node0), member 2 (node1) signs, as member 1 (node0) sees it"
    );
}

/// Three members that say that they lack nothing.
fn whole(partitions: u32) -> Value {
    let mut document = cluster(partitions);
    document["whole"] = true.into();
    for member in document["members"].as_array_mut().unwrap() {
        member["lacks"] = json!([]);
    }
    document
}

fn last_line(document: &Value) -> String {
    plain(&shown(document, false)).lines().last().unwrap().to_owned()
}

#[test]
fn all_members_are_whole_only_where_each_has_said_so() {
    let mut document = whole(4);
    // Who stores it has said that nothing is missing.
    document["partitions"][3]["records"] = Value::Null;
    assert_eq!(last_line(&document), "3 of 3 members up, all 4 partitions full, all members whole");
    let output = shown(&document, false);
    assert!(output.failure.is_none() && output.text.lines().last().unwrap().starts_with(&format!("{GOOD}")));

    document["whole"] = false.into();
    document["partitions"][3]["records"] = "7".into();
    (document["members"][1]["lacks"], document["members"][2]["lacks"]) = (json!(["records", "blocks"]), Value::Null);
    let output = shown(&document, false);
    let text = plain(&output);
    let row: Vec<&str> = text.lines().nth(4).unwrap().split_whitespace().collect();
    assert_eq!(row[..7], ["2", "node1", "voter", "up,", "behind:", "records,", "blocks"]);
    assert_eq!(
        text.lines().last().unwrap(),
        "3 of 3 members up, all 4 partitions full, not all members are whole: member 2 lacks records, blocks; member 3 has not said yet what it lacks; \
         no further member's disk may be lost before"
    );
    assert!(output.failure.is_none() && output.text.lines().last().unwrap().starts_with(&format!("{WARN}")));

    let mut away = whole(1);
    (away["members"][2], away["whole"]) = (member(3, false), false.into());
    assert!(last_line(&away).contains("member 3 is down; no further"), "{}", last_line(&away));
    let mut moving = whole(1);
    moving["whole"] = false.into();
    assert!(last_line(&moving).contains("a partition is not stored where it should be; no further"));
    moving["partitions"][0]["members"] = json!([1, 2, 9]);
    let line = last_line(&moving);
    assert!(
        line.contains("the place of a removed member in partition 0 of log") && line.contains("cluster add"),
        "{line}"
    );
}

#[test]
fn records_that_no_member_has_any_more_are_damage() {
    let mut document = whole(2);
    document["whole"] = false.into();
    document["partitions"][1]["lost"] = "12".into();
    document["members"][0]["lacks"] = json!(["lost records"]);
    let output = shown(&document, false);
    let text = plain(&output);
    assert!(text.contains("records lost") && text.contains("1 of 2 partitions full"), "{text}");
    assert!(output.text.contains(&format!("{BAD}records lost")), "{}", output.text);
    let failure = output.failure.unwrap();
    assert_eq!(failure.code(), 1);
    assert!(
        failure.to_string().contains("no member has these records any more: 12 of partition 1 of orders"),
        "{failure}"
    );
    // Another member than the one that answers knows of which log.
    document["partitions"][1]["lost"] = Value::Null;
    let failure = shown(&document, false).failure.unwrap();
    assert!(failure.to_string().contains("ask member 1 (node0) of which log"), "{failure}");
    document["partitions"][1]["lost"] = "0".into();
    document["members"][0]["lacks"] = json!([]);
    assert!(shown(&document, false).failure.is_none());
}

#[test]
fn nobody_is_said_to_sign_who_waits_for_blocks() {
    let mut document = cluster(1);
    document["signer_waits"] = 2.into();
    let text = plain(&shown(&document, false));
    assert_eq!(
        text.lines().next().unwrap(),
        "led by member 1 (node0), member 2 (node1) leads the signing, and waits for blocks, as member 1 (node0) sees it"
    );
}

#[test]
fn a_member_that_just_joined_knows_nobody() {
    let document = json!({ "member": 4, "leader": null, "members": [], "partitions": [] });
    assert_eq!(plain(&shown(&document, false)), "member 4 has not heard of any member yet");
}

#[test]
fn what_a_member_calls_itself_steers_no_terminal() {
    let mut document = cluster(1);
    document["members"][0]["name"] = "\u{1b}[2J".into();
    document["members"][0]["addresses"][0] = "\u{1b}[31m".into();
    document["partitions"][0]["log"] = "\u{1b}]0;x\u{7}".into();
    document["whole"] = false.into();
    document["members"][1]["lacks"] = json!(["\u{1b}[2J"]);
    let text = shown(&document, false).text;
    for escape in ["\u{1b}[2J", "\u{1b}[31m", "\u{1b}]", "\u{7}"] {
        assert!(!text.contains(escape), "{text:?}");
    }
    // Red is a colour of its own here.
    document["partitions"][0]["lost"] = "1".into();
    let failure = shown(&document, false).failure.unwrap().to_string();
    assert!(failure.contains("1 of partition 0 of") && !failure.contains('\u{1b}'), "{failure:?}");
}

#[test]
fn a_node_that_cannot_say_names_what_to_do() {
    let node = FakeNode::start(|_| problem(503, "no_leader"));
    let failure = run(&StatusArgs { all: false, node: args(&node) }).unwrap_err();
    assert_eq!(failure.code(), 1);
    assert!(failure.to_string().contains("cannot serve now"), "{failure}");
}

#[test]
fn without_a_majority_nobody_leads_whatever_a_node_remembers() {
    let mut document = cluster(0);
    document["majority"] = false.into();
    let text = plain(&shown(&document, false));
    assert!(text.contains("nobody leads: no majority of the voters is heard") && !text.contains("led by"), "{text}");
}
