use std::net::SocketAddr;

use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::http::BoundedListener;
use crate::http::serve::Early;

/// Far longer than any patience of a test.
const LIMIT: Duration = Duration::from_secs(30);

/// As long as any test.
const LONG: Patience = Patience { header: LIMIT.saturating_mul(2), body: LIMIT.saturating_mul(2) };

/// A request that is answered and whose connection stays open.
const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

async fn server(patience: Duration) -> (SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
    let whoami = get(|ConnectInfo(ClientAddr(client)): ConnectInfo<ClientAddr>| async move { client.to_string() });
    let patience = Patience { header: patience, body: 2 * LIMIT };
    serving(8, Router::new().route("/", whoami), patience).await
}

async fn serving(
    places: usize,
    routes: Router,
    patience: Patience,
) -> (SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
    let listener = BoundedListener::bind("127.0.0.1:0".parse().unwrap(), places, 2 * LIMIT).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = watch::Sender::new(false);
    let served = tokio::spawn(serve_connections(
        QuotingListener(listener),
        watch::channel(routes).1,
        stop.subscribe(),
        patience,
    ));
    (address, stop, served)
}

async fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(bytes).await.unwrap();
    client
}

/// The first twelve bytes of an answer: the status.
async fn status(client: &mut TcpStream) -> String {
    let mut status = [0; 12];
    timeout(LIMIT, client.read_exact(&mut status)).await.expect("no answer").unwrap();
    String::from_utf8(status.to_vec()).unwrap()
}

/// Whether the server has closed the connection, in either way.
async fn is_closed(client: &mut TcpStream) -> bool {
    !matches!(timeout(LIMIT, client.read(&mut [0])).await.expect("it is kept"), Ok(1..))
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
    client.write_all(ASK).await.unwrap();
    let own = client.local_addr().unwrap().to_string();
    let answer = all(client).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with(&own), "{answer}");
}

#[tokio::test]
async fn stopping_closes_connections_that_wait_for_a_request() {
    let (address, stop, served) = server(2 * LIMIT).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(ASK).await.unwrap();
    let mut byte = [0];
    timeout(LIMIT, client.read_exact(&mut byte)).await.unwrap().unwrap();
    stop.send_replace(true);
    timeout(LIMIT, served).await.expect("the server does not end").unwrap();
    all(client).await;
}

#[tokio::test]
async fn where_no_place_is_free_the_oldest_that_does_not_ask_gives_up_its_own() {
    let routes = Router::new().route("/", get(async || "ok"));
    let (address, _stop, _served) = serving(3, routes, LONG).await;
    // One that has asked, one that sends half a header, one that says nothing: the first of those that never asked goes first.
    let mut asked = send(address, ASK).await;
    assert_eq!(status(&mut asked).await, "HTTP/1.1 200");
    let mut half = send(address, b"GET / HTTP/1.1\r\nHost: local").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut silent = send(address, b"").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut probe = send(address, ASK).await;
    assert_eq!(status(&mut probe).await, "HTTP/1.1 200");
    assert!(is_closed(&mut half).await);
    // The two that are left of the first three are still served.
    silent.write_all(ASK).await.unwrap();
    assert_eq!(status(&mut silent).await, "HTTP/1.1 200");
    let mut rest = vec![0; 4_096];
    let _ = asked.try_read(&mut rest);
    asked.write_all(ASK).await.unwrap();
    assert_eq!(status(&mut asked).await, "HTTP/1.1 200");
}

