//! The thread that computes the key exchange: a step takes milliseconds, which no task may.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use pyralog_crypto::kem::{StaticKeyPair, fastest};
use tokio::sync::mpsc;

use super::clock::{os_rng, uptime};
use crate::tunnel::rosenpass::{Effect, Input, KeyId, Limits, PeerSettings, Rosenpass};

/// Tasks that wait for the thread. Once half as many do, strangers have to bring cookies.
const QUEUE: usize = 512;
/// The thread looks at the clock this often at least.
const IDLE: Duration = Duration::from_secs(1);

/// What the thread is told.
pub(super) enum Task {
    Datagram(SocketAddr, Bytes),
    Add(Box<PeerSettings>),
    Remove(KeyId),
    Endpoints(KeyId, Vec<SocketAddr>),
    Renew(KeyId),
}

/// The driver's end. The thread ends with it.
pub(super) struct Exchange {
    tasks: SyncSender<Task>,
    /// What found the queue full, and must not be lost.
    held: VecDeque<Task>,
}

impl Exchange {
    /// Starts the thread. What the machine wants done comes out of the receiver.
    pub(super) fn start(keys: StaticKeyPair) -> std::io::Result<(Self, mpsc::Receiver<Effect>)> {
        let machine = Rosenpass::new(keys, fastest(), Limits::DEFAULTS);
        let (tasks, queue) = sync_channel(QUEUE);
        let (effects, effect_queue) = mpsc::channel(QUEUE);
        thread::Builder::new().name("rosenpass".into()).spawn(move || run(machine, &queue, &effects))?;
        Ok((Self { tasks, held: VecDeque::new() }, effect_queue))
    }

    /// Hands a datagram over; one that finds the queue full is lost, as the network may lose it.
    pub(super) fn take_datagram(&mut self, from: SocketAddr, bytes: Bytes) {
        self.flush();
        let _ = self.tasks.try_send(Task::Datagram(from, bytes));
    }

    /// Hands over what must not be lost. Bounded: there are a few for each peer.
    pub(super) fn tell(&mut self, task: Task) {
        self.held.push_back(task);
        self.flush();
    }

    /// Hands over what was held back; whether there is more.
    pub(super) fn flush(&mut self) -> bool {
        while let Some(task) = self.held.pop_front() {
            match self.tasks.try_send(task) {
                Ok(()) => {}
                Err(TrySendError::Full(task)) => {
                    self.held.push_front(task);
                    return true;
                }
                // The thread ends with the driver.
                Err(TrySendError::Disconnected(_)) => self.held.clear(),
            }
        }
        false
    }
}

fn run(mut machine: Rosenpass, queue: &Receiver<Task>, effects: &mpsc::Sender<Effect>) {
    let mut wake = None;
    let mut batch = VecDeque::new();
    loop {
        if batch.is_empty() {
            let now = uptime();
            let idle = wake.map_or(IDLE, |wake: Duration| wake.saturating_sub(now).min(IDLE));
            match queue.recv_timeout(idle) {
                Ok(task) => batch.push_back(task),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            batch.extend(queue.try_iter().take(QUEUE));
        }
        let loaded = (batch.len() > QUEUE / 2).then_some(Input::Loaded);
        let bytes;
        let next = match batch.pop_front() {
            None => Input::Wake,
            Some(Task::Datagram(from, datagram)) => {
                bytes = datagram;
                Input::Datagram { from, bytes: &bytes }
            }
            Some(Task::Add(settings)) => Input::AddPeer(*settings),
            Some(Task::Remove(peer)) => Input::RemovePeer(peer),
            Some(Task::Endpoints(peer, at)) => Input::SetEndpoints(peer, at),
            Some(Task::Renew(peer)) => Input::Renew(peer),
        };
        for input in loaded.into_iter().chain([next]) {
            wake = None;
            for effect in machine.step(uptime(), &mut os_rng(), input) {
                if let Effect::WakeAt(at) = effect {
                    wake = Some(at);
                } else if effects.blocking_send(effect).is_err() {
                    return;
                }
            }
        }
    }
}
