//! The thread that owns the engine.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pyralog_consensus::application::Application;
use pyralog_consensus::block::Timestamp;
use pyralog_consensus::engine::{Engine, Input};
use tokio::sync::oneshot;

use super::engine_handle::LoopEvent;
use super::{EngineLoop, NodePorts, Now};
use crate::error::{Error, Result};

/// Events that are handled before timers are looked at again.
const BATCH: usize = 64;
/// The longest sleep: without a timer nothing is waited for but events.
const IDLE: Duration = Duration::from_secs(60);

/// Starts the thread. The receiver hears how it ended: `Ok` after [`LoopEvent::Stop`].
///
/// # Errors
/// The system gives no thread.
pub fn spawn<A: Application + Send + 'static>(
    engine: Engine<A>,
    ports: NodePorts,
    events: Receiver<LoopEvent>,
) -> Result<(JoinHandle<()>, oneshot::Receiver<Result<()>>)> {
    let (ended, end) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("consensus".into())
        .spawn(move || {
            let _ = ended.send(run(EngineLoop::new(engine, ports), &events, &Clock::start()));
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

fn run<A: Application>(
    mut engine: EngineLoop<A, NodePorts>,
    events: &Receiver<LoopEvent>,
    clock: &Clock,
) -> Result<()> {
    engine.feed(clock.now(), Input::Start)?;
    loop {
        let now = clock.now();
        let wait = engine.deadline().map_or(IDLE, |at| Duration::from_nanos(at.saturating_sub(now.steady_ns)));
        match events.recv_timeout(wait) {
            Ok(event) => {
                if handle(&mut engine, clock, event)? {
                    return Ok(());
                }
                for event in events.try_iter().take(BATCH) {
                    if handle(&mut engine, clock, event)? {
                        return Ok(());
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        engine.fire(clock.now())?;
    }
}

/// Answers whether to stop.
fn handle<A: Application>(engine: &mut EngineLoop<A, NodePorts>, clock: &Clock, event: LoopEvent) -> Result<bool> {
    match event {
        LoopEvent::Input(input) => engine.feed(clock.now(), input)?,
        LoopEvent::Submit(bundle, responder) => {
            let input = engine.ports().take_in(bundle, responder);
            engine.feed(clock.now(), input)?;
        }
        LoopEvent::Failed(error) => return Err(error),
        LoopEvent::Stop => return Ok(true),
    }
    Ok(false)
}
