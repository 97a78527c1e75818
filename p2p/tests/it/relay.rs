//! A path between two tunnels that keeps what passes, and can move, cut and repeat.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{net::UdpSocket, task::JoinHandle};

/// Forwards datagrams between whoever sends to [`Relay::front`] and one server.
pub struct Relay {
    pub front: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    server: SocketAddr,
    /// What went to the server.
    seen: Mutex<Vec<Vec<u8>>>,
    back: Mutex<Arc<UdpSocket>>,
    moved: tokio::sync::Notify,
}

impl Relay {
    pub async fn to(server: SocketAddr) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let state = Arc::new(State {
            server,
            seen: Mutex::default(),
            back: Mutex::new(Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap())),
            moved: tokio::sync::Notify::new(),
        });
        let address = front.local_addr().unwrap();
        let task = tokio::spawn(forward(front, Arc::clone(&state)));
        Self { front: address, state, task }
    }

    /// The address under which the server sees the client.
    pub fn back(&self) -> SocketAddr {
        self.state.back.lock().unwrap().local_addr().unwrap()
    }

    /// The client has another address from here on.
    pub async fn roam(&self) {
        let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        *self.state.back.lock().unwrap() = back;
        self.state.moved.notify_one();
    }

    /// What went to the server so far.
    pub fn seen(&self) -> Vec<Vec<u8>> {
        self.state.seen.lock().unwrap().clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(front: UdpSocket, state: Arc<State>) {
    let (mut out, mut back_in) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut client = None;
    loop {
        let back = Arc::clone(&state.back.lock().unwrap());
        tokio::select! {
            Ok((length, from)) = front.recv_from(&mut out) => {
                client = Some(from);
                state.seen.lock().unwrap().push(out[..length].to_vec());
                let _ = back.send_to(&out[..length], state.server).await;
            }
            Ok((length, _)) = back.recv_from(&mut back_in) => {
                if let Some(client) = client {
                    let _ = front.send_to(&back_in[..length], client).await;
                }
            }
            () = state.moved.notified() => {}
        }
    }
}
