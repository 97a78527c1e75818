//! The UDP ports inside the tunnels, and what waits on each.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6},
    sync::{Arc, Mutex, PoisonError, RwLock},
    task::{Context, Poll, Waker},
};

use quinn::udp::RecvMeta;

use super::{device::Device, ip::Inner, passage, stats::Counters};
use crate::members::common::lock;

#[cfg(test)]
#[path = "ports_test.rs"]
mod tests;

/// Ports that are given out where none is asked for (RFC 6335, dynamic ports).
const DYNAMIC: std::ops::RangeInclusive<u16> = 49_152..=65_535;
/// Datagrams that are joined at most.
pub(crate) const JOINED: usize = 16;

/// Datagrams of one sender, `stride` bytes each, of which the last may be shorter.
#[derive(Debug)]
struct Joined {
    sender: SocketAddr,
    stride: usize,
    count: usize,
    bytes: Vec<u8>,
    /// What has been read of the bytes.
    read: usize,
}

impl Joined {
    fn new(sender: SocketAddr, payload: &[u8]) -> Self {
        Self { sender, stride: payload.len(), count: 1, bytes: payload.to_vec(), read: 0 }
    }

    /// Whether the datagram has been added.
    fn take(&mut self, sender: SocketAddr, payload: &[u8]) -> bool {
        let whole = self.bytes.len() == self.count * self.stride;
        let fits = self.count < JOINED && payload.len() <= self.stride && sender == self.sender && whole;
        if fits {
            self.bytes.extend_from_slice(payload);
            self.count += 1;
        }
        fits
    }

    /// Copies as many datagrams as the buffer holds; the bytes copied.
    fn read_into(&mut self, buffer: &mut [u8]) -> usize {
        let rest = self.bytes.get(self.read..).unwrap_or_default();
        let most = buffer.len() - buffer.len() % self.stride.max(1);
        let length = if rest.len() <= buffer.len() { rest.len() } else { most };
        if let (Some(place), Some(bytes)) = (buffer.get_mut(..length), rest.get(..length)) {
            place.copy_from_slice(bytes);
        }
        self.read += length;
        length
    }

    fn is_read(&self) -> bool {
        self.read >= self.bytes.len()
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
    waiting: VecDeque<Joined>,
    /// Datagrams in them.
    count: usize,
    reader: Option<Waker>,
}

impl PortState {
    /// The first that is not read yet and has datagrams of at most `room` bytes; those before it are dropped.
    fn next_fitting(&mut self, room: usize) -> Option<&mut Joined> {
        while self.waiting.front().is_some_and(|joined| joined.is_read() || joined.stride > room) {
            self.drop_first();
        }
        self.waiting.front_mut()
    }

    fn drop_read(&mut self) {
        while self.waiting.front().is_some_and(Joined::is_read) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        self.count -= self.waiting.pop_front().map_or(0, |joined| joined.count);
    }
}

impl PortQueue {
    /// Takes what fits; how many datagrams did not.
    fn push(&self, gathered: &mut Vec<Joined>) -> u64 {
        let mut dropped = 0;
        let mut state = lock(&self.state);
        for joined in gathered.drain(..) {
            if state.count + joined.count > self.most {
                dropped += joined.count as u64;
                continue;
            }
            state.count += joined.count;
            state.waiting.push_back(joined);
        }
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        dropped
    }

    /// Fills buffers, each with datagrams of one sender as segments.
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
            let Some(joined) = state.next_fitting(buffer.len()) else { break };
            let (addr, stride) = (joined.sender, joined.stride);
            let len = joined.read_into(buffer);
            *meta = RecvMeta { addr, len, stride, ecn: None, dst_ip: Some(IpAddr::V6(local)) };
            filled += 1;
        }
        state.drop_read();
        if filled > 0 {
            return Poll::Ready(filled);
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Gathers the datagrams of one receive, so that each port's lock is taken and its reader woken once for many.
pub(crate) struct Delivery<'a> {
    ports: &'a Ports,
    counters: &'a Counters,
    /// What is for no port goes there, where there is one.
    device: Option<Arc<Device>>,
    port: u16,
    gathered: Vec<Joined>,
}

impl<'a> Delivery<'a> {
    pub(crate) const fn new(ports: &'a Ports, counters: &'a Counters) -> Self {
        Self { ports, counters, device: None, port: 0, gathered: Vec::new() }
    }

    pub(crate) fn with_device(mut self, device: Option<Arc<Device>>) -> Self {
        self.device = device;
        self
    }

    /// Whether a packet is the system's and not ours.
    pub(crate) fn is_for_system(&self, inner: &Inner<'_>) -> bool {
        // The port of the datagrams that were gathered has a reader, or had one a moment ago.
        let is_bound = |port| (port == self.port && !self.gathered.is_empty()) || self.ports.get(port).is_some();
        self.device.is_some() && passage::is_for_system(inner, is_bound)
    }

    /// A packet for the system.
    pub(crate) fn give(&self, packet: &[u8]) {
        if !self.device.as_ref().is_some_and(|device| device.give(packet)) {
            self.counters.full_device.inc();
        }
    }

    /// A datagram for `port`. An empty one is no packet of anything that is spoken here.
    pub(crate) fn put(&mut self, port: u16, from: (Ipv6Addr, u16), payload: &[u8]) {
        if payload.is_empty() {
            return;
        }
        if port != self.port {
            self.flush();
            self.port = port;
        }
        let sender = SocketAddr::V6(SocketAddrV6::new(from.0, from.1, 0, 0));
        if !self.gathered.last_mut().is_some_and(|joined| joined.take(sender, payload)) {
            self.gathered.push(Joined::new(sender, payload));
        }
    }

    pub(crate) fn flush(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        match self.ports.get(self.port) {
            Some(queue) => self.counters.full_ports.more(queue.push(&mut self.gathered)),
            None => {
                self.counters.closed_ports.more(self.gathered.iter().map(|joined| joined.count as u64).sum());
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
