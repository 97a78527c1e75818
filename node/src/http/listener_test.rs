use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;

async fn listener(connections: usize, idle: Duration) -> (BoundedListener, SocketAddr) {
    let listener = BoundedListener::bind("127.0.0.1:0".parse().unwrap(), connections, idle).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn one_more_connection_than_allowed_waits_for_a_place() {
    let (mut listener, address) = listener(1, Duration::from_secs(10)).await;
    let _first = TcpStream::connect(address).await.unwrap();
    let _second = TcpStream::connect(address).await.unwrap();
    let (served, _) = listener.accept().await;
    assert!(served.seat().begin(false));
    let soon = Duration::from_millis(300);
    assert!(timeout(soon, listener.accept()).await.is_err(), "the second one is not accepted yet");
    drop(served);
    // The wait that was given up above has not lost it.
    let (second, _) = timeout(Duration::from_secs(5), listener.accept()).await.unwrap();
    assert!(second.seat().begin(false));
}

#[tokio::test]
async fn one_that_does_not_ask_is_told_to_go_when_another_comes() {
    let (mut listener, address) = listener(1, Duration::from_secs(10)).await;
    let _first = TcpStream::connect(address).await.unwrap();
    let _second = TcpStream::connect(address).await.unwrap();
    let (first, _) = listener.accept().await;
    let (second, _) = timeout(Duration::from_secs(5), listener.accept()).await.unwrap();
    timeout(Duration::from_secs(5), first.seat().displaced()).await.unwrap();
    assert!(!first.seat().begin(false) && second.seat().begin(false));
}

#[tokio::test]
async fn a_silent_connection_is_ended_and_a_busy_one_is_not() {
    let idle = Duration::from_millis(700);
    let (mut listener, address) = listener(4, idle).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let (mut served, _) = listener.accept().await;
    let talk = tokio::spawn(async move {
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            client.write_all(b"x").await.unwrap();
        }
        client
    });
    let mut byte = [0];
    for _ in 0..4 {
        timeout(Duration::from_secs(5), served.read_exact(&mut byte)).await.unwrap().unwrap();
    }
    let _client = talk.await.unwrap();
    let silence = timeout(Duration::from_secs(5), served.read(&mut byte)).await.unwrap();
    assert_eq!(silence.unwrap_err().kind(), io::ErrorKind::TimedOut);
}
