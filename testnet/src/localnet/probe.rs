//! Questions to a running node over HTTP, each bounded in time and size.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::manifest::url;
use super::state::Ports;

/// How long one question may take; a paused node accepts connections and never answers.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Largest answer read.
const MAX_ANSWER: u64 = 4 * 1024 * 1024;

/// Asks nodes.
#[derive(Debug, Clone)]
pub struct Probe {
    agent: ureq::Agent,
}

/// What `/readyz` said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// 200.
    Ready,
    /// Another status, with the body's first line.
    Waiting(String),
    /// No answer.
    Silent,
}

impl Default for Probe {
    fn default() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // Nodes are on loopback: an environment's HTTP proxy must not be asked.
            .proxy(None)
            .build();
        Self { agent: config.into() }
    }
}

impl Probe {
    /// Asks `/readyz` of the metrics listener.
    pub fn ready(&self, ports: &Ports) -> Health {
        match self.get(&format!("{}/readyz", url(ports.metrics))) {
            Some((200, _)) => Health::Ready,
            Some((status, body)) => Health::Waiting(reason(status, &body)),
            None => Health::Silent,
        }
    }

    /// Whether the process answers at all: `/livez` with 200.
    pub fn alive(&self, ports: &Ports) -> bool {
        matches!(self.get(&format!("{}/livez", url(ports.metrics))), Some((200, _)))
    }

    /// Latest height according to the CometBFT RPC; `None` without an answer.
    pub fn height(&self, ports: &Ports) -> Option<u64> {
        let status = self.json(&format!("{}/status", url(ports.rpc)))?;
        status["result"]["sync_info"]["latest_block_height"].as_str()?.parse().ok()
    }

    /// Number of connected peers according to the CometBFT RPC.
    pub fn peers(&self, ports: &Ports) -> Option<u64> {
        let info = self.json(&format!("{}/net_info", url(ports.rpc)))?;
        info["result"]["n_peers"].as_str()?.parse().ok()
    }

    /// Whether a member says that all members are whole, and every partition is led, lacks nothing, and is stored by as many as are up, or three;
    /// `None` without an answer.
    pub fn is_settled(&self, ports: &Ports, token: &str) -> Option<bool> {
        let request = self.agent.get(format!("{}/v1/cluster", url(ports.api)));
        let mut response = request.header("authorization", format!("Bearer {token}")).call().ok()?;
        let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_string().ok()?;
        let view: Value = serde_json::from_str(&body).ok()?;
        let up = view["members"].as_array()?.iter().filter(|member| member["up"] == true).count();
        let settled = |partition: &Value| {
            let stored = partition["members"].as_array().map_or(0, Vec::len);
            partition["leader"].is_u64() && partition["behind"] == false && stored >= up.min(3)
        };
        // Older nodes do not say whether all are whole.
        Some(view["whole"] != false && view["partitions"].as_array()?.iter().all(settled))
    }

    fn json(&self, url: &str) -> Option<Value> {
        let (_, body) = self.get(url)?;
        serde_json::from_str(&body).ok()
    }

    fn get(&self, url: &str) -> Option<(u16, String)> {
        let mut response = self.agent.get(url).call().ok()?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_string().ok()?;
        Some((status, body))
    }
}

/// A sentence for a node that is not ready: the `reasons` of its JSON body, else its first line.
fn reason(status: u16, body: &str) -> String {
    let parsed: Option<Value> = serde_json::from_str(body).ok();
    let reasons = parsed.as_ref().and_then(|value| value["reasons"].as_array()).map(|reasons| {
        reasons
            .iter()
            .map(|reason| reason.as_str().map_or_else(|| reason.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join("; ")
    });
    match reasons.filter(|text| !text.is_empty()) {
        Some(text) => text,
        None => format!("status {status}: {}", body.lines().next().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::localnet::testkit::answering;

    fn ports(port: u16) -> Ports {
        Ports { rpc: port, api: port, metrics: port, p2p: port }
    }

    #[test]
    fn ready_waiting_and_silent_are_told_apart() {
        let probe = Probe::default();
        assert_eq!(probe.ready(&ports(answering("200 OK", "ok"))), Health::Ready);
        let waiting = ports(answering("503 Service Unavailable", r#"{"reasons":["syncing: 3 behind","no peers"]}"#));
        assert_eq!(probe.ready(&waiting), Health::Waiting("syncing: 3 behind; no peers".to_owned()));
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert_eq!(probe.ready(&ports(closed)), Health::Silent);
        assert!(!probe.alive(&ports(closed)));
    }

    #[test]
    fn heights_and_peers_are_read_from_the_rpc_form() {
        let body = r#"{"jsonrpc":"2.0","id":-1,"result":{"sync_info":{"latest_block_height":"42"},"n_peers":"3"}}"#;
        let ports = ports(answering("200 OK", body));
        let probe = Probe::default();
        assert_eq!(probe.height(&ports), Some(42));
        assert_eq!(probe.peers(&ports), Some(3));
    }

    #[test]
    fn a_cluster_is_settled_only_where_all_members_are_whole() {
        for (body, settled) in [
            (r#"{"whole":true,"members":[],"partitions":[{"leader":1,"behind":false,"members":[1]}]}"#, true),
            (r#"{"whole":false,"members":[],"partitions":[{"leader":1,"behind":false,"members":[1]}]}"#, false),
            (r#"{"members":[],"partitions":[{"leader":1,"behind":false,"members":[1]}]}"#, true),
        ] {
            let ports = ports(answering("200 OK", body));
            assert_eq!(Probe::default().is_settled(&ports, "token"), Some(settled), "{body}");
        }
    }

    #[test]
    fn nonsense_is_no_height() {
        let ports = ports(answering("200 OK", "<html>"));
        assert_eq!(Probe::default().height(&ports), None);
    }

    #[test]
    fn a_body_without_reasons_is_quoted() {
        assert_eq!(reason(503, "catching up\nmore"), "status 503: catching up");
    }
}
