//! Lays flag over environment over file over default, and remembers where each value came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::Config;
use super::file;
use super::keys::{KEYS, Key};

/// Why a configuration was refused. Every message names the place that mends it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A line of the file is wrong.
    #[error("{}:{line}: {message}", path.display())]
    File {
        /// The configuration file.
        path: PathBuf,
        /// 1-based line.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A value is wrong; `origin` is the flag or variable it came from.
    #[error("{origin}: {key}: {message}")]
    Value {
        /// Where the value stands.
        origin: Origin,
        /// The key it sets.
        key: &'static str,
        /// What is wrong.
        message: String,
    },
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The configuration file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said otherwise.
    Default,
    /// `pyralog.toml`, with the line.
    File(PathBuf, usize),
    /// An environment variable.
    Env(String),
    /// A command-line flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
        }
    }
}

/// What the layers are read from; injected, so that tests touch neither the environment nor the disk.
pub struct Sources<'a> {
    /// Path and text of the file, where there is one.
    pub file: Option<(PathBuf, String)>,
    /// Looks an environment variable up.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Flags given, by key name.
    pub flags: BTreeMap<&'static str, String>,
}

/// A configuration together with the origin of each of its values.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The settings.
    pub config: Config,
    origins: BTreeMap<&'static str, Origin>,
}

impl Resolved {
    /// Merges all layers. The first wrong value is refused; nothing is half applied.
    pub fn load(sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let mut resolved = Self { config: Config::default(), origins: BTreeMap::new() };
        if let Some((path, text)) = &sources.file {
            for entry in file::parse(path, text)? {
                resolved.apply(entry.key, &entry.text, Origin::File(path.clone(), entry.line))?;
            }
        }
        for key in KEYS {
            if let Some(text) = (sources.env)(&key.env()) {
                resolved.apply(key, &text, Origin::Env(key.env()))?;
            }
            if let Some(text) = sources.flags.get(key.name) {
                resolved.apply(key, text, Origin::Flag(key.flag()))?;
            }
        }
        Ok(resolved)
    }

    fn apply(&mut self, key: &'static Key, text: &str, origin: Origin) -> Result<(), ConfigError> {
        key.apply(&mut self.config, text).map_err(|message| ConfigError::Value {
            origin: origin.clone(),
            key: key.name,
            message,
        })?;
        self.origins.insert(key.name, origin);
        Ok(())
    }

    /// Where the value of `key` came from.
    pub fn origin(&self, key: &Key) -> Origin {
        self.origins.get(key.name).cloned().unwrap_or(Origin::Default)
    }

    /// All keys as TOML, each with its origin as a comment where asked.
    pub fn show(&self, with_origin: bool) -> String {
        let mut out = String::new();
        let mut section = "";
        for key in KEYS {
            let (head, name) = key.name.split_once('.').unwrap_or(("", key.name));
            if head != section {
                if !section.is_empty() {
                    out.push('\n');
                }
                out.push_str(&format!("[{head}]\n"));
                section = head;
            }
            out.push_str(&format!("{name} = {}", toml_text(key, &key.show(&self.config))));
            if with_origin {
                out.push_str(&format!("  # {}", self.origin(key)));
            }
            out.push('\n');
        }
        out
    }
}

/// `text` as a TOML value of the key's kind.
pub(super) fn toml_text(key: &Key, text: &str) -> String {
    if key.list {
        let items: Vec<String> = text.split(',').filter(|item| !item.is_empty()).map(quote).collect();
        return format!("[{}]", items.join(", "));
    }
    if text.parse::<u64>().is_ok() || text == "true" || text == "false" { text.into() } else { quote(text) }
}

fn quote(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}
