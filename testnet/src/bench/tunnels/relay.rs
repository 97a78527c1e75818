//! A path between two UDP sockets that takes its time and loses packets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Packets under way in one direction: more are lost, as in the buffer of a router.
const UNDER_WAY: usize = 4_096;
/// Longest datagram.
const LONGEST: usize = 2_048;

/// A relay; it ends when it is dropped.
pub struct Relay {
    /// Where the one side sends to.
    pub front: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Relay {
    /// Carries what comes to [`Relay::front`] to `to` and back. Each packet takes `delay`, and of 10,000 packets in each direction `lost` do not arrive.
    pub async fn start(to: SocketAddr, delay: Duration, lost: u64) -> Result<Self> {
        let front = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        let back = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        let (known, asker) = tokio::sync::watch::channel(None);
        let at = front.local_addr()?;
        let tasks = [
            carry(Arc::clone(&front), Arc::clone(&back), Way { delay, lost, seed: 1 }, move |from| {
                known.send_replace(Some(from));
                Some(to)
            }),
            carry(back, front, Way { delay, lost, seed: 2 }, move |_| *asker.borrow()),
        ];
        Ok(Self { front: at, tasks: tasks.into_iter().flatten().collect() })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Way {
    delay: Duration,
    lost: u64,
    seed: u64,
}

/// One direction: a task that receives, and one that sends when it is time.
fn carry(
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    way: Way,
    address: impl Fn(SocketAddr) -> Option<SocketAddr> + Send + 'static,
) -> [JoinHandle<()>; 2] {
    let (sender, mut queue) = mpsc::channel::<(Instant, SocketAddr, Vec<u8>)>(UNDER_WAY);
    let receiving = tokio::spawn(async move {
        let (mut buffer, mut state) = (vec![0; LONGEST], way.seed);
        // An error is that of a port that is closed on the other side: the next packet may find it open.
        loop {
            let Ok((length, source)) = from.recv_from(&mut buffer).await else { continue };
            let Some(to) = address(source) else { continue };
            if next(&mut state) % 10_000 >= way.lost {
                // A full queue loses the packet.
                let _ = sender.try_send((Instant::now() + way.delay, to, buffer[..length].to_vec()));
            }
        }
    });
    let sending = tokio::spawn(async move {
        while let Some((at, address, packet)) = queue.recv().await {
            sleep_until(at).await;
            // It is lost, as above.
            let _ = to.send_to(&packet, address).await;
        }
    });
    [receiving, sending]
}

/// SplitMix64: which packets are lost is the same in each run.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
