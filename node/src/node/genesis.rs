//! The genesis file, and that it is the one of the stored chain.

use pyralog_cluster_core as core;
use pyralog_cluster_core::{Core, completion};
use pyralog_consensus::genesis::{Genesis, MAX_GENESIS_BYTES};
use pyralog_crypto::codec::Encode;

use crate::error::{Error, Result};
use crate::home::{Home, read_bounded};

/// Name of the note that remembers which genesis a store belongs to.
const NOTE: &str = "genesis";

/// Reads `genesis.json`.
pub fn load(home: &Home) -> Result<Genesis> {
    let path = home.genesis();
    if !path.exists() {
        return Err(Error::genesis(
            &path,
            "there is no genesis file; run `pyralogd init`, with --genesis FILE to join a network",
        ));
    }
    let bytes = read_bounded(&path, MAX_GENESIS_BYTES as u64)?;
    Genesis::from_json(&bytes).map_err(|e| Error::genesis(&path, e.to_string()))
}

/// Writes the genesis into an empty store; refuses a store of another one.
pub fn bind(home: &Home, store: &Core, genesis: &Genesis) -> Result<()> {
    let failed = |e: core::Error| Error::Storage(e.to_string());
    let hash = genesis.hash();
    match store.chain().note(NOTE).map_err(failed)? {
        Some(stored) if *stored == hash.0 => Ok(()),
        Some(stored) => Err(Error::genesis(
            &home.genesis(),
            format!(
                "this is not the genesis of the chain in {}: its hash is {hash}, the stored chain's is {}; put the right file back, or use another --home",
                home.store().display(),
                hex::encode(&stored)
            ),
        )),
        None => {
            let chain = genesis.chain_state().map_err(|e| Error::genesis(&home.genesis(), e.to_string()))?;
            let put = core::Genesis {
                initial_height: 1,
                chain_state: chain.to_bytes().into(),
                writes: genesis.state().clone(),
                notes: vec![(NOTE.to_owned(), hash.0.to_vec().into())],
            };
            let (done, told) = completion();
            store.chain().put_genesis(put, Some(done)).map_err(failed)?;
            let event = told.recv().map_err(|_| Error::TaskEnded("the storage's writer"))?;
            event.durable().map(|_| ()).map_err(failed)
        }
    }
}
