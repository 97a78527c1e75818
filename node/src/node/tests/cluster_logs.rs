//! Logs of a cluster that has fewer members than they want: what of their numbers holds, who says what of them, and what cannot be.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cluster::{Member, grow};
use super::kit::{get_json, homes};

/// The numbers of a partition, and who stores it.
fn placed(log: &Value) -> (usize, u64, u64) {
    let partition = &log["partitions"][0];
    let number = |field: &str| partition[field].as_u64().unwrap_or_else(|| panic!("no {field}: {log}"));
    (partition["members"].as_array().unwrap().len(), number("replication"), number("copies"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_members_say_which_numbers_hold_who_stores_what_and_what_cannot_be() {
    let homes = homes(1);
    let first = Member::begin(homes.homes[0].clone()).await;
    let mut second = grow(&homes, &first, "b").await;

    for (fields, part) in [
        (json!({"nodeset": 0}), "nodeset: found 0, expected a whole number from 1 to 7"),
        (json!({"nodeset": 255}), "nodeset: found 255, expected a whole number from 1 to 7"),
        (json!({"partitions": 0}), "partitions: found 0, expected a whole number from 1 to 4096"),
        (json!({"replication": 4, "copies": 2}), "not more than half"),
        (json!({"replication": 3, "copies": 1, "may_lose_acknowledged": true}), "hold the log up for ever"),
        (json!({"copies": 3}), "must hear all 3 of them: take copies 2 of 3"),
        (json!({"replication": 5, "copies": 1}), "after 1 copy, of 5 members"),
        (json!({"replication": 4, "nodeset": 3}), "the same number twice"),
        (json!({"nodeset": 2}), "hold the log up for ever"),
        (json!({"may_lose_acknowledged": 1}), "may_lose_acknowledged: found 1"),
        (json!({"replication": 3, "copies": 4}), "copies is 4 and replication 3"),
        (json!({"replication": 3, "nodeset": 5}), "copysets \"record\""),
        (json!({"copysets": "record", "nodeset": 1}), "give 2 to 7"),
        (json!({"copysets": "record", "nodeset": 6, "replication": 7}), "give replication 6 or less"),
        (json!({"copysets": "record", "nodeset": 4, "replication": 4}), "give nodeset 5 to 7"),
        (json!({"storage": "memory", "copysets": "record"}), "a log in memory is not replicated"),
        (json!({"storage": "memory", "copies": 2}), "a log in memory is not replicated"),
    ] {
        let mut body = fields.clone();
        body["name"] = "none".into();
        let (status, answer) = first.ask("POST", "/logs", Some(body)).await;
        assert_eq!((status, answer["error"]["code"].as_str()), (400, Some("bad_request")), "{fields}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(part), "{fields}: {answer}");
        assert!(answer["error"]["remedy"].is_string(), "{fields}: {answer}");
    }
    let (status, answer) = first.ask("POST", "/logs", Some(json!({"name": "PYRALOG.notary"}))).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (403, Some("own_log")), "{answer}");
    // All the same to a body of another call.
    let (status, answer) = first.ask("POST", "/leader", Some(json!([2]))).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (400, Some("bad_request")), "{answer}");

    // What was asked for stays beside what holds.
    let (status, made) = first.ask("POST", "/logs", Some(json!({"name": "orders"}))).await;
    assert_eq!(status, 201, "{made}");
    let asked = ["nodeset", "replication", "copies"].map(|field| made[field].as_u64());
    assert_eq!((asked, placed(&made)), ([Some(3), Some(3), Some(2)], (2, 2, 2)), "{made}");
    // Whoever made it has its files by then.
    assert_eq!(
        (&made["partitions"][0]["error"], &made["partitions"][0]["absent"]),
        (&Value::Null, &Value::Null),
        "{made}"
    );

    let weak = json!({"name": "weak", "replication": 4, "copies": 2, "may_lose_acknowledged": true});
    let (status, made) = first.ask("POST", "/logs", Some(weak)).await;
    assert_eq!((status, made["copies"].as_u64()), (201, Some(2)), "{made}");

    // Of two members one stores a log of one copy, and the other one knows who.
    let (status, made) = first.ask("POST", "/logs", Some(json!({"name": "single", "replication": 1}))).await;
    assert_eq!((status, placed(&made)), (201, (1, 1, 1)), "{made}");
    let mut who = Vec::new();
    for (member, id) in [(&first, 1), (&second, 2)] {
        // Whoever is to store it makes its files when it hears of it.
        let settled = |log: &Value| {
            let partition = &log["partitions"][0];
            partition["members"].is_array() && (partition["absent"] == true) == (partition["members"] != json!([id]))
        };
        let log = member.until("/logs/single", "it is known", settled).await;
        let partition = &log["partitions"][0];
        // Also of what it does not store it says what is in it.
        let met = |log: &Value| log["partitions"][0]["next_offset"] == "0";
        let log = member.until("/logs/single", "what is in it is known", met).await;
        assert_eq!(log["partitions"][0]["error"], Value::Null, "{log}");
        who.push(partition["members"].clone());
    }
    assert_eq!(who[0], who[1]);
    assert!(who[0] == json!([1]) || who[0] == json!([2]), "{who:?}");
    let record = json!({"records": [{"value": "07"}]});
    let (status, answer) = first.ask("POST", "/logs/single/records", Some(record)).await;
    assert_eq!(status, 200, "{answer}");
    for member in [&first, &second] {
        let met = |log: &Value| log["partitions"][0]["next_offset"] == "1";
        member.until("/logs/single", "the record is known of", met).await;
    }

    for member in [&first, &second] {
        member.until("", "both are up", |view| view["majority"] == true && view["started"] == true).await;
    }
    // Nobody gets the name of another member.
    let stranger = json!({
        "name": "b", "peer_id": "12D3KooWBU5zU8sXEwPQN3HSbVRUBnXjKQSuGdEPc7AgBkPRLh8K", "addresses": [], "incarnation": "0b".repeat(16), "life": "0c".repeat(16),
    });
    let (status, answer) = first.ask("POST", "/members", Some(stranger)).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (409, Some("name_taken")), "{answer}");
    // The lead goes to whom any member is asked to give it.
    for to in [2, 1] {
        for member in [&first, &second] {
            member.until("", "somebody leads", |view| view["leader"].is_number()).await;
            let (status, answer) = member.ask("POST", "/leader", Some(json!({"member": to}))).await;
            assert_eq!((status, answer["leader"].as_u64()), (200, Some(to)), "{answer}");
        }
        first.until("", "it leads", |view| view["leader"] == to).await;
        second.until("", "it leads", |view| view["leader"] == to).await;
    }
    second.stop().await;
    let view = first.until("", "one of two is no majority", |view| view["majority"] == false).await;
    assert_eq!((&view["started"], &view["leader"]), (&json!(true), &Value::Null), "{view}");
    let begin = Instant::now();
    loop {
        let (_, ready) = get_json(&format!("{}/readyz", first.running.as_ref().unwrap().endpoints.metrics)).await;
        if ready["ready"] == false && ready.to_string().contains("1 of 2 are heard") {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "{ready}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if who[0] == json!([2]) {
        let log = first.until("/logs/single", "nobody else is up", |log| log["partitions"][0]["absent"] == true).await;
        let why = log["partitions"][0]["error"].as_str().unwrap_or_default();
        assert!(why.ends_with("ask member 2"), "{log}");
    }
    let mut first = first;
    first.stop().await;
}
