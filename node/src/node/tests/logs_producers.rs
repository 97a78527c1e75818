use serde_json::{Value, json};

use super::kit::{homes, start};
use super::logs::Operator;

/// What is sent again.
fn batch(producer: &Value, sequence: u64) -> String {
    let records = json!([{"timestamp": "7", "value": "aa"}, {"timestamp": "7", "key": "01", "value": "bb"}]);
    json!({"producer": producer, "sequence": sequence.to_string(), "records": records}).to_string()
}

async fn open(operator: &Operator, log: &str, body: Value) -> Value {
    let (status, answer) = operator.ask("POST", &format!("/{log}/producers"), Some(body.to_string())).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(answer["producer"].as_str().unwrap().len(), 32, "{answer}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_producer_sends_again_has_its_first_place_also_after_a_restart() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    operator.create(json!({"name": "orders"})).await;
    let records = "/orders/records";
    // These are taken over with the log.
    assert_eq!(operator.append(records, json!([{"value": "00"}])).await, [(0, 0)]);
    let opened = open(&operator, "orders", json!({})).await;
    assert_eq!(opened["partition"], 0);
    let producer = &opened["producer"];
    let first = operator.ask("POST", records, Some(batch(producer, 1))).await;
    let places = json!({"records": [{"partition": 0, "offset": "1"}, {"partition": 0, "offset": "2"}]});
    assert_eq!(first, (200, places));
    assert_eq!(operator.ask("POST", records, Some(batch(producer, 1))).await, first);
    // Others go on beside it.
    assert_eq!(operator.append(records, json!([{"value": "00"}])).await, [(0, 3)]);
    let second = operator.ask("POST", &format!("{records}?partition=0"), Some(batch(producer, 2))).await;
    assert_eq!(second.1["records"][0]["offset"], "4", "{second:?}");
    let before = operator.read(records).await;
    node.stop().await;

    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    for _ in 0..2 {
        assert_eq!(operator.ask("POST", records, Some(batch(producer, 2))).await, second);
        assert_eq!(operator.ask("POST", records, Some(batch(producer, 1))).await, first);
    }
    assert_eq!(operator.read(records).await, before);
    let (status, gap) = operator.ask("POST", records, Some(batch(producer, 4))).await;
    assert_eq!((status, &gap["error"]["code"], &gap["error"]["expected"]), (409, &json!("gap"), &json!("3")));
    let third = operator.ask("POST", records, Some(batch(producer, 3))).await;
    assert_eq!(third.1["records"][0]["offset"], "6", "{third:?}");
    // Another one is another one.
    let other = open(&operator, "orders", json!({"partition": 0})).await;
    assert_ne!(other["producer"], *producer);
    let fourth = operator.ask("POST", records, Some(batch(&other["producer"], 1))).await;
    assert_eq!(fourth.1["records"][0]["offset"], "8", "{fourth:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn producers_that_nobody_knows_and_records_that_go_elsewhere_are_refused() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    operator.create(json!({"name": "orders", "partitions": 2})).await;
    operator.create(json!({"name": "fast", "storage": "memory"})).await;
    let nobody = json!("00000000000000010000000000000001");
    let refused = async |path: &str, body: String, status: u16, code: &str| {
        let (found, answer) = operator.ask("POST", path, Some(body)).await;
        assert_eq!((found, answer["error"]["code"].as_str()), (status, Some(code)), "{path}: {answer}");
        assert!(answer["error"]["remedy"].is_string(), "{answer}");
    };
    // The log has no producer yet, and is the node's own.
    refused("/orders/records?partition=1", batch(&nobody, 1), 409, "unknown_producer").await;
    refused("/fast/producers", "{}".into(), 409, "no_producers").await;
    refused("/fast/records", batch(&nobody, 1), 409, "unknown_producer").await;
    refused("/others/producers", "{}".into(), 404, "no_such_log").await;
    refused("/others/records", batch(&nobody, 1), 404, "no_such_log").await;
    refused("/orders/producers", json!({"partition": 2}).to_string(), 404, "no_such_partition").await;
    refused("/orders/producers", json!({"partitions": 2}).to_string(), 400, "bad_request").await;
    let producer = open(&operator, "orders", json!({"partition": 1})).await["producer"].clone();
    refused("/orders/records", batch(&producer, 1), 400, "bad_request").await;
    refused("/orders/records?partition=2", batch(&producer, 1), 404, "no_such_partition").await;
    refused("/orders/records?partition=0", batch(&json!("ff".repeat(16)), 1), 409, "unknown_producer").await;
    refused("/orders/records?partition=1", batch(&producer, 2), 409, "gap").await;
    let (status, answer) = operator.ask("POST", "/orders/records?partition=1", Some(batch(&producer, 1))).await;
    assert_eq!((status, &answer["records"][1]), (200, &json!({"partition": 1, "offset": "1"})), "{answer}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_is_answered_when_it_is_as_safe_as_was_asked_for() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    operator.create(json!({"name": "orders"})).await;
    let records = "/orders/records";
    let one = || Some(json!({"records": [{"value": "aa"}, {"value": "bb"}]}).to_string());
    let early = async |path: &str, ack: &str, led: bool| {
        let (status, answer) = operator.ask("POST", path, one()).await;
        let places = answer["records"].as_array().unwrap();
        assert_eq!((status, places.len()), (200, 2), "{answer}");
        for place in places {
            assert_eq!((&place["partition"], &place["offset"], &place["ack"]), (&json!(0), &Value::Null, &json!(ack)));
            assert_eq!((place["epoch"].is_string(), place["number"].is_string()), (led, led), "{answer}");
        }
    };
    // A log that the node has alone, and then the cluster's.
    for led in [false, true] {
        early(&format!("{records}?ack=cached"), "cached", led).await;
        early(&format!("{records}?partition=0&ack=replicated"), "replicated", led).await;
        let places = operator.append(&format!("{records}?ack=durable"), json!([{"value": "cc"}])).await;
        assert_eq!(places, [(0, if led { 9 } else { 4 })], "what was acknowledged before stands before it");
        if !led {
            open(&operator, "orders", json!({})).await;
        }
    }
    let producer = open(&operator, "orders", json!({})).await["producer"].clone();
    for (path, body) in [
        (format!("{records}?ack=cached"), batch(&producer, 1)),
        (format!("{records}?ack=replicated"), batch(&producer, 1)),
        (format!("{records}?ack=soon"), one().unwrap()),
        (format!("{records}?ack="), one().unwrap()),
    ] {
        let (status, answer) = operator.ask("POST", &path, Some(body)).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("bad_request")), "{path}: {answer}");
        assert!(answer["error"]["remedy"].is_string(), "{answer}");
    }
    let (status, answer) = operator.ask("POST", &format!("{records}?ack=durable"), Some(batch(&producer, 1))).await;
    assert_eq!((status, &answer["records"][0]["offset"]), (200, &json!("10")), "{answer}");
    node.stop().await;
}
