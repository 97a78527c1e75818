//! `HOST:PORT`, as people type it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// Longest name of a host, bytes (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 253;
/// How long a name may take to be resolved.
const PATIENCE: Duration = Duration::from_secs(5);

/// A host, by name or address, and a port that is not 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// The first of its addresses that a socket of this family reaches; `None` where the name leads nowhere.
    pub(super) async fn resolve(&self, ipv6: bool) -> Option<SocketAddr> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port));
        let found = tokio::time::timeout(PATIENCE, found).await.ok()?.ok()?;
        found.into_iter().find(|address| ipv6 || address.is_ipv4())
    }
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is not HOST:PORT, such as node.example:51820, 192.0.2.1:51820 or [2001:db8::1]:51820");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match bracketed {
            Some(inside) => inside.parse::<Ipv6Addr>().is_ok(),
            None => {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
                (1..=MAX_NAME).contains(&host.len()) && host.bytes().all(plain)
            }
        };
        let unspecified = bracketed.unwrap_or(host).parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
        if !is_host || unspecified {
            return Err(wrong());
        }
        Ok(Self { host: bracketed.unwrap_or(host).to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_typed_is_read_and_written_the_same() {
        for text in ["node.example:51820", "192.0.2.1:1", "[2001:db8::1]:65535", "a:9"] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
        for text in
            ["", "a", ":1", "a:0", "a:65536", "a:b", "2001:db8::1:7", "[a]:1", "a b:1", "a\n:1", "0.0.0.0:1", "[::]:1"]
        {
            assert!(text.parse::<HostPort>().unwrap_err().contains("HOST:PORT"), "{text}");
        }
    }

    #[tokio::test]
    async fn addresses_resolve_to_themselves_where_the_socket_reaches_them() {
        let at = |text: &str| text.parse::<HostPort>().unwrap();
        assert_eq!(at("127.0.0.1:7").resolve(false).await, Some("127.0.0.1:7".parse().unwrap()));
        assert_eq!(at("[::1]:7").resolve(true).await, Some("[::1]:7".parse().unwrap()));
        assert_eq!(at("[::1]:7").resolve(false).await, None);
    }
}
