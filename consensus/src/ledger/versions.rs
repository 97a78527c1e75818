//! Versions in the store: what a block writes, and what it removes because it became too old.

use std::collections::BTreeMap;

use pyralog_crypto::{
    CodecError, Hash,
    chain_id::MAX_CHAIN_ID,
    codec::{Decode, Encode, Reader, Writer},
};

use super::{JellyfishTree, StateTree, TreeUpdate, keys::store_key, overlay::Change, state_tree::value_changes};
use crate::application::{AppError, StateStore};

/// Key-value writes for the store, sorted by key; `None` deletes.
pub type Writes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// [`Writes`] while they are put together.
pub(crate) type SortedWrites = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Nodes of a tree by store key.
pub(crate) type NewNodes = Vec<(Vec<u8>, Vec<u8>)>;

/// Most old versions that one block removes; more are due only after `keep_versions` was lowered.
const PRUNE_PER_BLOCK: u64 = 4;
/// Bounds for decoding our own records.
const MAX_ENTRIES: usize = 1 << 24;
const MAX_KEY: usize = 256;
/// Generous: the reader allocates no more than the record has.
const MAX_VALUE: usize = 1 << 30;

/// What the store holds.
///
/// Encoding: version 1, height (u64), root (32), oldest provable version (u64), chain id (text).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub version: u64,
    pub root: Hash,
    pub oldest: u64,
    pub chain_id: String,
}

impl Meta {
    pub fn read(store: &dyn StateStore) -> Result<Self, AppError> {
        let Some(bytes) = store.get(store_key::META)? else {
            return Err(AppError::Invariant("the store holds no state; initialise it from genesis.json".into()));
        };
        Self::from_bytes(&bytes)
            .map_err(|e| AppError::Invariant(format!("the record of the state's version is damaged: {e}")))
    }
}

impl Encode for Meta {
    fn encode(&self, w: &mut Writer) {
        w.u8(1).u64(self.version).put(&self.root).u64(self.oldest).text(&self.chain_id);
    }
}

impl Decode for Meta {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("state meta", 1)?;
        Ok(Self { version: r.u64()?, root: r.get()?, oldest: r.u64()?, chain_id: r.text(MAX_CHAIN_ID)?.to_owned() })
    }
}

/// The values that a version replaced, by name; `None` where the name was new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UndoRecord(pub Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl Encode for UndoRecord {
    fn encode(&self, w: &mut Writer) {
        w.list(&self.0, |w, (name, old)| {
            w.bytes(name).option(old.as_ref(), |w, old| {
                w.bytes(old);
            });
        });
    }
}

impl Decode for UndoRecord {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let entry =
            |r: &mut Reader<'_>| Ok((r.bytes(MAX_KEY)?.to_vec(), r.option(|r| Ok(r.bytes(MAX_VALUE)?.to_vec()))?));
        Ok(Self(r.list(MAX_ENTRIES, entry)?))
    }
}

/// The state of genesis: root and writes for an empty store.
pub(crate) fn genesis_writes(chain_id: &str, values: BTreeMap<Vec<u8>, Vec<u8>>) -> Result<(Hash, Writes), AppError> {
    struct Nothing;
    impl StateStore for Nothing {
        fn get(&self, _key: &[u8]) -> Result<Option<Vec<u8>>, crate::application::StoreError> {
            Ok(None)
        }
    }
    let changes: Vec<_> =
        values.into_iter().map(|(name, value)| Change { name, old: None, new: Some(value) }).collect();
    let update = JellyfishTree.update(&Nothing, 0, &value_changes(&changes))?;
    let meta = Meta { version: 0, root: update.root, oldest: 0, chain_id: chain_id.to_owned() };
    let mut writes = value_writes(&changes);
    writes.extend(update.nodes.into_iter().map(|(key, node)| (key, Some(node))));
    writes.insert(store_key::META.to_vec(), Some(meta.to_bytes()));
    Ok((meta.root, writes.into_iter().collect()))
}

/// The writes that lead from `before` to the version after it, and what then stands in the store.
pub(crate) fn version_writes(
    store: &dyn StateStore,
    before: &Meta,
    keep: u64,
    changes: Vec<Change>,
    update: TreeUpdate,
) -> Result<(Meta, SortedWrites), AppError> {
    let version = before.version + 1;
    let mut writes = value_writes(&changes);
    writes.extend(update.nodes.into_iter().map(|(key, node)| (key, Some(node))));
    let mut stale = Writer::new();
    stale.list(&update.stale, |w, key| {
        w.bytes(key);
    });
    writes.insert(store_key::stale(version), Some(stale.into_bytes()));
    let undo = UndoRecord(changes.into_iter().map(|c| (c.name, c.old)).collect());
    writes.insert(store_key::undo(version), Some(undo.to_bytes()));

    let oldest = before.oldest.max(version.saturating_sub(keep).min(before.oldest + PRUNE_PER_BLOCK));
    for pruned in before.oldest + 1..=oldest {
        let key = store_key::stale(pruned);
        if let Some(bytes) = store.get(&key)? {
            for node in stale_keys(&bytes)? {
                writes.insert(node, None);
            }
            writes.insert(key, None);
        }
        writes.insert(store_key::undo(pruned), None);
    }
    let meta = Meta { version, root: update.root, oldest, chain_id: before.chain_id.clone() };
    writes.insert(store_key::META.to_vec(), Some(meta.to_bytes()));
    Ok((meta, writes))
}

fn value_writes(changes: &[Change]) -> SortedWrites {
    changes.iter().map(|c| (store_key::value(&c.name), c.new.clone())).collect()
}

fn stale_keys(bytes: &[u8]) -> Result<Vec<Vec<u8>>, AppError> {
    let mut r = Reader::new(bytes);
    let keys = r.list(MAX_ENTRIES, |r| Ok(r.bytes(MAX_KEY)?.to_vec()));
    keys.and_then(|keys| r.finish().map(|()| keys))
        .map_err(|e| AppError::Invariant(format!("a record of replaced tree nodes is damaged: {e}")))
}
