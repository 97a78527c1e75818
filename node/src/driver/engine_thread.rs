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
use crate::signing::{Role, Wal};

/// The longest sleep: without a timer nothing is waited for but events.
const IDLE: Duration = Duration::from_secs(60);
/// A turn that takes longer is logged: votes waited so long.
const SLOW: Duration = Duration::from_millis(300);

/// Makes the engine of a role, and says where what it signs becomes durable.
pub type Rebuild<A> = Box<dyn FnMut(Role) -> Result<(Engine<A>, Wal)> + Send>;

/// Starts the thread. The receiver hears how it ended: `Ok` after [`LoopEvent::Stop`].
///
/// # Errors
/// The system gives no thread.
pub fn spawn<A: Application + Send + 'static>(
    engine: Engine<A>,
    ports: NodePorts,
    inbox: EngineInbox,
    rebuild: Rebuild<A>,
) -> Result<(JoinHandle<()>, oneshot::Receiver<Result<()>>)> {
    let (ended, end) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("consensus".into())
        .spawn(move || {
            let result = run(engine, ports, &inbox, rebuild);
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

/// Runs one engine after another, until it is to stop.
fn run<A: Application>(
    mut engine: Engine<A>,
    mut ports: NodePorts,
    inbox: &EngineInbox,
    mut rebuild: Rebuild<A>,
) -> Result<()> {
    let clock = Clock::start();
    loop {
        let mut running = EngineLoop::new(engine, ports);
        let Some(role) = drive(&mut running, inbox, &clock)? else { return Ok(()) };
        ports = running.into_ports();
        // What the engine before wrote is on the disk: the next one begins with it.
        ports.settle()?;
        let wal;
        (engine, wal) = rebuild(*role)?;
        ports.begin(wal);
    }
}

/// Runs an engine, and answers the role of the one that is to follow it; none where the thread is to stop.
fn drive<A: Application>(
    engine: &mut EngineLoop<A, NodePorts>,
    inbox: &EngineInbox,
    clock: &Clock,
) -> Result<Option<Box<Role>>> {
    engine.feed(clock.now(), Input::Start)?;
    let mut resigning = Vec::new();
    loop {
        if !resigning.is_empty() && engine.ports().is_between_heights() {
            // Whoever gave up waiting takes it for one that signs on.
            let told = resigning.drain(..).filter_map(|told: oneshot::Sender<()>| told.send(()).ok()).count();
            if told > 0 {
                return Ok(Some(Box::new(Role::Follow)));
            }
        }
        let now = clock.now();
        let wait = engine.deadline().map_or(IDLE, |at| Duration::from_nanos(at.saturating_sub(now.steady_ns)));
        let turn = inbox.take_turn(wait.min(IDLE));
        let begun = Instant::now();
        match handle(engine, || clock.now(), turn, &mut resigning)? {
            Turned::On => {}
            Turned::Become(role) => return Ok(Some(role)),
            Turned::Stop => return Ok(None),
        }
        let took = begun.elapsed();
        if took > SLOW {
            tracing::info!(ms = took.as_millis(), "consensus was busy for long; votes waited meanwhile");
        }
    }
}

/// What comes after a turn.
#[derive(Debug)]
enum Turned {
    On,
    Become(Box<Role>),
    Stop,
}

/// Does one turn: what the engine waits for, then its timers, then a few bundles.
fn handle<A: Application, P: Ports>(
    engine: &mut EngineLoop<A, P>,
    now: impl Fn() -> Now,
    turn: Turn,
    resigning: &mut Vec<oneshot::Sender<()>>,
) -> Result<Turned> {
    let mut turned = Turned::On;
    for event in turn.events {
        match event {
            LoopEvent::Input(input) => engine.feed(now(), input)?,
            // One of an engine that is gone is nothing to this one.
            LoopEvent::Durable(of, ticket) if of == engine.ports().generation() => {
                engine.feed(now(), Input::Durable(ticket))?;
            }
            LoopEvent::Durable(..) => {}
            // Where another one is to follow already, that one does.
            LoopEvent::Lost(of) if of == engine.ports().generation() && matches!(turned, Turned::On) => {
                turned = Turned::Become(Box::new(Role::Follow));
            }
            LoopEvent::Lost(_) => {}
            LoopEvent::Become(role) => turned = Turned::Become(role),
            LoopEvent::Resign(told) => resigning.push(told),
            LoopEvent::Failed(error) => return Err(error),
            LoopEvent::Stop => return Ok(Turned::Stop),
        }
    }
    engine.fire(now())?;
    for given in turn.bundles {
        let input = engine.ports().take_in(given);
        engine.feed(now(), input)?;
    }
    Ok(turned)
}

#[cfg(test)]
#[path = "engine_thread_test.rs"]
mod tests;
