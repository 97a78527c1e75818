use axum::body::to_bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::*;
use crate::http::{BoundedListener, Patience, QuotingListener, serve_connections};
use crate::testkit::{Solo, StillBackend, transfer};

fn service(config: RpcConfig, change: impl FnOnce(&mut RpcService)) -> Arc<RpcService> {
    let mut solo = Solo::new().start();
    solo.reach(1);
    for nonce in 0..3 {
        solo.submit(vec![transfer(nonce, 5)]).unwrap();
    }
    solo.reach(4);
    let context = Context {
        backend: Arc::new(StillBackend::over(&solo)),
        commit_timeout: Duration::from_millis(50),
        rpc_address: "127.0.0.1:26657".into(),
        p2p_address: "tcp://127.0.0.1:26656".into(),
        stopping: watch::Sender::new(false).subscribe(),
    };
    let mut service = Arc::into_inner(RpcService::new(context, &config)).unwrap();
    change(&mut service);
    Arc::new(service)
}

async fn ask(service: &Arc<RpcService>, method: Method, uri: &str, body: Value) -> (StatusCode, Value) {
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let request = Request::builder().method(method).uri(uri).header("host", "127.0.0.1").body(body).unwrap();
    let response = handle(State(Arc::clone(service)), request).await;
    let status = response.status();
    assert_eq!(response.headers().contains_key(header::RETRY_AFTER), status == StatusCode::SERVICE_UNAVAILABLE);
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

fn search(id: usize) -> Value {
    let params = json!({"query": "tx.height>0", "per_page": "100", "prove": true});
    json!({"jsonrpc": "2.0", "id": id, "method": "tx_search", "params": params})
}

#[tokio::test]
async fn heavy_calls_wait_for_a_place_and_are_told_when_there_is_none() {
    let service = service(RpcConfig::default(), |service| service.busy_after = Duration::from_millis(50));
    let places = Arc::clone(&service.heavy).acquire_many_owned(HEAVY_AT_ONCE as u32).await.unwrap();
    let uri = "/tx_search?query=%22tx.height%3E0%22&prove=true";
    let (status, refused) = ask(&service, Method::GET, uri, Value::Null).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{refused}");
    for method in ["tx_search", "block_search", "block_results", "blockchain"] {
        assert!(heavy(method).is_some(), "{method}");
    }
    let (_, batch) = ask(&service, Method::POST, "/", json!([search(1), {"id": 2, "method": "status"}])).await;
    assert!(batch[0]["error"]["data"].as_str().unwrap().starts_with("busy: "), "{batch}");
    assert!(batch[1]["result"]["node_info"].is_object(), "what is not heavy is answered: {batch}");
    drop(places);
    let (status, found) = ask(&service, Method::GET, uri, Value::Null).await;
    assert_eq!((status, found["result"]["total_count"].as_str()), (StatusCode::OK, Some("3")));
    assert_eq!(service.heavy.available_permits(), HEAVY_AT_ONCE, "places are given back");
}

#[tokio::test]
async fn a_batch_of_heavy_calls_takes_one_place_and_each_is_answered() {
    let service = service(RpcConfig::default(), |service| service.busy_after = Duration::from_millis(50));
    let _other = Arc::clone(&service.heavy).acquire_many_owned(HEAVY_AT_ONCE as u32 - 1).await.unwrap();
    let (_, batch) = ask(&service, Method::POST, "/", (0..20).map(search).collect()).await;
    for (id, answer) in batch.as_array().unwrap().iter().enumerate() {
        assert_eq!((answer["id"].as_u64(), answer["result"]["total_count"].as_str()), (Some(id as u64), Some("3")));
    }
    assert_eq!(batch.as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn a_batch_ends_where_its_answers_are_too_large() {
    let service = service(RpcConfig::default(), |_| ());
    let budget = Budget::default();
    let first = service.answer_call(search(1), &budget).await.unwrap();
    assert!(first["result"]["txs"][0]["proof"].is_object(), "{first}");
    budget.spend(4 << 20);
    for call in [search(2), json!({"id": 2, "method": "status"})] {
        let refused = service.answer_call(call, &budget).await.unwrap();
        assert_eq!(refused["error"]["data"], "the batch is too large: send fewer calls");
    }
    // The same through the door: each answer counts, those of errors too.
    let config = RpcConfig { max_batch: 10_000, max_body_bytes: 64 << 20, ..RpcConfig::default() };
    let service = self::service(config, |_| ());
    let (_, one) = ask(&service, Method::POST, "/", json!([{"id": 1, "method": "block"}])).await;
    let calls = 2 * (4 << 20) / one.to_string().len();
    let batch = vec![json!({"id": 1, "method": "block"}); calls.min(10_000)];
    let (_, answers) = ask(&service, Method::POST, "/", batch.into()).await;
    let answers = answers.as_array().unwrap();
    let taken = answers.iter().filter(|answer| answer["result"].is_object()).count();
    let bytes = taken * one[0].to_string().len();
    assert!(((4 << 20)..(5 << 20)).contains(&bytes), "{taken} of {} answered, {bytes} bytes", answers.len());
    assert_eq!(answers[taken]["error"]["data"], "the batch is too large: send fewer calls");
}

#[tokio::test]
async fn a_body_that_is_too_large_and_one_that_cannot_be_read_are_told_apart() {
    let service = service(RpcConfig { max_body_bytes: 1024, ..RpcConfig::default() }, |_| ());
    let post = async |body: Body| {
        let request = Request::post("/").header("host", "127.0.0.1").body(body).unwrap();
        let response = handle(State(Arc::clone(&service)), request).await;
        let status = response.status();
        let answer = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        (status, answer["error"]["data"].as_str().unwrap().to_owned())
    };
    let large = "the body is larger than rpc.max_body_bytes = 1024".to_owned();
    assert_eq!(post(Body::from(vec![b' '; 1025])).await, (StatusCode::PAYLOAD_TOO_LARGE, large));
    let parts = [Ok("{"), Err(std::io::Error::other("invalid chunk size line"))];
    let (status, broken) = post(Body::from_stream(futures::stream::iter(parts))).await;
    assert_eq!((status, broken.contains("cannot be read")), (StatusCode::BAD_REQUEST, true), "{broken}");
}

#[tokio::test]
async fn websockets_leave_connections_for_others() {
    let config = RpcConfig { max_connections: 4, max_websockets: 128, ..RpcConfig::default() };
    let stop = watch::Sender::new(false);
    let service = service(config, |service| service.context.stopping = stop.subscribe());
    let listener = BoundedListener::bind("127.0.0.1:0".parse().unwrap(), 4, PATIENCE).await.unwrap();
    let address = axum::serve::Listener::local_addr(&listener).unwrap();
    let routes = watch::channel(service.router()).1;
    let served = serve_connections(QuotingListener(listener), routes, stop.subscribe(), Patience::DEFAULT);
    let served = tokio::spawn(served);
    let open = async || {
        let mut client = TcpStream::connect(address).await.unwrap();
        let ask = "GET /websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        client.write_all(ask.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        tokio::time::timeout(PATIENCE, client.read_exact(&mut status)).await.unwrap().unwrap();
        (client, String::from_utf8(status.to_vec()).unwrap())
    };
    let (first, status) = open().await;
    assert_eq!(status, "HTTP/1.1 101");
    let (_second, status) = open().await;
    assert_eq!(status, "HTTP/1.1 101");
    assert_eq!(open().await.1, "HTTP/1.1 503", "half of the connections are for others");
    drop(first);
    let freed = tokio::time::timeout(PATIENCE, async {
        while open().await.1 != "HTTP/1.1 101" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    freed.await.expect("the place of a closed WebSocket is not given back");
    served.abort();
}
