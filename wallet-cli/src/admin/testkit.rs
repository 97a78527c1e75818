//! A node in a test: answers that are prepared, requests that are kept.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The token that the node takes.
pub const TOKEN: &str = "secret-0123456789abcdef";

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// What follows `authorization:`.
    pub authorization: String,
    /// The body, `null` where there is none.
    pub body: Value,
}

/// What the node does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Status and body.
    Answer(u16, Value),
    /// The connection is closed once the request is here.
    Hang,
    /// Bytes as they are.
    Raw(Vec<u8>),
}

/// A node with a home of its own.
pub struct FakeNode {
    /// Its URL.
    pub url: String,
    /// Every request in its order.
    pub requests: Arc<Mutex<Vec<Request>>>,
    /// Its token file lies here.
    pub dir: tempfile::TempDir,
}

/// An error document.
pub fn problem(status: u16, code: &str) -> Reply {
    Reply::Answer(status, json!({ "error": { "code": code, "message": format!("it is {code}"), "remedy": "do this" } }))
}

impl FakeNode {
    /// A node that replies as `reply` says.
    pub fn start(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (kept, reply) = (Arc::clone(&requests), Arc::new(reply));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, reply) = (Arc::clone(&kept), Arc::clone(&reply));
                std::thread::spawn(move || serve(stream, &kept, &*reply));
            }
        });
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("admin.token"), format!("{TOKEN}\n")).unwrap();
        Self { url, requests, dir }
    }

    /// The file with its token.
    pub fn token_file(&self) -> PathBuf {
        self.dir.path().join("admin.token")
    }

    /// The requests so far as `METHOD target`.
    pub fn asked(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|request| format!("{} {}", request.method, request.target)).collect()
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Request>>, reply: &dyn Fn(&Request) -> Reply) {
    while let Some(request) = read(&mut stream) {
        kept.lock().unwrap().push(request.clone());
        match reply(&request) {
            Reply::Hang => return,
            Reply::Raw(bytes) => {
                let _ = stream.write_all(&bytes);
                return;
            }
            Reply::Answer(status, body) => {
                let body = body.to_string();
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        }
    }
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        more(stream, &mut bytes)?;
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let length: usize = header("content-length").parse().unwrap_or(0);
    while bytes.len() < end + 4 + length {
        more(stream, &mut bytes)?;
    }
    let body = if length == 0 { Value::Null } else { serde_json::from_slice(&bytes[end + 4..]).unwrap() };
    let mut words = head.split_whitespace().map(str::to_owned);
    Some(Request { method: words.next()?, target: words.next()?, authorization: header("authorization"), body })
}

fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 65_536];
    let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
    bytes.extend_from_slice(&piece[..count]);
    Some(())
}
