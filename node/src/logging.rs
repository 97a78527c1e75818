//! Structured logs on standard error: text for people, one JSON object per line for machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use crate::config::{LogConfig, LogFormat};
use crate::error::{Error, Result};

/// Installs the subscriber of the whole process; a second call in one process changes nothing.
pub fn init(config: &LogConfig) -> Result<()> {
    let filter = parse_filter(&config.filter)?;
    let registry = tracing_subscriber::registry().with(filter);
    // An error means that a subscriber is installed already, as in tests that start several nodes.
    let _ = match config.format {
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
        }
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            registry.with(fmt::layer().with_target(false).with_ansi(colour).with_writer(std::io::stderr)).try_init()
        }
    };
    Ok(())
}

/// A level speaks for our own crates; the libraries below stay at warnings unless they are named.
fn parse_filter(text: &str) -> Result<EnvFilter> {
    let directives = match text {
        "trace" | "debug" | "info" | "warn" | "error" | "off" => {
            let below = if text == "error" || text == "off" { text } else { "warn" };
            let ours =
                ["node", "consensus", "p2p", "cluster_core", "crypto"].map(|name| format!("pyralog_{name}={text}"));
            // These two warn of what is usual here: said before, and alone on the network.
            // What becomes of a group is said by who uses it.
            let quiet = "libp2p_gossipsub=error,libp2p_kad=error,openraft=off";
            format!("{below},{quiet},pyralogd={text},{}", ours.join(","))
        }
        other => other.into(),
    };
    EnvFilter::try_new(directives).map_err(|e| Error::Usage(format!("log.filter {text:?}: {e}; try --log-filter info")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_levels_keep_gossip_quiet_and_a_filter_of_ones_own_does_not() {
        for level in ["trace", "debug", "info", "warn"] {
            let filter = parse_filter(level).unwrap().to_string();
            assert!(filter.contains("libp2p_gossipsub=error"), "{filter}");
        }
        let own = parse_filter("info,libp2p_gossipsub=debug").unwrap().to_string();
        assert!(own.contains("libp2p_gossipsub=debug") && !own.contains("libp2p_gossipsub=error"), "{own}");
    }

    #[test]
    fn a_level_and_a_filter_are_taken_and_nonsense_is_not() {
        assert!(parse_filter("info").unwrap().to_string().contains("pyralog_node=info"));
        assert!(parse_filter("warn,pyralog_node=trace").is_ok());
        let message = parse_filter("a=b=c").unwrap_err().to_string();
        assert!(message.contains("--log-filter"), "{message}");
    }
}
