//! The UDP ports inside the tunnels, and what waits on each.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6},
    sync::{Arc, Mutex, PoisonError, RwLock},
    task::{Context, Poll, Waker},
};

use gotatun::packet::Packet;
use quinn::udp::RecvMeta;

use super::{ip, stats::Counters};
use crate::members::common::lock;

#[cfg(test)]
#[path = "ports_test.rs"]
mod tests;

/// Ports that are given out where none is asked for (RFC 6335, dynamic ports).
const DYNAMIC: std::ops::RangeInclusive<u16> = 49_152..=65_535;

/// A decrypted UDP datagram, still in its packet.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) source: Ipv6Addr,
    pub(crate) port: u16,
    /// Bytes of payload, which begins behind the headers.
    pub(crate) length: usize,
    pub(crate) packet: Packet,
}

impl Datagram {
    fn payload(&self) -> &[u8] {
        self.packet.get(ip::HEADERS..ip::HEADERS + self.length).unwrap_or_default()
    }

    fn sender(&self) -> SocketAddr {
        SocketAddr::V6(SocketAddrV6::new(self.source, self.port, 0, 0))
    }
}

/// The bound ports.
#[derive(Debug, Default)]
pub(crate) struct Ports(RwLock<HashMap<u16, Arc<PortQueue>>>);

impl Ports {
    /// Binds a port, 0 for a free one.
    pub(crate) fn bind(&self, port: u16, most: usize) -> io::Result<(u16, Arc<PortQueue>)> {
        let mut ports = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let port = match port {
            0 => DYNAMIC.into_iter().find(|port| !ports.contains_key(port)),
            port => Some(port).filter(|port| !ports.contains_key(port)),
        };
        let port = port.ok_or(io::ErrorKind::AddrInUse)?;
        let queue = Arc::new(PortQueue { most, state: Mutex::default() });
        ports.insert(port, Arc::clone(&queue));
        Ok((port, queue))
    }

    pub(crate) fn release(&self, port: u16) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&port);
    }

    fn get(&self, port: u16) -> Option<Arc<PortQueue>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&port).cloned()
    }
}

/// What waits on one port.
#[derive(Debug)]
pub(crate) struct PortQueue {
    most: usize,
    state: Mutex<PortState>,
}

#[derive(Debug, Default)]
struct PortState {
    waiting: VecDeque<Datagram>,
    reader: Option<Waker>,
}

impl PortQueue {
    /// Takes what fits; how many did not.
    fn push(&self, datagrams: &mut Vec<Datagram>) -> u64 {
        let mut state = lock(&self.state);
        let room = self.most.saturating_sub(state.waiting.len());
        let dropped = datagrams.len().saturating_sub(room);
        datagrams.truncate(room);
        state.waiting.extend(datagrams.drain(..));
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        dropped as u64
    }

    /// Fills buffers. Datagrams of one sender and one length go into one buffer, as segments.
    pub(crate) fn poll_recv(
        &self,
        cx: &Context<'_>,
        local: Ipv6Addr,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<usize> {
        let mut state = lock(&self.state);
        let mut filled = 0;
        for (buffer, meta) in buffers.iter_mut().zip(metas) {
            let Some(first) = pop_fitting(&mut state.waiting, buffer.len()) else { break };
            let (sender, stride) = (first.sender(), first.length);
            let mut length = append(buffer, 0, &first);
            let mut last = stride;
            // A shorter one may only be the last.
            while last == stride
                && let Some(next) = state.waiting.front()
                && next.sender() == sender
                && next.length <= stride
                && next.length > 0
                && length + next.length <= buffer.len()
                && let Some(next) = state.waiting.pop_front()
            {
                last = next.length;
                length = append(buffer, length, &next);
            }
            *meta = RecvMeta { addr: sender, len: length, stride, ecn: None, dst_ip: Some(IpAddr::V6(local)) };
            filled += 1;
        }
        if filled > 0 {
            return Poll::Ready(filled);
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn pop_fitting(waiting: &mut VecDeque<Datagram>, room: usize) -> Option<Datagram> {
    loop {
        let datagram = waiting.pop_front()?;
        // An empty datagram is no QUIC packet, and a segment length of 0 has no meaning.
        if (1..=room).contains(&datagram.length) {
            return Some(datagram);
        }
    }
}

fn append(buffer: &mut IoSliceMut<'_>, at: usize, datagram: &Datagram) -> usize {
    let payload = datagram.payload();
    if let Some(place) = buffer.get_mut(at..at + payload.len()) {
        place.copy_from_slice(payload);
    }
    at + payload.len()
}

/// Gathers the datagrams of one receive, so that each port's lock is taken and its reader woken once for many.
pub(crate) struct Delivery<'a> {
    ports: &'a Ports,
    counters: &'a Counters,
    port: u16,
    gathered: Vec<Datagram>,
}

impl<'a> Delivery<'a> {
    pub(crate) const fn new(ports: &'a Ports, counters: &'a Counters) -> Self {
        Self { ports, counters, port: 0, gathered: Vec::new() }
    }

    pub(crate) fn put(&mut self, port: u16, datagram: Datagram) {
        if port != self.port {
            self.flush();
            self.port = port;
        }
        self.gathered.push(datagram);
    }

    pub(crate) fn flush(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        match self.ports.get(self.port) {
            Some(queue) => self.counters.full_ports.more(queue.push(&mut self.gathered)),
            None => {
                self.counters.closed_ports.more(self.gathered.len() as u64);
                self.gathered.clear();
            }
        }
    }
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}
