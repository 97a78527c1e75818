//! Driving all nodes at once: one thread per node, each with many kept connections that have one request in flight.
//!
//! A thread writes a request on each of its connections and then reads each answer: many clients for the price of one
//! thread, since on two cores a thread per client would measure the scheduler.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::context::Context;
use super::http::{Answer, Connection};
use super::memory::cpu_seconds;
use super::network::Node;

/// What a load did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Done {
    /// Records that were answered as taken.
    pub taken: u64,
    /// Requests that were answered with "try again".
    pub refused: u64,
    /// From the first request to the last answer, seconds.
    pub seconds: f64,
}

/// Processor time of a stretch of the run.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    started: Instant,
    nodes: f64,
    own: f64,
}

/// One request: its path, its body and its number of records.
pub struct Request {
    /// Path.
    pub path: &'static str,
    /// JSON.
    pub body: Vec<u8>,
    /// Records in it.
    pub records: u64,
}

/// Runs `make` on every connection until `time` is over. `make` gets the number of the node, of the connection and of the
/// request on it; without a request the connection is done. `judge` answers how many of a request's records were taken.
pub fn drive(
    cx: &Context<'_>,
    (connections, port): (usize, fn(&Node) -> u16),
    time: Duration,
    make: impl Fn(usize, usize, u64) -> Option<Request> + Sync,
    judge: impl Fn(&Answer, u64) -> Result<u64> + Sync,
) -> Result<Done> {
    let started = Instant::now();
    let one = |(number, node): (usize, &Node)| -> Result<Done> {
        let mut all = (0..connections).map(|_| Connection::open(port(node))).collect::<Result<Vec<_>>>()?;
        let mut done = Done::default();
        let mut rounds = vec![0_u64; connections];
        let mut sent = vec![0_u64; connections];
        while started.elapsed() < time {
            cx.check()?;
            for (index, connection) in all.iter_mut().enumerate() {
                let request = make(number, index, rounds[index]);
                sent[index] = request.as_ref().map_or(0, |request| request.records);
                if let Some(request) = request {
                    rounds[index] += 1;
                    connection.send(request.path, Some(&request.body))?;
                }
            }
            if sent.iter().all(|records| *records == 0) {
                break;
            }
            let mut refused = 0;
            for (connection, records) in all.iter_mut().zip(&sent).filter(|(_, records)| **records > 0) {
                let answer = connection.receive()?;
                match answer.status {
                    200 => done.taken += judge(&answer, *records)?,
                    429 | 503 => refused += 1,
                    status => return Err(anyhow!("a request was answered with {status}: {}", answer.text())),
                }
            }
            done.refused += refused;
            if refused > 0 {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(done)
    };
    let all: Vec<Result<Done>> = std::thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = cx.network.nodes.iter().enumerate().map(|node| scope.spawn(move || one(node))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread of the load generator failed"))))
            .collect()
    });
    let mut sum = Done::default();
    for done in all {
        let done = done?;
        sum.taken += done.taken;
        sum.refused += done.refused;
    }
    sum.seconds = started.elapsed().as_secs_f64();
    Ok(sum)
}

impl Cpu {
    /// Begins.
    pub fn start(cx: &Context<'_>) -> Self {
        let nodes = cx.network.nodes.iter().map(|node| cpu_seconds(node.pid)).sum();
        Self { started: Instant::now(), nodes, own: cpu_seconds(std::process::id()) }
    }

    /// Seconds of processor time since then: of all nodes, and of this process.
    pub fn spent(&self, cx: &Context<'_>) -> (f64, f64) {
        let now = Self::start(cx);
        (now.nodes - self.nodes, now.own - self.own)
    }

    /// The same as a sentence.
    pub fn sentence(&self, cx: &Context<'_>, what: &str) -> String {
        let (nodes, own) = self.spent(cx);
        let wall = self.started.elapsed().as_secs_f64();
        format!(
            "{what}: {wall:.1} s, in which the four nodes used {nodes:.1} s of processor time and the load generator {own:.1} s"
        )
    }
}
