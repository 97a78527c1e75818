//! The thread that owns the engine.

use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pyralog_consensus::application::Application;
use pyralog_consensus::block::Timestamp;
use pyralog_consensus::engine::{Engine, Input};
use tokio::sync::oneshot;

use super::engine_handle::LoopEvent;
use super::engine_queue::{EngineInbox, Turn};
use super::{EngineLoop, NodePorts, Now, Ports};
use crate::error::{Error, Result};

/// The longest sleep: without a timer nothing is waited for but events.
const IDLE: Duration = Duration::from_secs(60);
/// A turn that takes longer is logged: votes waited so long.
const SLOW: Duration = Duration::from_millis(300);

/// Starts the thread. The receiver hears how it ended: `Ok` after [`LoopEvent::Stop`].
///
/// # Errors
/// The system gives no thread.
pub fn spawn<A: Application + Send + 'static>(
    engine: Engine<A>,
    ports: NodePorts,
    inbox: EngineInbox,
) -> Result<(JoinHandle<()>, oneshot::Receiver<Result<()>>)> {
    let (ended, end) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("consensus".into())
        .spawn(move || {
            let result = run(EngineLoop::new(engine, ports), &inbox, &Clock::start());
            // Before the end is told: nobody is to wait for an engine that is gone.
            drop(inbox);
            let _ = ended.send(result);
        })
        .map_err(|e| Error::Usage(format!("the system gives no thread for consensus: {e}")))?;
    Ok((thread, end))
}

struct Clock {
    started: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { started: Instant::now() }
    }

    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            wall: Timestamp(u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX)),
            steady_ns: u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX),
        }
    }
}

fn run<A: Application>(mut engine: EngineLoop<A, NodePorts>, inbox: &EngineInbox, clock: &Clock) -> Result<()> {
    engine.feed(clock.now(), Input::Start)?;
    loop {
        let now = clock.now();
        let wait = engine.deadline().map_or(IDLE, |at| Duration::from_nanos(at.saturating_sub(now.steady_ns)));
        let turn = inbox.take_turn(wait.min(IDLE));
        let begun = Instant::now();
        if handle(&mut engine, || clock.now(), turn)? {
            return Ok(());
        }
        let took = begun.elapsed();
        if took > SLOW {
            tracing::info!(ms = took.as_millis(), "consensus was busy for long; votes waited meanwhile");
        }
    }
}

/// Does one turn: what the engine waits for, then its timers, then a few bundles. Answers whether to stop.
fn handle<A: Application, P: Ports>(engine: &mut EngineLoop<A, P>, now: impl Fn() -> Now, turn: Turn) -> Result<bool> {
    for event in turn.events {
        match event {
            LoopEvent::Input(input) => engine.feed(now(), input)?,
            LoopEvent::Failed(error) => return Err(error),
            LoopEvent::Stop => return Ok(true),
        }
    }
    engine.fire(now())?;
    for given in turn.bundles {
        let input = engine.ports().take_in(given);
        engine.feed(now(), input)?;
    }
    Ok(false)
}

#[cfg(test)]
#[path = "engine_thread_test.rs"]
mod tests;
