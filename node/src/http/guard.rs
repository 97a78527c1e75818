//! Host and Origin checks: a page in a browser must not reach a node on this machine, neither by its own origin nor by a name
//! that was rebound to 127.0.0.1.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, header};

/// Which Host and Origin headers are served.
#[derive(Clone, Debug, Default)]
pub struct AccessRules {
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// Why a request is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 403 or 400.
    pub status: StatusCode,
    /// A sentence that names what helps: the key to change, or the names to call by.
    pub message: String,
}

/// What a request says of itself that is not served, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// It was sent to this name.
    Host(String),
    /// A page from here sent it.
    Origin(String),
}

impl AccessRules {
    /// Rules with names beyond loopback (`hosts`) and pages that may call (`origins`, such as `http://localhost:3000`).
    pub fn new(hosts: &[String], origins: &[String]) -> Self {
        let lower = |list: &[String]| list.iter().map(|item| item.to_ascii_lowercase()).collect();
        Self { hosts: lower(hosts), origins: lower(origins) }
    }

    /// Checks the headers of one request; `section` is that of the keys that set these rules, `None` where no key does.
    ///
    /// # Errors
    /// The refusal to send.
    pub fn check(&self, headers: &HeaderMap, section: Option<&str>) -> Result<(), Refusal> {
        let message = match (self.stranger(headers), section) {
            (None, _) => return Ok(()),
            (Some(Stranger::Host(host)), Some(section)) => {
                format!("the Host header {host:?} is not served; name it in {section}.allowed_hosts")
            }
            (Some(Stranger::Host(host)), None) => format!(
                "the Host header {host:?} is not served; call by 127.0.0.1 or localhost; a proxy in front of this port has to set the header so"
            ),
            (Some(Stranger::Origin(origin)), Some(section)) => {
                format!("pages of {origin:?} may not call; name it in {section}.allowed_origins")
            }
            (Some(Stranger::Origin(origin)), None) => {
                format!("pages of {origin:?} may not call; no page may call this port")
            }
        };
        Err(Refusal { status: StatusCode::FORBIDDEN, message })
    }

    /// Which header of a request is not served, if one is not.
    pub fn stranger(&self, headers: &HeaderMap) -> Option<Stranger> {
        let host = headers.get(header::HOST).map(|value| value.to_str().unwrap_or("").to_ascii_lowercase());
        if let Some(host) = host
            && !is_loopback_name(&host)
            && !self.hosts.iter().any(|known| is_same(known, &host))
        {
            return Some(Stranger::Host(host));
        }
        let origin = headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or("").to_ascii_lowercase());
        if let Some(origin) = origin
            && !self.origins.contains(&origin)
        {
            return Some(Stranger::Origin(origin));
        }
        None
    }

    /// Whether pages of `origin` may read answers.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins.contains(&origin.to_ascii_lowercase())
    }
}

fn without_port(host: &str) -> String {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name.to_owned(),
        _ => host.to_owned(),
    }
}

/// Whether a host is the known one, whatever its port; an address has many spellings.
fn is_same(known: &str, host: &str) -> bool {
    known == host || known == without_port(host) || address(known).is_some_and(|known| address(host) == Some(known))
}

fn is_loopback_name(host: &str) -> bool {
    without_port(host) == "localhost" || address(host).is_some_and(|ip| ip.is_loopback())
}

fn address(host: &str) -> Option<IpAddr> {
    without_port(host).trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Key;

    fn check(rules: &AccessRules, host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        rules.check(&headers, Some("api")).is_ok()
    }

    #[test]
    fn only_this_machines_names_are_served() {
        let rules = AccessRules::default();
        for host in ["127.0.0.1:8080", "localhost", "LocalHost:1", "[::1]:8080", "127.0.0.2"] {
            assert!(check(&rules, host, None), "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "10.0.0.1", "localhost.evil.example", ""] {
            assert!(!check(&rules, host, None), "{host}");
        }
        let named = AccessRules::new(&["Node.example".into()], &[]);
        assert!(check(&named, "node.example:8080", None));
        let inside = AccessRules::new(&["[fd00::b]".into()], &[]);
        for host in ["[fd00::b]:26657", "[fd00::b]", "[FD00:0:0::B]:8080"] {
            assert!(check(&inside, host, None), "{host}");
        }
        for host in ["[fd00::c]:26657", "fd00", "fd00.evil.example"] {
            assert!(!check(&inside, host, None), "{host}");
        }
    }

    #[test]
    fn pages_call_only_where_named() {
        let rules = AccessRules::new(&[], &["http://localhost:3000".into()]);
        assert!(check(&rules, "localhost", Some("http://localhost:3000")));
        assert!(!check(&rules, "localhost", Some("http://localhost:3001")));
        assert!(!check(&rules, "localhost", Some("null")));
        assert!(!check(&AccessRules::default(), "localhost", Some("http://localhost")));
        let headers = HeaderMap::from_iter([(header::ORIGIN, "http://a".parse().unwrap())]);
        let message = rules.check(&headers, Some("rpc")).unwrap_err().message;
        assert!(message.contains("rpc.allowed_origins"), "{message}");
    }

    #[test]
    fn a_refusal_names_keys_that_exist_and_none_where_there_is_none() {
        for (name, value) in [(header::HOST, "evil.example"), (header::ORIGIN, "http://evil.example")] {
            let headers = HeaderMap::from_iter([(name, value.parse().unwrap())]);
            let said = |section| AccessRules::default().check(&headers, section).unwrap_err().message;
            for section in ["rpc", "api"] {
                let message = said(Some(section));
                let key = message.rsplit(' ').next().unwrap();
                assert!(key.starts_with(section) && Key::find(key).is_some(), "{message}");
            }
            let message = said(None);
            assert!(!message.contains("allowed_"), "{message}");
        }
    }
}
