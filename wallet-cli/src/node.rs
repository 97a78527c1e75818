//! Talking to nodes over the native API: several URLs tried in turn, every answer bounded.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use ureq::RequestBuilder;
use ureq::http::HeaderValue;
use ureq::http::header::AUTHORIZATION;

use crate::error::{Failure, Result};
use crate::receipt_file::quoted;

/// Asked when neither `--node` nor `PYRALOG_NODE` names one.
pub const DEFAULT_NODE: &str = "http://127.0.0.1:8080";
/// The flag in a proposed command where the user has to choose the node.
pub const ANY_NODE: &str = " --node URL";
/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a question without a wait of its own may take.
const ANSWER: Duration = Duration::from_secs(15);
/// Largest answer read: a genesis file or a commit of a large set stays far below.
const MAX_ANSWER: u64 = 32 * 1024 * 1024;
/// The code of a request of which a part is done.
const PARTLY: &str = "partly_appended";
/// How long a connection may have been idle for a call that is not repeated by itself: nodes close theirs after 10 s.
const FRESH: Duration = Duration::from_secs(5);

/// Which nodes to talk to.
#[derive(Debug, Clone, Default, Args)]
pub struct NodeArgs {
    /// Native API of a node, http://HOST:PORT; several are tried in turn (default http://127.0.0.1:8080)
    #[arg(long, value_name = "URL", env = "PYRALOG_NODE", value_delimiter = ',')]
    pub node: Vec<String>,
}

/// The nodes of one command, in the order given.
#[derive(Debug, Clone)]
pub struct Nodes {
    agent: ureq::Agent,
    urls: Vec<String>,
}

/// An answer with its status and JSON body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Base URL of the node that gave it.
    pub node: String,
    /// HTTP status: 200, 201 or 202.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// A call that needs the node's admin token.
#[derive(Debug, Clone, Copy)]
pub enum Call<'a> {
    /// GET.
    Get,
    /// POST of a JSON document.
    Post(&'a [u8]),
    /// DELETE.
    Delete,
}

/// Why one node gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeFault {
    /// No connection: nothing was asked, the node may be dead.
    Unreachable(String),
    /// The connection broke or timed out when the request may have arrived: what it asks for may be done.
    Lost(String),
    /// 429 or 5xx: try again, here or elsewhere; after so many seconds where it said so.
    Busy {
        /// The node's stable code.
        code: String,
        /// The node's sentence.
        message: String,
        /// `Retry-After`.
        retry_after: Option<u64>,
        /// Whether it says to go to another node instead.
        elsewhere: bool,
    },
    /// 404.
    NotFound {
        /// The node's stable code.
        code: String,
        /// The node's sentence.
        message: String,
        /// What the node proposes.
        remedy: Option<String>,
    },
    /// Another 4xx, and 507 (no room left): this request will not succeed anywhere, or not before somebody has helped.
    Refused {
        /// The node's stable code.
        code: String,
        /// The node's sentence.
        message: String,
        /// What the node proposes.
        remedy: Option<String>,
    },
    /// A part of what was asked for is done, and the error document says which.
    Partly {
        /// The node's sentence.
        message: String,
        /// The whole error.
        detail: Value,
    },
    /// An answer that is not what the API promises.
    Nonsense(String),
}

impl NodeArgs {
    /// ` --node URL …` for a command to type, empty where no node was named.
    pub fn flag(&self) -> String {
        self.node.iter().map(|url| format!(" --node {}", quoted(Path::new(url)))).collect()
    }

    /// The same without the nodes that sent us elsewhere; the word URL where no other is left.
    pub fn flag_without(&self, refused: &[String]) -> String {
        let left = |url: &&String| !check_url(url).is_ok_and(|url| refused.contains(&url));
        let others = Self { node: self.node.iter().filter(left).cloned().collect() };
        match refused {
            [] => self.flag(),
            _ if others.node.is_empty() => ANY_NODE.to_owned(),
            _ => others.flag(),
        }
    }

    /// Checks the URLs and makes the client.
    pub fn connect(&self) -> Result<Nodes> {
        let urls: Vec<String> = match self.node.as_slice() {
            [] => vec![DEFAULT_NODE.to_owned()],
            given => given.iter().map(|url| check_url(url)).collect::<Result<_>>()?,
        };
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("pyralog/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Nodes { agent: config.into(), urls })
    }
}

impl Nodes {
    /// The base URLs, without trailing slashes.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// These nodes with `first` moved to the front; an unknown URL is not added.
    #[must_use]
    pub fn starting_with(&self, first: &str) -> Self {
        let mut urls = self.urls.clone();
        urls.sort_by_key(|url| url != first);
        Self { agent: self.agent.clone(), urls }
    }

