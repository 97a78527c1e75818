use std::net::SocketAddr;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::http::BoundedListener;

/// Far longer than any patience of a test.
const LIMIT: Duration = Duration::from_secs(30);

async fn server(patience: Duration) -> (SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
    let listener = BoundedListener::bind("127.0.0.1:0".parse().unwrap(), 8, 2 * LIMIT).await.unwrap();
    let address = listener.local_addr().unwrap();
    let whoami = get(|ConnectInfo(ClientAddr(client)): ConnectInfo<ClientAddr>| async move { client.to_string() });
    let routes = Router::new().route("/", whoami);
    let stop = watch::Sender::new(false);
    let served = tokio::spawn(serve_connections(QuotingListener(listener), routes, stop.subscribe(), patience));
    (address, stop, served)
}

/// What the server sends until it closes.
async fn all(mut client: TcpStream) -> String {
    let mut answer = Vec::new();
    let end = timeout(LIMIT, client.read_to_end(&mut answer)).await.expect("the server keeps the connection");
    end.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_connection_with_half_a_header_or_nothing_is_closed() {
    let (address, _stop, _served) = server(Duration::from_millis(200)).await;
    for sent in ["", "GET / HTTP/1.1\r\nHost: local", "POST / HTTP/1.1\r\nHost: localhost\r\n"] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(sent.as_bytes()).await.unwrap();
        let answer = all(client).await;
        assert!(!answer.contains("200 OK"), "{sent:?} was answered: {answer}");
    }
    // One that asks is answered, with its own address, and closed when it asks no more.
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let own = client.local_addr().unwrap().to_string();
    let answer = all(client).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with(&own), "{answer}");
}

#[tokio::test]
async fn stopping_closes_connections_that_wait_for_a_request() {
    let (address, stop, served) = server(2 * LIMIT).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut byte = [0];
    timeout(LIMIT, client.read_exact(&mut byte)).await.unwrap().unwrap();
    stop.send_replace(true);
    timeout(LIMIT, served).await.expect("the server does not end").unwrap();
    all(client).await;
}
