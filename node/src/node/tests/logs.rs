use std::time::{Duration, Instant};

use bytes::Bytes;
use pyralog_crypto::{Header, PartitionConsistency, PublicKey, Record, RecordProof, SignedPartitionCheckpoint};
use serde_json::{Value, json};

use super::kit::{Homes, Running, ask, get, homes, start};

/// Who holds the node's admin token.
pub struct Operator {
    pub api: String,
    pub token: String,
}

impl Operator {
    /// The first node of `homes`.
    pub fn of(homes: &Homes, node: &Running) -> Self {
        let token = std::fs::read_to_string(homes.homes[0].admin_token()).unwrap();
        Self { api: node.endpoints.api.clone(), token: token.trim().into() }
    }

    pub async fn ask(&self, method: &str, path: &str, body: Option<String>) -> (u16, Value) {
        let headers = [("authorization", format!("Bearer {}", self.token))];
        ask(method, &format!("{}/v1/cluster/logs{path}", self.api), body, &headers).await
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, None).await
    }

    pub async fn create(&self, log: Value) -> Value {
        let (status, answer) = self.ask("POST", "", Some(log.to_string())).await;
        assert_eq!(status, 201, "{answer}");
        answer
    }

    pub async fn append(&self, path: &str, records: Value) -> Vec<(u32, u64)> {
        let (status, answer) = self.ask("POST", path, Some(json!({"records": records}).to_string())).await;
        assert_eq!(status, 200, "{answer}");
        let place = |place: &Value| (place["partition"].as_u64().unwrap() as u32, whole(&place["offset"]));
        answer["records"].as_array().unwrap().iter().map(place).collect()
    }

    pub async fn read(&self, path: &str) -> Value {
        let (status, answer) = self.get(path).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

fn whole(text: &Value) -> u64 {
    text.as_str().unwrap().parse().unwrap()
}

fn offsets(page: &Value) -> Vec<u64> {
    page["records"].as_array().unwrap().iter().map(|record| whole(&record["offset"])).collect()
}

/// Hex of a byte.
fn byte(n: u8) -> String {
    hex::encode([n])
}

/// The record that an answer shows.
fn record(shown: &Value) -> Record {
    let bytes = |text: &Value| Bytes::from(hex::decode(text.as_str().unwrap()).unwrap());
    let header =
        |header: &Value| Header { name: header["name"].as_str().unwrap().into(), value: bytes(&header["value"]) };
    let key = Some(&shown["key"]).filter(|key| !key.is_null()).map(bytes);
    let headers = shown["headers"].as_array().unwrap().iter().map(header).collect();
    Record::new(whole(&shown["timestamp"]), key, bytes(&shown["value"]), headers).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_appended_is_read_again_as_it_was_also_after_a_restart() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    let made = operator.create(json!({"name": "orders"})).await;
    assert_eq!((made["name"].as_str(), made["storage"].as_str()), (Some("orders"), Some("disk")));
    assert_eq!((made["segment_bytes"].as_str(), &made["retention"]["max_bytes"]), (Some("67108864"), &Value::Null));
    let empty = json!([{
        "partition": 0, "first_offset": "0", "next_offset": "0", "bytes": "0", "segments": 0, "min_time": null, "max_time": null
    }]);
    assert_eq!(made["partitions"], empty);

    let full =
        json!({"timestamp": "1732700000000", "key": "", "value": "00ff", "headers": [{"name": "é", "value": "01"}]});
    let plain = json!({"value": ""});
    let now = crate::logs::now_ms();
    let places = operator.append("/orders/records", json!([full, plain])).await;
    assert_eq!(places, [(0, 0), (0, 1)]);
    let page = operator.read("/orders/records").await;
    let mut expected = full.clone();
    expected["offset"] = "0".into();
    assert_eq!(page["records"][0], expected);
    let other = &page["records"][1];
    assert_eq!((&other["key"], &other["value"], &other["headers"]), (&Value::Null, &json!(""), &json!([])));
    assert!((now..=crate::logs::now_ms()).contains(&whole(&other["timestamp"])), "not the node's clock: {other}");
    assert_eq!((whole(&page["first_offset"]), whole(&page["next_offset"]), whole(&page["end_offset"])), (0, 2, 2));
    assert_eq!((&page["partition"], &page["chain_id"]), (&json!(0), &json!("pyralog-dev-test")));
    assert_eq!(page["log_owner"], json!(node.backend.identity().log_owner));
    assert!(page.get("checkpoint").is_none());
    node.stop().await;

    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    assert_eq!(operator.read("/orders/records").await, page);
    assert_eq!(operator.append("/orders/records", json!([plain])).await, [(0, 2)]);
    let shown = operator.read("/orders").await;
    let partition = &shown["partitions"][0];
    assert_eq!((whole(&partition["next_offset"]), whole(&partition["min_time"])), (3, 1_732_700_000_000));
    assert!(whole(&partition["max_time"]) >= now && whole(&partition["bytes"]) > 0, "{partition}");
    assert_eq!((&partition["segments"], &shown["log"]), (&json!(1), &made["log"]));
    assert_eq!(operator.read("").await, json!({"logs": [shown]}));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_have_their_partition_and_records_without_one_go_together() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    operator.create(json!({"name": "orders", "partitions": 8})).await;
    let records: Vec<Value> = (0..40).map(|n| json!({"key": byte(n), "value": byte(n)})).collect();
    let places = operator.append("/orders/records", json!(records)).await;
    for (n, (partition, offset)) in places.iter().enumerate() {
        let hash = blake3_first_8(&[n as u8]);
        assert_eq!(u64::from(*partition), hash % 8, "key {n}");
        let page = operator.read(&format!("/orders/records?partition={partition}&from={offset}&limit=1")).await;
        assert_eq!(page["records"][0]["value"], byte(n as u8));
    }
    let places = operator.append("/orders/records", json!([{"value": "aa"}, {"value": "bb"}])).await;
    assert_eq!((places[0].0, places[0].1 + 1), places[1]);
    // A partition that is named takes whatever is sent.
    let before = whole(&operator.read("/orders").await["partitions"][5]["next_offset"]);
    let places =
        operator.append("/orders/records?partition=5", json!([{"key": "00", "value": ""}, {"value": ""}])).await;
    assert_eq!(places, [(5, before), (5, before + 1)]);
    node.stop().await;
}

fn blake3_first_8(key: &[u8]) -> u64 {
    let hash = <pyralog_crypto::Blake3 as pyralog_crypto::MerkleHash>::digest(key);
    u64::from_be_bytes(hash.0[..8].try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_begin_at_an_offset_or_a_time_and_take_as_many_as_they_say() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    operator.create(json!({"name": "orders"})).await;
    let records: Vec<Value> = (0..150u64).map(|n| json!({"timestamp": (10 * n).to_string(), "value": "00"})).collect();
    operator.append("/orders/records", json!(records)).await;
    for (query, first, count) in [
        ("", 0, 100),
        ("?limit=1000", 0, 150),
        ("?from=140", 140, 10),
        ("?from=7&limit=3", 7, 3),
        ("?time=0&limit=1", 0, 1),
        ("?time=701&limit=2", 71, 2),
        ("?time=1490&limit=2", 149, 1),
    ] {
        let page = operator.read(&format!("/orders/records{query}")).await;
        assert_eq!(offsets(&page), (first..first + count).collect::<Vec<u64>>(), "{query}");
        assert_eq!((whole(&page["next_offset"]), whole(&page["end_offset"])), (first + count, 150), "{query}");
    }
    for query in ["?from=150", "?time=1491"] {
        let page = operator.read(&format!("/orders/records{query}")).await;
        assert_eq!((offsets(&page), whole(&page["next_offset"])), (vec![], 150), "{query}");
    }
    // About 4 MiB of values in one answer, and one record at least.
    for n in 0..6 {
        let large = json!([{"value": byte(n).repeat(1_000_000)}]);
        operator.append("/orders/records", large).await;
    }
    let page = operator.read("/orders/records?from=150&limit=1000").await;
    assert_eq!(offsets(&page), [150, 151, 152, 153]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_at_the_end_is_given_the_next_record_when_it_is_there() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[("api.max_wait_ms", "20000")]).await;
    let operator = Operator::of(&homes, &node);
    operator.create(json!({"name": "orders"})).await;
    let started = Instant::now();
    let page = operator.read("/orders/records?wait_ms=200").await;
    assert!(offsets(&page).is_empty() && started.elapsed() >= Duration::from_millis(200));
    let (page, places) = tokio::join!(operator.read("/orders/records?wait_ms=18446744073709551615"), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        operator.append("/orders/records", json!([{"value": "aa"}, {"value": "bb"}])).await
    });
    assert_eq!((offsets(&page), places.len()), (vec![0, 1], 2), "{page}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_verify_with_nothing_but_the_owners_key() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    let made = operator.create(json!({"name": "orders", "partitions": 2, "segment_bytes": "1048576"})).await;
    let path = "/orders/records?partition=1&proof=1";
    let page = operator.read(path).await;
    let empty: SignedPartitionCheckpoint = serde_json::from_value(page["checkpoint"].clone()).unwrap();
    assert!(offsets(&page).is_empty() && empty.checkpoint.size == 0, "{page}");
    // Several segments.
    for n in 0..10 {
        let records: Vec<Value> = (0..5).map(|m| json!({"key": byte(m), "value": byte(n).repeat(50_000)})).collect();
        operator.append("/orders/records?partition=1", json!(records)).await;
    }
    let owner: PublicKey = node.backend.identity().log_owner;
    empty.verify("pyralog-dev-test", &owner).unwrap();
    for (query, first, count) in [("", 0, 50), ("&from=23&limit=4", 23, 4)] {
        let page = operator.read(&format!("{path}{query}")).await;
        let signed: SignedPartitionCheckpoint = serde_json::from_value(page["checkpoint"].clone()).unwrap();
        signed.verify("pyralog-dev-test", &owner).unwrap();
        let checkpoint = signed.checkpoint;
        assert_eq!((json!(checkpoint.log), checkpoint.partition, checkpoint.size), (made["log"].clone(), 1, 50));
        assert!(checkpoint.segments > 1, "{checkpoint:?}");
        assert_eq!(offsets(&page), (first..first + count).collect::<Vec<u64>>());
        for shown in page["records"].as_array().unwrap() {
            let proof: RecordProof = serde_json::from_value(shown["proof"].clone()).unwrap();
            assert_eq!(proof.offset, whole(&shown["offset"]));
            proof.verify(&record(shown).leaf_hash(), &checkpoint).unwrap();
        }
    }
    let old: SignedPartitionCheckpoint =
        serde_json::from_value(operator.read(&format!("{path}&limit=1")).await["checkpoint"].clone()).unwrap();
    operator.append("/orders/records?partition=1", json!([{"value": "00"}])).await;
    // After a restart the same records have proofs, under a checkpoint that continues the one from before.
    node.stop().await;
    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    let page = operator.read(&format!("{path}&limit=1")).await;
    let signed: SignedPartitionCheckpoint = serde_json::from_value(page["checkpoint"].clone()).unwrap();
    signed.verify("pyralog-dev-test", &owner).unwrap();
    assert_eq!((old.checkpoint.size, signed.checkpoint.size), (50, 51));
    let grown = operator.read("/orders/consistency?partition=1&old=50&new=51").await;
    assert_eq!((&grown["partition"], &grown["old"], &grown["new"]), (&json!(1), &json!("50"), &json!("51")));
    let proof: PartitionConsistency = serde_json::from_value(grown["consistency"].clone()).unwrap();
    proof.verify(&old.checkpoint, &signed.checkpoint).unwrap();
    for (query, status, code) in [
        ("?partition=1&old=51&new=50", 400, "bad_request"),
        ("?partition=1&old=50&new=52", 400, "bad_request"),
        ("?partition=1&old=50", 400, "bad_request"),
        ("?partition=1&old=x&new=51", 400, "bad_request"),
        ("?partition=2&old=1&new=2", 404, "no_such_partition"),
        ("?old=1&new=2", 416, "out_of_range"),
        ("?partition=1&incarnation=0&old=50&new=51", 409, "log_replaced"),
    ] {
        let (found, answer) = operator.get(&format!("/orders/consistency{query}")).await;
        assert_eq!((found, answer["error"]["code"].as_str()), (status, Some(code)), "{query}: {answer}");
        assert!(answer["error"]["remedy"].is_string(), "{answer}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_log_is_gone_and_its_name_is_free() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    let made = operator.create(json!({"name": "orders"})).await;
    operator.append("/orders/records", json!([{"value": "aa"}])).await;
    assert_eq!(operator.ask("DELETE", "/orders", None).await, (200, json!({"deleted": "orders"})));
    for (method, path) in [("DELETE", "/orders"), ("GET", "/orders"), ("GET", "/orders/records")] {
        let (status, answer) = operator.ask(method, path, None).await;
        assert_eq!((status, &answer["error"]["code"]), (404, &json!("no_such_log")), "{method} {path}");
    }
    let again = operator.create(json!({"name": "orders"})).await;
    assert!(again["log"] != made["log"] && whole(&again["incarnation"]) > whole(&made["incarnation"]), "{again}");
    assert!(offsets(&operator.read("/orders/records").await).is_empty());
    let path = format!("/orders/records?incarnation={}", made["incarnation"].as_str().unwrap());
    let (status, answer) = operator.get(&path).await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("log_replaced")), "{answer}");
    assert_eq!(answer["error"]["incarnation"], again["incarnation"]);
    operator.ask("DELETE", "/orders", None).await;
    node.stop().await;
    let node = start(&homes.homes[0], &[]).await;
    assert_eq!(Operator::of(&homes, &node).read("").await, json!({"logs": []}));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_memory_is_empty_after_a_restart() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    let made = operator.create(json!({"name": "cache", "storage": "memory"})).await;
    assert_eq!(made["storage"], "memory");
    operator.append("/cache/records", json!([{"value": "aa"}])).await;
    assert_eq!(offsets(&operator.read("/cache/records").await), [0]);
    let (status, answer) = operator.get("/cache/records?proof=1").await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("no_checkpoints")), "{answer}");
    node.stop().await;
    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    let page = operator.read("/cache/records").await;
    assert_eq!((offsets(&page), whole(&page["end_offset"])), (vec![], 0));
    assert!(whole(&page["incarnation"]) > whole(&made["incarnation"]), "{page}");
    assert_eq!(operator.append("/cache/records", json!([{"value": "aa"}])).await, [(0, 0)]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_no_log_need_keep_go_and_metrics_count_what_came() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[("logs.retention_interval_s", "1")]).await;
    let operator = Operator::of(&homes, &node);
    let log = json!({"name": "orders", "partitions": 3, "segment_bytes": "1048576", "retention": {"max_bytes": "1"}});
    let made = operator.create(log).await;
    assert_eq!(made["retention"], json!({"max_age_ms": null, "max_bytes": "1"}));
    for _ in 0..8 {
        operator.append("/orders/records?partition=0", json!([{"value": "00".repeat(400_000)}])).await;
    }
    let mut first = 0;
    for _ in 0..400 {
        first = whole(&operator.read("/orders").await["partitions"][0]["first_offset"]);
        if first > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(first > 0, "nothing went");
    let (status, answer) = operator.get("/orders/records?from=0").await;
    assert_eq!((status, &answer["error"]["code"]), (416, &json!("out_of_range")), "{answer}");
    assert_eq!(answer["error"]["end_offset"], "8");
    let page = operator.read("/orders/records?proof=1").await;
    assert_eq!(page["records"][0]["offset"], page["first_offset"]);
    let (_, text) = get(&format!("{}/metrics", node.endpoints.metrics)).await;
    for line in ["pyralog_logs_records_total 8", "pyralog_logs_logs 1", "pyralog_logs_partitions 3"] {
        assert!(text.lines().any(|found| found == line), "{line} is missing");
    }
    let bytes = text.lines().find_map(|line| line.strip_prefix("pyralog_logs_record_bytes_total ")).unwrap();
    assert!(bytes.parse::<u64>().unwrap() > 3_200_000, "{bytes}");
    node.stop().await;
}
