//! The client: one server at a time, and the next one when that gives nothing.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::time::Duration;

use pyralog_cluster_core::{MAX_RANGE, NodeNumber, Scarab, ScarabRange};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{IdsAnswer, Span};
use crate::error::{Error, Result};
use crate::http::agent;

/// How long one server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most servers of one client.
const MAX_SERVERS: usize = 64;
/// Largest answer that is read.
const MAX_ANSWER_BYTES: u64 = 64 << 10;

/// Draws ids from several servers. It stays with the one that answered last, and moves on to the next when that is dead, does not
/// answer within 2 s, or refuses. Calls block: one of an asynchronous program belongs on a thread that may wait.
///
/// What it has seen it compares: two servers with one node number, or a server that goes back behind ids that it gave, would repeat
/// ids, and are an error. Only what this client has drawn is compared; a server that it never had to ask is not looked at.
#[derive(Debug)]
pub struct IdsClient {
    agent: ureq::Agent,
    servers: Vec<String>,
    /// The one to ask first.
    current: usize,
    /// The server of each node number, and the last id that it gave.
    seen: BTreeMap<NodeNumber, (usize, Scarab)>,
}

impl IdsClient {
    /// Most ids to ask for at a time where there is no reason for another number: 8 ms of a generator's time.
    pub const ROUND: u32 = 1 << 16;

    /// A client of these servers, `http://HOST:PORT` each; the first one is asked first. Nothing is asked yet.
    ///
    /// # Errors
    /// [`Error::Usage`] for none, more than 64, one that is no such URL, and one that is named twice.
    pub fn new(servers: &[String]) -> Result<Self> {
        let servers: Vec<String> = servers.iter().map(|url| check_url(url)).collect::<Result<_>>()?;
        if servers.is_empty() || servers.len() > MAX_SERVERS {
            return Err(Error::Usage(format!(
                "--from names {} servers of ids; name 1 to {MAX_SERVERS}, each as http://HOST:PORT",
                servers.len()
            )));
        }
        if let Some(twice) = servers.iter().enumerate().find(|(at, url)| servers[..*at].contains(url)) {
            return Err(Error::Usage(format!("--from names {} twice; name each server once", twice.1)));
        }
        Ok(Self { agent: agent(PATIENCE), servers, current: 0, seen: BTreeMap::new() })
    }

    /// The server that answered last; before the first answer the one that is asked first.
    pub fn server(&self) -> &str {
        &self.servers[self.current]
    }

    /// The next `count` Scarab ids, 1 to [`MAX_RANGE`], all of one server.
    ///
    /// # Errors
    /// [`Error::NoIds`] when no server gave any; [`Error::RepeatedIds`] when ids of two answers could be the same; [`Error::Usage`]
    /// for another count.
    pub fn scarabs(&mut self, count: u32) -> Result<ScarabRange> {
        let (node, range) = self.first_answer("/v1/ids", count, |answer: IdsAnswer| answer.range(count))?;
        self.compare(node, &range)?;
        Ok(range)
    }

    /// The next `count` values of a counter, 1 to [`MAX_RANGE`]. Each server has a counter of its own, so there must be only one.
    ///
    /// # Errors
    /// [`Error::NoIds`] when it gave none; [`Error::Usage`] for another count, or for several servers.
    pub fn counter(&mut self, count: u32) -> Result<Range<u64>> {
        if self.servers.len() != 1 {
            return Err(Error::Usage(format!(
                "a counter is that of one server, and --from names {}: their values would repeat each other; name one",
                self.servers.len()
            )));
        }
        self.first_answer("/v1/counter", count, |answer: Span| answer.values(count))
    }

    fn first_answer<A: DeserializeOwned, T>(
        &mut self,
        path: &str,
        count: u32,
        read: impl Fn(A) -> Result<T, String>,
    ) -> Result<T> {
        if !(1..=MAX_RANGE).contains(&count) {
            return Err(Error::Usage(format!("{count} ids cannot be asked for at once; ask for 1 to {MAX_RANGE}")));
        }
        let mut reasons = Vec::new();
        for turn in 0..self.servers.len() {
            let at = (self.current + turn) % self.servers.len();
            match self.ask(&self.servers[at], path, count).and_then(&read) {
                Ok(drawn) => {
                    self.current = at;
                    return Ok(drawn);
                }
                Err(why) => reasons.push(format!("{}: {why}", self.servers[at])),
            }
        }
        Err(Error::NoIds(reasons.join("; ")))
    }

    fn ask<A: DeserializeOwned>(&self, url: &str, path: &str, count: u32) -> Result<A, String> {
        let mut response = self.agent.get(format!("{url}{path}?count={count}")).call().map_err(describe)?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_string().map_err(describe)?;
        if status.is_success() {
            return serde_json::from_str(&body).map_err(|_| "it does not answer as a server of ids does".into());
        }
        let problem: Value = serde_json::from_str(&body).unwrap_or_default();
        let message = problem["error"]["message"].as_str().unwrap_or("no reason given");
        Err(format!("it refused with {}: {message}", status.as_u16()))
    }

    /// Remembers whose ids these are; an error where they may have been given before.
    fn compare(&mut self, node: NodeNumber, range: &ScarabRange) -> Result<()> {
        let Some((first, last)) = range.clone().next().zip(range.clone().last()) else { return Ok(()) };
        let url = &self.servers[self.current];
        match self.seen.get(&node) {
            Some((other, _)) if *other != self.current => {
                let other = &self.servers[*other];
                return Err(Error::RepeatedIds(format!(
                    "{other} and {url} both give ids of node number {node}, so they repeat each other's: stop one of \
                     them, and start it with an empty --dir and a --node number that was never used. If both URLs are \
                     one server, name it once"
                )));
            }
            Some((_, before)) if first <= *before => {
                return Err(Error::RepeatedIds(format!(
                    "{url} gave {first} of node number {node} after {before}, so it may repeat ids: its directory was \
                     restored from an older copy, or another server has its number. Start it with an empty --dir and a \
                     --node number that was never used"
                )));
            }
            _ => {}
        }
        self.seen.insert(node, (self.current, last));
        Ok(())
    }
}

fn check_url(url: &str) -> Result<String> {
    let trimmed = url.trim().trim_end_matches('/');
    let host = trimmed.strip_prefix("http://");
    let host = host.filter(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']));
    if host.is_none() || trimmed.parse::<ureq::http::Uri>().is_err() {
        return Err(Error::Usage(format!(
            "--from {url}: not a URL of the form http://HOST:PORT; a server elsewhere is reached through its tunnel"
        )));
    }
    Ok(trimmed.to_owned())
}

fn describe(error: ureq::Error) -> String {
    match error {
        ureq::Error::Io(io) if io.kind() == ErrorKind::ConnectionRefused => "connection refused; is it running?".into(),
        ureq::Error::Io(io) => io.to_string(),
        ureq::Error::Timeout(_) => format!("it did not answer within {} s", PATIENCE.as_secs()),
        ureq::Error::HostNotFound => "host not found".into(),
        ureq::Error::BodyExceedsLimit(limit) => format!("its answer is larger than {limit} bytes"),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "client_test.rs"]
mod tests;
