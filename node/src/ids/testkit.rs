//! Servers of ids that answer what a test tells them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Answers each request from a script until the test's process ends.
pub struct Scripted {
    /// Where it listens.
    pub url: String,
    asked: Arc<AtomicUsize>,
}

impl Scripted {
    /// `script` gives the answer to the request of this number, from 0 on.
    pub fn new(script: impl Fn(usize) -> (u16, String) + Send + 'static) -> Self {
        let (listener, url) = listen();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 2048]);
                let (status, body) = script(counted.fetch_add(1, Ordering::SeqCst));
                let length = body.len();
                let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
            }
        });
        Self { url, asked }
    }

    /// Requests so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// An address where nothing listens.
pub const DEAD: &str = "http://127.0.0.1:1";

/// An address where connections are taken and nothing is answered.
pub fn silent() -> (TcpListener, String) {
    listen()
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}
