//! One engine with its timers: feeds inputs, carries effects out in order. No thread and no clock of its own.

use std::collections::BTreeMap;

use pyralog_consensus::application::Application;
use pyralog_consensus::block::Timestamp;
use pyralog_consensus::engine::{Effect, Engine, Input, Timer};

use super::Ports;
use crate::error::{Error, Result};

/// The time in two forms: what blocks are stamped with, and what timers run by. The first may jump, the second never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Wall-clock time.
    pub wall: Timestamp,
    /// Nanoseconds since some fixed moment.
    pub steady_ns: u64,
}

/// An engine, its timers, and what carries its effects out.
pub struct EngineLoop<A: Application, P: Ports> {
    engine: Engine<A>,
    ports: P,
    /// Deadlines in steady nanoseconds.
    timers: BTreeMap<Timer, u64>,
}

impl<A: Application, P: Ports> EngineLoop<A, P> {
    /// A loop that has done nothing yet.
    pub fn new(engine: Engine<A>, ports: P) -> Self {
        Self { engine, ports, timers: BTreeMap::new() }
    }

    /// Feeds one input and carries out what follows from it.
    ///
    /// # Errors
    /// The engine or the storage cannot go on; the node must stop.
    pub fn feed(&mut self, now: Now, input: Input) -> Result<()> {
        for effect in self.engine.step(now.wall, input) {
            self.carry_out(now, effect)?;
        }
        Ok(())
    }

    /// Fires every timer that is due.
    ///
    /// # Errors
    /// As [`EngineLoop::feed`].
    pub fn fire(&mut self, now: Now) -> Result<()> {
        while let Some(timer) = self.due(now.steady_ns) {
            self.timers.remove(&timer);
            self.feed(now, Input::Elapsed(timer))?;
        }
        Ok(())
    }

    /// When the next timer is due, in steady nanoseconds.
    pub fn deadline(&self) -> Option<u64> {
        self.timers.values().min().copied()
    }

    /// What carries effects out.
    pub fn ports(&mut self) -> &mut P {
        &mut self.ports
    }

    /// Ends the engine.
    pub fn into_ports(self) -> P {
        self.ports
    }

    fn due(&self, steady_ns: u64) -> Option<Timer> {
        let due = self.timers.iter().filter(|(_, at)| **at <= steady_ns);
        due.min_by_key(|(_, at)| **at).map(|(timer, _)| *timer)
    }

    fn carry_out(&mut self, now: Now, effect: Effect) -> Result<()> {
        match effect {
            Effect::WalAppend { ticket, bytes } => self.ports.wal_append(ticket, bytes)?,
            Effect::WalReset { height } => self.ports.wal_reset(height)?,
            Effect::Mark { ticket, mark } => self.ports.mark(ticket, mark)?,
            Effect::Commit { ticket, block } => self.ports.commit(ticket, block)?,
            Effect::Gossip { bytes } => self.ports.gossip(bytes),
            Effect::Verdict { id, verdict } => self.ports.verdict(id, verdict),
            Effect::Schedule { timer, after_ns } => {
                self.timers.insert(timer, now.steady_ns.saturating_add(after_ns));
            }
            Effect::Cancel(timer) => {
                self.timers.remove(&timer);
            }
            Effect::NeedSync { height, target } => self.ports.need_sync(height, target),
            Effect::PenalisePeer { peer, reason } => self.ports.penalise(peer, reason),
            Effect::NewHeight { height } => self.ports.new_height(height),
            Effect::TxAnswer { reply, result } => self.ports.tx_answer(reply, result),
            Effect::Report(report) => self.ports.report(report),
            Effect::Fatal(error) => return Err(Error::Consensus(error.to_string())),
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "engine_loop_test.rs"]
mod tests;
