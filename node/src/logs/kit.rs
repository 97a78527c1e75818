//! Record logs on a store of their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use pyralog_cluster_core::segment::Retention;
use pyralog_cluster_core::{Core, Options, Storage};
use pyralog_crypto::{LogId, Record, SigningKey};
use tokio::sync::watch;

use super::{Copies, NewLog, RecordLogs};
use crate::driver::{EngineHandle, EngineInbox, LoopEvent};
use crate::metrics::Metrics;

pub const CHAIN_ID: &str = "pyralog-dev-1";

pub struct Opened {
    pub core: Core,
    pub records: Arc<RecordLogs>,
    pub stopping: watch::Sender<bool>,
    pub inbox: EngineInbox,
}

impl Opened {
    /// What the engine has heard of failures within `patience`.
    pub fn failures(&self, patience: Duration) -> Vec<String> {
        let heard = self.inbox.take_turn(patience).events.into_iter().filter_map(|event| match event {
            LoopEvent::Failed(error) => Some(error.to_string()),
            _ => None,
        });
        heard.collect()
    }
}

/// All files below a directory.
pub fn walk(dir: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

pub fn key() -> SigningKey {
    SigningKey::from_seed([5; 32])
}

pub fn open(dir: &Path, options: Options) -> Opened {
    let (core, _) = Core::open(dir, options).unwrap();
    let metrics = Metrics::register(&mut Registry::default());
    let stopping = watch::Sender::new(false);
    let notary = LogId::derive(CHAIN_ID, &key().public_key(), "notary");
    let (logs, signer) = (core.logs().clone(), Arc::new(key()));
    let (engine, inbox, _unchecked) = EngineHandle::channel();
    let records = RecordLogs::new(logs, signer, CHAIN_ID, notary, engine, metrics, stopping.subscribe(), None);
    Opened { core, records, stopping, inbox }
}

pub fn new_log(name: &str, partitions: u32) -> NewLog {
    let retention = Retention::default();
    NewLog {
        name: name.into(),
        partitions,
        storage: Storage::Disk,
        segment_bytes: 64 << 20,
        retention,
        copies: Copies::default(),
    }
}

pub fn record(timestamp: u64, key: Option<&str>, value: Vec<u8>) -> Record {
    Record::new(timestamp, key.map(|key| key.as_bytes().to_vec().into()), value.into(), Vec::new()).unwrap()
}
