use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

/// One fixed response per connection.
fn server(response: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(response.as_bytes());
        }
    });
    url
}

fn dead() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

fn nodes(urls: &[&str]) -> Nodes {
    NodeArgs { node: urls.iter().map(|url| (*url).to_owned()).collect() }.connect().unwrap()
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\n{\"a\":1}";
const BUSY: &str = "HTTP/1.1 503 X\r\nretry-after: 7\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const REFUSED: &str = "HTTP/1.1 400 X\r\ncontent-length: 70\r\nconnection: close\r\n\r\n{\"error\":{\"code\":\"bad_leaf\",\"message\":\"leaf too long\",\"remedy\":\"cut\"}}";

#[test]
fn the_default_node_is_local() {
    assert_eq!(NodeArgs::default().connect().unwrap().urls(), [DEFAULT_NODE]);
}

#[test]
fn urls_are_checked_and_lose_their_trailing_slash() {
    assert_eq!(check_url("http://127.0.0.1:8080/").unwrap(), "http://127.0.0.1:8080");
    for bad in ["127.0.0.1:8080", "ftp://x", "http://", "http://a/b", "http://user@host", "https://h", "http://a b"] {
        assert_eq!(check_url(bad).unwrap_err().code(), 2, "{bad}");
    }
}

#[test]
fn a_dead_node_is_passed_over_for_a_live_one() {
    let live = server(OK);
    let answer = nodes(&[&dead(), &live]).get("/v1/status").unwrap();
    assert_eq!((answer.node, answer.body["a"].as_u64()), (live, Some(1)));
}

#[test]
fn a_refused_connection_names_the_next_step() {
    let failure = nodes(&[&dead()]).get("/v1/status").unwrap_err();
    assert_eq!(failure.code(), 1);
    assert!(failure.to_string().contains("connection refused"), "{failure}");
    let next = failure.report().next.clone().unwrap();
    assert!(next.contains("--node") && next.contains("PYRALOG_NODE"), "{next}");
}

#[test]
fn every_dead_node_is_named() {
    let (one, two) = (dead(), dead());
    let text = nodes(&[&one, &two]).get("/x").unwrap_err().to_string();
    assert!(text.contains(&one) && text.contains(&two), "{text}");
}

#[test]
fn a_busy_node_is_passed_over_and_its_pause_is_reported() {
    let (busy, live) = (server(BUSY), server(OK));
    assert_eq!(nodes(&[&busy, &live]).get("/x").unwrap().node, live);
    let failure = nodes(&[&busy]).get("/x").unwrap_err();
    assert!(failure.report().next.as_ref().unwrap().contains("7 s"));
}

#[test]
fn a_refusal_is_final_and_carries_code_and_remedy() {
    let (refusing, live) = (server(REFUSED), server(OK));
    let failure = nodes(&[&refusing, &live]).get("/x").unwrap_err();
    assert!(failure.to_string().contains("leaf too long (bad_leaf)"), "{failure}");
    assert_eq!(failure.report().next.as_deref(), Some("cut"));
}

#[test]
fn a_node_that_sends_us_elsewhere_is_not_proposed_again() {
    let body = |message: &str, remedy: &str| {
        format!("{{\"error\":{{\"code\":\"unavailable\",\"message\":\"{message}\",\"remedy\":\"{remedy}\"}}}}")
    };
    for (message, remedy, sent) in [
        ("this node takes no leaves", "use another node", true),
        ("put back the newest copy of the home, or submit to another node", "x", true),
        ("8 leaves wait", "send again after the given time, or to another node", false),
    ] {
        let fault = refusal(503, &body(message, remedy), Some(30));
        assert!(matches!(&fault, NodeFault::Busy { elsewhere, .. } if *elsewhere == sent), "{fault:?}");
        let next = fault.into_failure("http://a:1").report().next.clone().unwrap();
        assert_eq!(next.contains("another node than http://a:1"), sent, "{next}");
        assert_eq!(next.contains("try again"), !sent, "{next}");
    }
    let refused = ["http://a:1".to_owned()];
    let args = |urls: &[&str]| NodeArgs { node: urls.iter().map(|url| (*url).to_owned()).collect() };
    assert_eq!(args(&["http://a:1/", "http://b:1"]).flag_without(&refused), " --node http://b:1");
    assert_eq!(args(&["http://a:1"]).flag_without(&refused), " --node URL");
    assert_eq!(args(&[]).flag_without(&refused), " --node URL", "the default node was asked");
    assert_eq!(args(&["http://a:1"]).flag_without(&[]), " --node http://a:1");
}

#[test]
fn what_was_asked_is_lost_or_never_left() {
    let fault = |url: &str| nodes(&[url]).get_from(url, "/x", ANSWER).unwrap_err();
    assert!(matches!(fault(&dead()), NodeFault::Unreachable(_)));
    for cut in ["", "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"a\""] {
        assert!(matches!(fault(&server(cut)), NodeFault::Lost(_)), "{cut:?}");
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let late = nodes(&[&url]).get_from(&url, "/x", Duration::from_millis(50)).unwrap_err();
    assert!(matches!(&late, NodeFault::Lost(why) if why.contains("in time")), "{late:?}");
}

#[test]
fn a_full_disk_is_not_taken_for_a_node_that_is_busy() {
    let body = "{\"error\":{\"code\":\"disk_full\",\"message\":\"no room\",\"remedy\":\"make room\"}}";
    let failure = refusal(507, body, None).into_failure("http://a:1");
    assert_eq!(failure.to_string(), "http://a:1 refused: no room (disk_full)");
    assert_eq!(failure.report().next.as_deref(), Some("make room"));
}

#[test]
fn an_answer_that_is_not_json_is_reported_with_the_port_hint() {
    let url = server("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\n<h>");
    let failure = nodes(&[&url]).get("/x").unwrap_err();
    assert!(failure.to_string().contains("not JSON"), "{failure}");
    assert!(failure.report().next.as_ref().unwrap().contains("8080"));
}

#[test]
fn an_error_text_cannot_steer_the_terminal() {
    let fault = refusal(500, "\u{1b}[2Jgone", None);
    assert!(!fault.message().contains('\u{1b}'));
}

#[test]
fn the_preferred_node_comes_first() {
    let nodes = nodes(&["http://a:1", "http://b:1", "http://c:1"]);
    assert_eq!(nodes.starting_with("http://b:1").urls(), ["http://b:1", "http://a:1", "http://c:1"]);
    assert_eq!(nodes.starting_with("http://z:1").urls(), nodes.urls());
}