#[tokio::test]
async fn a_request_that_is_served_and_a_websocket_keep_their_places() {
    let go_on = Arc::new(Semaphore::new(0));
    let (reached, gate) = (Arc::new(Semaphore::new(0)), Arc::clone(&go_on));
    let reach = Arc::clone(&reached);
    let slow = get(async move || {
        reach.add_permits(1);
        let _turn = gate.acquire().await;
        "done"
    });
    let socket = get(async |upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(async |mut socket| {
            while let Some(Ok(message)) = socket.recv().await {
                let _ = socket.send(message).await;
            }
        })
    });
    let routes = Router::new().route("/", get(async || "ok")).route("/slow", slow).route("/socket", socket);
    let (address, _stop, _served) = serving(2, routes, LONG).await;
    let ask = "GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
               Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut socket = send(address, ask.as_bytes()).await;
    assert_eq!(status(&mut socket).await, "HTTP/1.1 101");
    let mut slow = send(address, b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    timeout(LIMIT, reached.acquire()).await.unwrap().unwrap().forget();

    let mut third = send(address, ASK).await;
    let early = timeout(Duration::from_millis(500), third.read(&mut [0])).await;
    assert!(early.is_err(), "there was no place to take: {early:?}");
    go_on.add_permits(1);
    assert_eq!(status(&mut slow).await, "HTTP/1.1 200", "it was served to its end");
    assert_eq!(status(&mut third).await, "HTTP/1.1 200", "an answered connection makes room");
    // The rest of the upgrade's answer, then an empty masked ping, which is sent back and answered with a pong, in either order.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(LIMIT, socket.read_u8()).await.unwrap().unwrap());
    }
    socket.write_all(&[0x89, 0x80, 1, 2, 3, 4]).await.unwrap();
    let answer = timeout(LIMIT, socket.read_u16()).await.unwrap().unwrap();
    assert!([0x8900, 0x8a00].contains(&answer), "{answer:x}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_get_through_while_half_open_connections_are_kept_up() {
    let routes = Router::new().route("/", get(async || "ok"));
    let (address, _stop, _served) = serving(8, routes, LONG).await;
    // Far more than places, and each is opened again when it is closed.
    let attackers: Vec<_> = (0..40)
        .map(|_| {
            tokio::spawn(async move {
                loop {
                    if let Ok(mut client) = TcpStream::connect(address).await {
                        let _ = client.write_all(b"GET / HTTP/1.1\r\nHost: local").await;
                        let _ = client.read(&mut [0]).await;
                    }
                }
            })
        })
        .collect();
    for _ in 0..5 {
        // Without displacement the first would wait for the patience, which is longer than the limit.
        let mut probe = send(address, ASK).await;
        assert_eq!(status(&mut probe).await, "HTTP/1.1 200");
    }
    for attacker in attackers {
        attacker.abort();
    }
}

/// Answers with the length of the body, and counts what it answers.
fn measuring(answered: &Arc<std::sync::atomic::AtomicUsize>) -> Router {
    let answered = Arc::clone(answered);
    let measure = axum::routing::post(async move |body: axum::body::Bytes| {
        answered.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        body.len().to_string()
    });
    Router::new().route("/", measure.get(async || "ok"))
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_408_and_the_connection_is_closed() {
    let answered = Arc::default();
    let patience = Patience { body: Duration::from_millis(200), ..LONG };
    let (address, _stop, _served) = serving(8, measuring(&answered), patience).await;
    for begun in [
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf of it",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let answer = all(send(address, begun.as_bytes()).await).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{begun:?}: {answer}");
    }
    // A trickle is no faster.
    let mut trickle = send(address, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n").await;
    let mut sent = 0;
    while trickle.write_all(b"x").await.is_ok() {
        let mut byte = [0];
        if timeout(Duration::from_millis(20), trickle.read(&mut byte)).await.is_ok() {
            break;
        }
        sent += 1;
        assert!(sent < 1_000, "it is kept");
    }
    assert_eq!(answered.load(std::sync::atomic::Ordering::SeqCst), 0);
    // Bodies that are here in time are answered, also after the pause of a moment.
    let mut whole = send(address, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nwh").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    whole.write_all(b"ole").await.unwrap();
    assert_eq!(status(&mut whole).await, "HTTP/1.1 200");
}

#[tokio::test]
async fn where_no_place_is_free_a_body_that_does_not_arrive_gives_up_its_place() {
    let answered = Arc::default();
    let (address, _stop, _served) = serving(2, measuring(&answered), LONG).await;
    let begun = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf";
    let mut slow = [send(address, begun).await, send(address, begun).await];
    tokio::time::sleep(Duration::from_millis(20)).await;
    // Without displacement it would wait for the patience, which is longer than the limit.
    let mut probe = send(address, ASK).await;
    assert_eq!(status(&mut probe).await, "HTTP/1.1 200");
    assert!(is_closed(&mut slow[0]).await);
    assert_eq!(answered.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_body_that_nobody_reads_does_not_keep_the_answer_back() {
    let (address, _stop, _served) = serving(1, Router::new().route("/", get(async || "ok")), LONG).await;
    let mut client = send(address, b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf").await;
    assert_eq!(status(&mut client).await, "HTTP/1.1 200");
    let mut probe = send(address, ASK).await;
    assert_eq!(status(&mut probe).await, "HTTP/1.1 200", "its place is free, or can be taken");
}

#[tokio::test]
async fn a_listener_answers_before_what_it_serves_is_there() {
    let listener = BoundedListener::bind("127.0.0.1:0".parse().unwrap(), 8, 2 * LIMIT).await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), watch::Sender::new(false));
    let early = Early::meanwhile(listener, crate::api::starting(), stop.subscribe());
    let answer = all(send(address, ASK).await).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\"not_started\""), "{answer}");
    let served = early.serve(Router::new().route("/", get(async || "here")));
    let mut client = send(address, ASK).await;
    assert_eq!(status(&mut client).await, "HTTP/1.1 200");
    // Whoever does not get that far leaves nothing behind.
    drop(stop);
    timeout(LIMIT, served).await.expect("the server does not end").unwrap();
}
