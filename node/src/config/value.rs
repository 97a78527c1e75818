//! How one setting is written as text and read back.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use pyralog_cluster_core::raft::EpochShards;

/// A setting's value as text, in the file, in the environment and in a flag alike.
pub(super) trait Setting: Sized {
    /// True for lists, which the file writes as an array and the others with commas.
    const LIST: bool = false;
    fn parse(text: &str) -> Result<Self, String>;
    fn show(&self) -> String;
}

/// A socket address of this machine only.
///
/// The APIs carry no TLS of their own yet, so another address would be served in the clear to strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loopback(SocketAddr);

impl Loopback {
    /// `127.0.0.1:port`.
    pub const fn port(port: u16) -> Self {
        Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    /// The address to bind.
    pub fn addr(self) -> SocketAddr {
        self.0
    }
}

impl From<Loopback> for SocketAddr {
    fn from(address: Loopback) -> Self {
        address.0
    }
}

impl Default for Loopback {
    fn default() -> Self {
        Self::port(0)
    }
}

/// How many groups keep the epochs of partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shards(pub EpochShards);

impl Shards {
    /// Each group has heartbeats of its own.
    const MOST: u64 = 64;
}

/// How peers are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TunnelMode {
    /// QUIC in WireGuard tunnels, without privileges.
    #[default]
    Userspace,
    /// The same, and other programs of the machine see the tunnels by a network device. It takes CAP_NET_ADMIN.
    Tun,
    /// TCP and QUIC without tunnels.
    Off,
}

/// Whether tunnels wait for post-quantum keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PostQuantum {
    /// Nothing passes before the first one.
    #[default]
    Required,
    /// WireGuard's own key exchange is enough.
    Off,
}

/// What is served to peers inside the tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// The CometBFT-compatible RPC.
    Rpc,
    /// The native API.
    Api,
    /// Metrics, `/livez`, `/readyz`.
    Metrics,
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl FromStr for Loopback {
    type Err = String;

    /// The error is a sentence with the remedy.
    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix("tcp://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
        let numeric = bare.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        let addr: SocketAddr = numeric
            .as_deref()
            .unwrap_or(bare)
            .parse()
            .map_err(|_| format!("{text:?} is not an address such as 127.0.0.1:26657"))?;
        if !addr.ip().is_loopback() {
            return Err(format!(
                "{text:?} is not a loopback address: this API has no TLS of its own, so it listens on 127.0.0.1 or [::1] \
                 only; reach it from elsewhere through a tunnel or a TLS proxy on this machine"
            ));
        }
        Ok(Self(addr))
    }
}

impl Setting for Loopback {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

impl Setting for LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{text:?} is neither \"text\" nor \"json\"")),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for TunnelMode {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "userspace" => Ok(Self::Userspace),
            "tun" => Ok(Self::Tun),
            "off" => Ok(Self::Off),
            _ => Err(format!("{text:?} is neither \"userspace\" nor \"tun\" nor \"off\"")),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Userspace => "userspace".into(),
            Self::Tun => "tun".into(),
            Self::Off => "off".into(),
        }
    }
}

impl Setting for PostQuantum {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "required" => Ok(Self::Required),
            "off" => Ok(Self::Off),
            _ => Err(format!("{text:?} is neither \"required\" nor \"off\"")),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Required => "required".into(),
            Self::Off => "off".into(),
        }
    }
}

impl Setting for Vec<Served> {
    const LIST: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let served = names.map(|name| match name {
            "rpc" => Ok(Served::Rpc),
            "api" => Ok(Served::Api),
            "metrics" => Ok(Served::Metrics),
            _ => Err(format!("{name:?} is neither \"rpc\" nor \"api\" nor \"metrics\"")),
        });
        served.collect()
    }

    fn show(&self) -> String {
        let names = self.iter().map(|served| match served {
            Served::Rpc => "rpc",
            Served::Api => "api",
            Served::Metrics => "metrics",
        });
        names.collect::<Vec<_>>().join(",")
    }
}

impl Setting for Shards {
    fn parse(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} is neither \"per-partition\" nor a number from 1 to {}", Self::MOST);
        match text {
            "per-partition" => Ok(Self(EpochShards::PerPartition)),
            number => {
                let count = number.parse().ok().filter(|count| (1..=Self::MOST).contains(count)).ok_or_else(refused)?;
                Ok(Self(EpochShards::Shared(count)))
            }
        }
    }

    fn show(&self) -> String {
        match self.0 {
            EpochShards::PerPartition => "per-partition".into(),
            EpochShards::Shared(count) => count.to_string(),
        }
    }
}

impl Setting for String {
    fn parse(text: &str) -> Result<Self, String> {
        if text.len() > 1024 || text.chars().any(char::is_control) {
            return Err("text of at most 1024 printable characters is expected".into());
        }
        Ok(text.into())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Setting for bool {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("{text:?} is neither true nor false"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for u64 {
    fn parse(text: &str) -> Result<Self, String> {
        text.replace('_', "").parse().map_err(|_| format!("{text:?} is not a whole number"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for usize {
    fn parse(text: &str) -> Result<Self, String> {
        <u64 as Setting>::parse(text)?.try_into().map_err(|_| format!("{text:?} is too large for this machine"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Setting for Vec<String> {
    const LIST: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(<String as Setting>::parse).collect()
    }

    fn show(&self) -> String {
        self.join(",")
    }
}