    /// These nodes but one; `None` when no other is left.
    pub fn without(&self, gone: &str) -> Option<Self> {
        let urls: Vec<String> = self.urls.iter().filter(|url| *url != gone).cloned().collect();
        (!urls.is_empty()).then(|| Self { agent: self.agent.clone(), urls })
    }

    /// GET from the first node that answers.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.first_answer(|url| self.get_from(url, path, ANSWER))
    }

    /// GET from one node.
    pub fn get_from(&self, url: &str, path: &str, patience: Duration) -> Result<Answer, NodeFault> {
        let request = self.agent.get(format!("{url}{path}")).config().timeout_global(Some(patience)).build();
        self.read(url, request.call())
    }

    /// POST to one node.
    pub fn post_to(&self, url: &str, path: &str, body: &Value, patience: Duration) -> Result<Answer, NodeFault> {
        let request = self.agent.post(format!("{url}{path}")).config().timeout_global(Some(patience)).build();
        self.read(url, request.send_json(body))
    }

    /// A call to one node under its admin token (`Bearer …`), which goes nowhere else: no redirect is followed.
    pub fn authorized(
        &self,
        url: &str,
        path: &str,
        call: Call<'_>,
        bearer: &HeaderValue,
        patience: Duration,
    ) -> Result<Answer, NodeFault> {
        let at = format!("{url}{path}");
        let result = match call {
            Call::Get => under(self.agent.get(at), bearer, patience).call(),
            Call::Delete => under(self.agent.delete(at), bearer, patience).call(),
            Call::Post(body) => {
                under(self.agent.post(at), bearer, patience).content_type("application/json").send(body)
            }
        };
        self.read(url, result)
    }

    /// Tries `ask` on each node until one answers or refuses for good.
    fn first_answer(&self, ask: impl Fn(&str) -> Result<Answer, NodeFault>) -> Result<Answer> {
        let mut faults = Vec::new();
        for url in &self.urls {
            match ask(url) {
                Ok(answer) => return Ok(answer),
                Err(fault @ NodeFault::Refused { .. }) => return Err(fault.into_failure(url)),
                Err(fault) => faults.push((url.as_str(), fault)),
            }
        }
        Err(combine(faults))
    }

    fn read(
        &self,
        url: &str,
        result: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer, NodeFault> {
        let mut response = result.map_err(|error| unanswered(&error))?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse().ok());
        let text = response
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER)
            .read_to_string()
            .map_err(|error| NodeFault::Lost(describe(&error)))?;
        if matches!(status, 200..=202) {
            let body = serde_json::from_str(&text).map_err(|error| {
                NodeFault::Nonsense(format!("its answer is not JSON ({error}); is this the native API?"))
            })?;
            return Ok(Answer { node: url.to_owned(), status, body });
        }
        Err(refusal(status, &text, retry_after))
    }
}

fn under<B>(request: RequestBuilder<B>, bearer: &HeaderValue, patience: Duration) -> RequestBuilder<B> {
    request.header(AUTHORIZATION, bearer).config().timeout_global(Some(patience)).max_idle_age(FRESH).build()
}

impl NodeFault {
    /// The failure to show when `url` was the only node asked.
    pub fn into_failure(self, url: &str) -> Failure {
        match self {
            // The code says what the word before it has said.
            Self::Refused { code, message, remedy } if code == "refused" => {
                Failure::error(format!("{url} refused: {message}")).next_if(remedy)
            }
            Self::Refused { code, message, remedy } => {
                Failure::error(format!("{url} refused: {message} ({code})")).next_if(remedy)
            }
            Self::Unreachable(why) | Self::Lost(why) => {
                Failure::error(format!("no answer from {url}: {why}")).next(unreachable_step())
            }
            Self::Busy { message, elsewhere: true, .. } => Failure::error(format!("{url} cannot serve now: {message}"))
                .next(format!("name another node than {url} with --node URL")),
            Self::Busy { message, retry_after, .. } => Failure::error(format!("{url} cannot serve now: {message}"))
                .next(format!("try again in {} s, or name another node with --node URL", retry_after.unwrap_or(1))),
            Self::Partly { message, .. } => Failure::error(format!("{url}: {message}")),
            Self::NotFound { message, remedy, .. } => Failure::error(format!("{url}: {message}")).next_if(remedy),
            Self::Nonsense(message) => Failure::error(format!("{url}: {message}"))
                .next("check the port: the native API is 8080 unless configured"),
        }
    }

