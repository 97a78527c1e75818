use serde_json::{Value, json};

use super::kit::{ask, homes, start};
use super::logs::Operator;

fn records(count: usize, value: &str) -> String {
    json!({"records": vec![json!({"value": value}); count]}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_served_without_the_token() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    operator.create(json!({"name": "orders"})).await;
    let url = format!("{}/v1/cluster/logs", node.endpoints.api);
    let wrong = [None, Some("Bearer "), Some("Bearer 00"), Some("Basic abc")];
    for header in wrong.into_iter().chain([Some(operator.token.as_str())]) {
        let headers: Vec<_> = header.into_iter().map(|value| ("authorization", value.to_owned())).collect();
        for (method, path, body) in [
            ("GET", "", None),
            ("POST", "", Some(json!({"name": "others"}).to_string())),
            ("GET", "/orders", None),
            ("DELETE", "/orders", None),
            ("GET", "/orders/records", None),
            ("POST", "/orders/records", Some(records(1, "00"))),
            // Not even whether there is such a log, or what is wrong with a body.
            ("GET", "/none", None),
            ("POST", "/orders/records?partition=x", Some("{".into())),
        ] {
            let (status, answer) = ask(method, &format!("{url}{path}"), body, &headers).await;
            assert_eq!((status, &answer["error"]["code"]), (401, &json!("unauthorized")), "{method} {path}");
            assert!(answer["error"]["remedy"].as_str().unwrap().contains("admin.token"), "{answer}");
        }
    }
    let listed = operator.read("").await;
    assert_eq!(
        (listed["logs"].as_array().unwrap().len(), &listed["logs"][0]["partitions"][0]["next_offset"]),
        (1, &json!("0"))
    );
    // The token of the start before is worth nothing.
    node.stop().await;
    let node = start(&homes.homes[0], &[]).await;
    let old = Operator { api: node.endpoints.api.clone(), token: operator.token };
    assert_eq!(old.get("").await.0, 401);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_that_cannot_be_are_refused() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    operator.create(json!({"name": "orders"})).await;
    for (body, status, code, part) in [
        (json!({"name": "orders"}), 409, "log_exists", "orders"),
        (json!({"name": "notary"}), 409, "log_exists", "notary log"),
        (json!({"name": ""}), 400, "bad_request", "1 to 64"),
        (json!({"name": "../orders"}), 400, "bad_request", "not the name of a log"),
        (json!({"name": "Or ders"}), 400, "bad_request", "not the name of a log"),
        (json!({"name": "a".repeat(65)}), 400, "bad_request", "1 to 64"),
        (json!({"name": "pyralog.x"}), 403, "own_log", "kept for the cluster's own logs"),
        (json!({"name": "PyraLog.x"}), 403, "own_log", "kept for the cluster's own logs"),
        (json!({"name": "pyralog"}), 403, "own_log", "nobody else makes pyralog"),
        (
            json!({"name": "new", "partitions": 0}),
            400,
            "bad_request",
            "partitions: found 0, expected a whole number from 1 to 4096",
        ),
        (json!({"name": "new", "partitions": 4097}), 400, "bad_request", "from 1 to 4096"),
        (json!({"name": "new", "partitions": 4_294_967_296u64}), 400, "bad_request", "found 4294967296"),
        (json!({"name": "new", "partitions": "1"}), 400, "bad_request", "from 1 to 4096"),
        (
            json!({"name": "new", "nodeset": 255}),
            400,
            "bad_request",
            "nodeset: found 255, expected a whole number from 1 to 7",
        ),
        (
            json!({"name": "new", "nodeset": 0}),
            400,
            "bad_request",
            "nodeset: found 0, expected a whole number from 1 to 7",
        ),
        (json!({"name": "new", "replication": 8}), 400, "bad_request", "replication: found 8"),
        (json!({"name": "new", "copies": -1}), 400, "bad_request", "copies: found -1"),
        (
            json!({"name": "new", "copysets": "x".repeat(1_000_000)}),
            400,
            "bad_request",
            "x…\", expected one of `partition`",
        ),
        (json!({"name": "new", "copies": 2}), 409, "no_cluster", "on this node alone"),
        (
            json!({"name": "new", "copies": 2, "storage": "memory"}),
            400,
            "bad_request",
            "a log in memory is not replicated",
        ),
        (json!({"name": "new", "segment_bytes": 4096}), 400, "bad_request", "decimal digits"),
        (json!({"name": "new", "segment_bytes": "1048575"}), 400, "bad_request", "1048576 (1 MiB) to 1073741824"),
        (json!({"name": "new", "segment_bytes": "1073741825"}), 400, "bad_request", "1048576 (1 MiB) to 1073741824"),
        (json!({"name": "new", "segment_bytes": "18446744073709551616"}), 400, "bad_request", "above"),
        (json!({"name": "new", "storage": "tape"}), 400, "bad_request", "`disk` or `memory`"),
        (json!({"name": "new", "retention": {"max_age": "1"}}), 400, "bad_request", "unknown field"),
        (json!({"name": "new", "retention": {"max_bytes": "-1"}}), 400, "bad_request", "decimal digits"),
        (json!({"name": "new", "owner": "me"}), 400, "bad_request", "unknown field"),
        (json!({}), 400, "bad_request", "missing field"),
        (json!([]), 400, "bad_request", "found a list, expected an object"),
        (json!(["new", 1, "disk", null, null, null, null, null, null]), 400, "bad_request", "expected an object"),
        (
            json!({"name": "new", "retention": ["1", "1"]}),
            400,
            "bad_request",
            "retention: found a list, expected an object",
        ),
    ] {
        let (found, answer) = operator.ask("POST", "", Some(body.to_string())).await;
        assert_eq!((found, answer["error"]["code"].as_str()), (status, Some(code)), "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.len() < 400, "{answer}");
        assert!(message.contains(part) && answer["error"]["remedy"].is_string(), "{body}: {answer}");
    }
    for body in ["", "{", r#"{"name": "new", "name": "new"}"#, &format!("{{\"name\": {}", "[".repeat(100_000))] {
        let (status, answer) = operator.ask("POST", "", Some(body.into())).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("bad_request")), "{answer}");
    }
    assert_eq!(operator.read("").await["logs"].as_array().unwrap().len(), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_cannot_be_are_refused_and_nothing_of_them_is_taken() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[("api.max_body_bytes", "12000000")]).await;
    let operator = Operator::of(&homes, &node);
    operator.create(json!({"name": "orders", "partitions": 2})).await;
    let value = |value: Value| json!({"records": [{"value": "00"}, {"value": value}]}).to_string();
    let large = "00".repeat(1_000_000);
    let path = "/orders/records";
    for (path, body, status, code, part) in [
        (path, records(0, ""), 400, "bad_request", "0 records in one request"),
        (path, records(4_097, ""), 400, "bad_request", "4097 records in one request"),
        (path, records(500_000, ""), 400, "bad_request", "500000 records in one request"),
        (path, value(json!("0A")), 400, "bad_request", "record 1: value: a byte string has upper-case digits"),
        (path, value(json!("0")), 400, "bad_request", "record 1: value: a byte string is not hex"),
        (path, value(json!(["00"])), 400, "bad_request", "record 1: "),
        (path, value(json!("00".repeat(1 << 20))), 413, "record_too_large", "record 1 has 1048594 bytes"),
        (path, records(5, &large), 400, "bad_request", "at most 4194304 bytes"),
        (
            path,
            json!({"records": [{"value": "", "timestamp": "18446744073709551616"}]}).to_string(),
            400,
            "bad_request",
            "above",
        ),
        (path, json!({"records": [{"value": "", "timestamp": 1}]}).to_string(), 400, "bad_request", "decimal digits"),
        (path, r#"{"records": [{"value": "", "value": ""}]}"#.into(), 400, "bad_request", "duplicate field"),
        (path, format!("{{\"records\": {}", "[".repeat(1_000_000)), 400, "bad_request", "not understood"),
        (path, " ".repeat(12_000_001), 413, "too_large", "12000000 bytes"),
        ("/orders/records?partition=2", records(1, ""), 404, "no_such_partition", "partitions 0 to 1"),
        ("/orders/records?partition=4294967296", records(1, ""), 400, "bad_request", "above 4294967295"),
        ("/orders/records?partition=-1", records(1, ""), 400, "bad_request", "decimal digits"),
        ("/none/records", records(1, ""), 404, "no_such_log", "none"),
        ("/..%2Fcore/records", records(1, ""), 404, "no_such_log", "core"),
    ] {
        let shown: String = body.chars().take(100).collect();
        let (found, answer) = operator.ask("POST", path, Some(body)).await;
        assert_eq!((found, answer["error"]["code"].as_str()), (status, Some(code)), "{path} {shown}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(part) && answer["error"]["remedy"].is_string(), "{path} {shown}: {answer}");
    }
    // A query that axum itself refuses has no remedy.
    for path in ["/orders/records?partitions=0", "/orders/records?partition=0&partition=1"] {
        let (status, answer) = operator.ask("POST", path, Some(records(1, ""))).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("bad_request")), "{path}: {answer}");
    }
    let shown = operator.read("/orders").await;
    assert!(shown["partitions"].as_array().unwrap().iter().all(|partition| partition["next_offset"] == "0"), "{shown}");
    // At the bounds all is well.
    let longest = "00".repeat((1 << 20) - 18);
    assert_eq!(operator.append(path, json!([{"value": longest}])).await.len(), 1);
    assert_eq!(operator.append(path, json!(vec![json!({"value": ""}); 4_096])).await.len(), 4_096);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_have_no_answer_are_refused() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    let operator = Operator::of(&homes, &node);
    operator.create(json!({"name": "orders"})).await;
    operator.append("/orders/records", json!([{"value": "aa"}, {"value": "bb"}])).await;
    for (path, status, code, part) in [
        ("/none", 404, "no_such_log", "none"),
        ("/none/records", 404, "no_such_log", "none"),
        ("/orders/records?partition=1", 404, "no_such_partition", "0 to 0"),
        ("/orders/records?from=3", 416, "out_of_range", "from 0 up to but not including 2; 3 was asked for"),
        ("/orders/records?from=18446744073709551615&wait_ms=10000", 416, "out_of_range", "not including 2"),
        ("/orders/records?from=18446744073709551616", 400, "bad_request", "above 18446744073709551615"),
        ("/orders/records?from=0&time=0", 400, "bad_request", "both given"),
        ("/orders/records?limit=0", 400, "bad_request", "limit is 0"),
        ("/orders/records?limit=1001", 400, "bad_request", "above 1000"),
        ("/orders/records?proof=yes", 400, "bad_request", "proof"),
    ] {
        let (found, answer) = operator.get(path).await;
        assert_eq!((found, answer["error"]["code"].as_str()), (status, Some(code)), "{path}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(part) && answer["error"]["remedy"].is_string(), "{path}: {answer}");
    }
    let (_, answer) = operator.get("/orders/records?from=3").await;
    assert_eq!((&answer["error"]["first_offset"], &answer["error"]["end_offset"]), (&json!("0"), &json!("2")));
    for (method, path, status) in
        [("GET", "/orders/records?offset=0", 400), ("PUT", "/orders", 405), ("GET", "/a/b/c", 404)]
    {
        let (found, answer) = operator.ask(method, path, None).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
        assert!(answer["error"]["code"].is_string(), "{method} {path}: {answer}");
    }
    node.stop().await;
}
