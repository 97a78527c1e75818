use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pyralog_consensus::light::LightBlock;
use pyralog_crypto::Address;
use serde_json::json;

use super::kit::{get, get_json, homes, post, post_text, start};

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_and_the_ledger_can_be_read() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    node.reach(3).await;
    let api = &node.endpoints.api;
    let (_, status) = get_json(&format!("{api}/v1/status")).await;
    assert_eq!(status["chain_id"], "pyralog-dev-test");
    assert!(status["height"].as_u64().unwrap() >= 3);
    assert_eq!(status["log"]["registered"], true);
    assert_eq!(status["catching_up"], false);
    let (_, genesis) = get_json(&format!("{api}/v1/genesis")).await;
    assert_eq!(genesis["chain_id"], "pyralog-dev-test");
    let rich = Address::from_key(&homes.rich.public_key());
    let (_, account) = get_json(&format!("{api}/v1/accounts/{rich}")).await;
    assert_eq!((account["balance"].as_str(), account["nonce"].as_str()), (Some("1000000000000"), Some("0")));
    let (_, block) = get_json(&format!("{api}/v1/blocks/2")).await;
    assert_eq!(block["height"], 2);
    let (_, latest) = get_json(&format!("{api}/v1/blocks/latest")).await;
    assert!(latest["height"].as_u64().unwrap() >= 3);
    let (_, logs) = get_json(&format!("{api}/v1/logs")).await;
    let id = logs["logs"][0]["log"].as_str().unwrap();
    let (_, log) = get_json(&format!("{api}/v1/logs/{id}")).await;
    assert_eq!(log, logs["logs"][0]);
    for height in ["1", "3", "latest"] {
        let (status, text) = get(&format!("{api}/v1/light/{height}")).await;
        assert_eq!(status, 200, "{text}");
        LightBlock::from_json(text.as_bytes()).unwrap().check().unwrap();
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_taken_or_refused_with_a_code() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    node.reach(1).await;
    let api = &node.endpoints.api;
    let send = async |tx: &[u8]| post(&format!("{api}/v1/tx"), &json!({"txs": [STANDARD.encode(tx)]})).await;
    let good = homes.transfer(0, 1_000, |_| ());
    let (status, answer) = send(&good).await;
    assert_eq!(status, 200, "{answer}");
    let hash = answer["hash"].as_str().unwrap().to_owned();
    let mut found = (0, json!(null));
    for _ in 0..200 {
        found = get_json(&format!("{api}/v1/tx/{hash}")).await;
        if found.0 == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(found.0, 200, "{}", found.1);
    assert_eq!((found.1["status"].as_str(), found.1["kind"].as_str()), (Some("committed"), Some("signed")));

    let mut broken = homes.transfer(1, 1, |_| ());
    let last = broken.len() - 1;
    broken[last] ^= 1;
    for (tx, code) in [
        (homes.transfer(0, 1, |_| ()), "nonce_replayed"),
        (homes.transfer(1, 1, |body| body.chain_id = "pyralog-dev-other".into()), "wrong_chain"),
        (homes.transfer(1, u64::MAX, |_| ()), "overflow"),
        (homes.transfer(1, 10_000_000_000_000, |_| ()), "insufficient_funds"),
        (homes.transfer(1, 1, |body| body.expiry_height = 1), "expired"),
        (broken, "bad_signature"),
        (vec![0xff; 20], "unknown_version"),
        (vec![1; 70_000], "too_large"),
    ] {
        let (status, answer) = send(&tx).await;
        assert_eq!((status, answer["error"]["code"].as_str()), (400, Some(code)), "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().len() > 10);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_answered_with_a_remedy_and_strangers_are_refused() {
    let homes = homes(1);
    let settings = [("api.max_body_bytes", "5000"), ("api.rate_limit_per_s", "1000")];
    let node = start(&homes.homes[0], &settings).await;
    let api = &node.endpoints.api;
    for (path, expected) in [
        ("/", 404),
        ("/v1/blocks/none", 400),
        ("/v1/blocks/99999", 404),
        ("/v1/accounts/nobody", 400),
        ("/v1/logs/zz", 400),
        ("/v1/tx/zz", 400),
        ("/v1/notary/receipts/x", 400),
        ("/v1/notary/leaves", 405),
    ] {
        let (status, answer) = get_json(&format!("{api}{path}")).await;
        assert_eq!(status, expected, "{path}: {answer}");
        assert!(answer["error"]["code"].is_string() && answer["error"]["message"].is_string(), "{path}: {answer}");
    }
    let (status, text) = post_text(&format!("{api}/v1/tx"), "x".repeat(6_000), &[]).await;
    assert_eq!(status, 413, "{text}");
    let (status, text) =
        post_text(&format!("{api}/v1/tx"), "{}".into(), &[("origin", "http://evil.example".into())]).await;
    assert_eq!(status, 403, "{text}");
    let (status, _) = post_text(&format!("{api}/v1/tx"), "{}".into(), &[("host", "evil.example".into())]).await;
    assert_eq!(status, 403);

    let resume = format!("{api}/v1/admin/signer/resume");
    let (status, _) = post_text(&resume, String::new(), &[]).await;
    assert_eq!(status, 401);
    let token = std::fs::read_to_string(homes.homes[0].admin_token()).unwrap();
    let bearer = format!("Bearer {}", token.trim());
    let (status, text) = post_text(&resume, String::new(), &[("authorization", bearer)]).await;
    assert_eq!(status, 200, "{text}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_too_often_is_told_when_to_come_back() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[("api.rate_limit_per_s", "5")]).await;
    let mut limited = 0;
    for _ in 0..30 {
        let (status, answer) = get_json(&format!("{}/v1/genesis", node.endpoints.api)).await;
        if status == 429 {
            limited += 1;
            assert_eq!(answer["error"]["code"], "rate_limited");
        }
    }
    assert!(limited > 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_answered_as_every_other_error() {
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    node.reach(1).await;
    let api = &node.endpoints.api;
    let (_, logs) = get_json(&format!("{api}/v1/logs")).await;
    let id = logs["logs"][0]["log"].as_str().unwrap();
    for path in [
        "/v1/logs?from=-1".into(),
        "/v1/logs?form=1".into(),
        format!("/v1/anchors/{id}?limit=x"),
        "/v1/notary/receipts/0?wait_ms=x".into(),
        "/v1/notary/refresh/x".into(),
        "/v1/blocks/%FF".into(),
    ] {
        let (status, answer) = get_json(&format!("{api}{path}")).await;
        assert_eq!((status, answer["error"]["code"].as_str()), (400, Some("bad_request")), "{path}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("not understood") && answer["error"]["remedy"].is_string(), "{path}: {answer}");
        for foreign in ["deserialize", "URL", "u64"] {
            assert!(!message.contains(foreign), "{path}: {message}");
        }
    }
    let (status, answer) = post(&format!("{api}/v1/notary/leaves?promise=each&x=1"), &json!({"leaves": []})).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (400, Some("bad_request")), "{answer}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_chunks_that_are_none_is_refused_with_a_remedy() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let homes = homes(1);
    let node = start(&homes.homes[0], &[]).await;
    let token = std::fs::read_to_string(homes.homes[0].admin_token()).unwrap();
    let address = node.endpoints.api.trim_start_matches("http://");
    for path in ["/v1/tx", "/v1/notary/leaves", "/v1/cluster/logs", "/v1/cluster/logs/orders/records"] {
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        let token = token.trim();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n"
        );
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4_096];
        let read = tokio::time::timeout(std::time::Duration::from_secs(20), client.read(&mut answer));
        let count = read.await.expect("it waits for ever").unwrap();
        let answer = String::from_utf8_lossy(&answer[..count]);
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
        assert!(answer.contains("its chunks are malformed") && answer.contains("content-length"), "{path}: {answer}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_arrive_is_said_to_be_the_clients_fault() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let homes = homes(1);
    let node = start(&homes.homes[0], &[("api.request_timeout_s", "1")]).await;
    let address = node.endpoints.api.trim_start_matches("http://");
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let begun = b"POST /v1/notary/leaves HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"leaves\":";
    client.write_all(begun).await.unwrap();
    let mut answer = String::new();
    let read = client.read_to_string(&mut answer);
    tokio::time::timeout(std::time::Duration::from_secs(20), read).await.expect("it waits for ever").unwrap();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"request_timeout\""), "{answer}");
    node.stop().await;
}