    /// The sentence without URL.
    pub fn message(&self) -> &str {
        match self {
            Self::Unreachable(message) | Self::Lost(message) | Self::Nonsense(message) => message,
            Self::Busy { message, .. }
            | Self::NotFound { message, .. }
            | Self::Refused { message, .. }
            | Self::Partly { message, .. } => message,
        }
    }
}

/// A point in time that waiting must not pass.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// `limit` from now.
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// What is left, zero when passed.
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn passed(&self) -> bool {
        self.left().is_zero()
    }
}

/// One failure for what every node said.
pub fn combine(mut faults: Vec<(&str, NodeFault)>) -> Failure {
    match faults.pop() {
        // `connect` never makes an empty list.
        None => Failure::usage("no node is named").next("name one with --node URL"),
        Some((url, fault)) if faults.is_empty() => fault.into_failure(url),
        Some(last) => {
            faults.push(last);
            let all: Vec<_> = faults.iter().map(|(url, fault)| format!("{url}: {}", fault.message())).collect();
            let failure = Failure::error(format!("none of {} nodes served the request: {}", all.len(), all.join("; ")));
            if faults.iter().any(|(_, fault)| matches!(fault, NodeFault::Unreachable(_) | NodeFault::Lost(_))) {
                failure.next(unreachable_step())
            } else {
                failure
            }
        }
    }
}

fn unreachable_step() -> String {
    "start a node (`pyralog-testnet up` starts a local network), or name one with --node URL or PYRALOG_NODE".to_owned()
}

/// The API's error document: `{"error":{"code","message","remedy"}}`.
#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct ErrorDetail {
    #[serde(default)]
    code: String,
    message: String,
    remedy: Option<String>,
}

fn refusal(status: u16, text: &str, retry_after: Option<u64>) -> NodeFault {
    let detail = serde_json::from_str::<ErrorBody>(text).map(|body| body.error).ok();
    let message = detail.as_ref().map_or_else(
        || {
            let line: String = text.lines().next().unwrap_or_default().chars().take(200).collect();
            if line.is_empty() { format!("status {status}") } else { format!("status {status}: {line}") }
        },
        |detail| detail.message.clone(),
    );
    let message = crate::output::safe(&message);
    let remedy = detail.as_ref().and_then(|detail| detail.remedy.as_deref()).map(crate::output::safe);
    let code = detail.map(|detail| crate::output::safe(&detail.code)).filter(|code| !code.is_empty());
    let code = code.unwrap_or_else(|| status.to_string());
    match status {
        500 if code == PARTLY => {
            let detail = serde_json::from_str(text).map(|mut body: Value| body["error"].take()).unwrap_or_default();
            NodeFault::Partly { message, detail }
        }
        404 => NodeFault::NotFound { code, message, remedy },
        429 | 500..=506 | 508..=599 => {
            let remedy = remedy.unwrap_or_default();
            let elsewhere = remedy.starts_with("use another node") || message.contains("submit to another node");
            NodeFault::Busy { code, message, retry_after, elsewhere }
        }
        _ => NodeFault::Refused { code, message, remedy },
    }
}

/// Whether the request can have left before there was no answer.
fn unanswered(error: &ureq::Error) -> NodeFault {
    use ureq::Timeout::{Connect, Resolve};
    let why = describe(error);
    match error {
        ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => NodeFault::Unreachable(why),
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::Timeout(Connect | Resolve) => {
            NodeFault::Unreachable(why)
        }
        _ => NodeFault::Lost(why),
    }
}

fn describe(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        ureq::Error::Io(io) => io.to_string(),
        ureq::Error::Timeout(_) => "it did not answer in time".to_owned(),
        ureq::Error::HostNotFound => "host not found".to_owned(),
        ureq::Error::BodyExceedsLimit(limit) => format!("its answer is larger than {limit} bytes"),
        other => other.to_string(),
    }
}

fn check_url(url: &str) -> Result<String> {
    let trimmed = url.trim().trim_end_matches('/');
    if trimmed.starts_with("https://") {
        return Err(Failure::usage(format!("--node {url}: https is not supported"))
            .next("reach a remote node through its tunnel, or forward its port: ssh -L 8080:127.0.0.1:8080 HOST"));
    }
    let rest =
        trimmed.strip_prefix("http://").filter(|rest| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ']));
    if rest.is_none() || trimmed.parse::<ureq::http::Uri>().is_err() {
        return Err(Failure::usage(format!("--node {url}: not a URL of the form http://HOST:PORT")));
    }
    Ok(trimmed.to_owned())
}

#[cfg(test)]
mod tests;
