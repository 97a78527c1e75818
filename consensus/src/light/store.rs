//! The trusted store: the root of trust and the latest verified light blocks.

use super::{
    cbor,
    error::LightError,
    light_block::LightBlock,
    validators::{ValidatorEntry, Validators},
    verify::TrustedState,
};
use crate::block::MAX_VALIDATORS;
use pyralog_crypto::{CodecError, Decode, Encode, Hash, PublicKey, Reader, Writer};
use std::collections::BTreeMap;
use tendermint::Time;

/// Most light blocks kept; the lowest goes first.
pub const MAX_STORED: usize = 32;

/// Largest encoding of one light block, bytes.
const MAX_BLOCK_BYTES: usize = 1 << 20;

/// The root of trust and up to [`MAX_STORED`] verified light blocks above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedStore {
    root: TrustedState,
    blocks: BTreeMap<u64, (LightBlock, Hash)>,
}

impl TrustedStore {
    /// A store that trusts `root` alone.
    pub fn new(root: TrustedState) -> Self {
        Self { root, blocks: BTreeMap::new() }
    }

    /// The root of trust.
    pub const fn root(&self) -> &TrustedState {
        &self.root
    }

    /// Adds a verified light block. One whose header cannot be hashed is not verified and is left out.
    pub fn insert(&mut self, block: LightBlock) {
        let Ok(hash) = block.hash() else { return };
        self.blocks.insert(block.header.height, (block, hash));
        while self.blocks.len() > MAX_STORED {
            self.blocks.pop_first();
        }
    }

    /// The light block of `height`.
    pub fn get(&self, height: u64) -> Option<&LightBlock> {
        self.blocks.get(&height).map(|(block, _)| block)
    }

    /// The latest trusted state.
    pub fn latest(&self) -> TrustedState {
        self.at_or_below(u64::MAX).unwrap_or_else(|| self.root.clone())
    }

    /// The highest trusted state at or below `height`.
    pub fn at_or_below(&self, height: u64) -> Option<TrustedState> {
        match self.blocks.range(..=height).next_back() {
            Some((_, (block, hash))) => Some(TrustedState::of(block, *hash)),
            None => (self.root.height <= height).then(|| self.root.clone()),
        }
    }

    /// Canonical encoding: version byte 1; the root (chain id text, height, optional hash, time as seconds and
    /// nanoseconds, list of key and power); list of light blocks in ascending order, each as deterministic CBOR in a
    /// byte string.
    ///
    /// # Errors
    /// None in practice; serialisation into memory cannot fail for these types.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LightError> {
        let mut out = Writer::new();
        out.u8(1).put(&self.root);
        let blocks: Result<Vec<_>, _> = self.blocks.values().map(|(block, _)| cbor::to_vec(block)).collect();
        out.list(&blocks.map_err(LightError::Store)?, |out, bytes| {
            out.bytes(bytes);
        });
        Ok(out.into_bytes())
    }

    /// Reads the canonical encoding, and checks every light block for itself again.
    ///
    /// # Errors
    /// [`LightError::Store`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LightError> {
        let damaged = |e: CodecError| LightError::Store(e.to_string());
        let mut input = Reader::new(bytes);
        input.version("light store", 1).map_err(damaged)?;
        let root: TrustedState = input.get().map_err(damaged)?;
        let blocks =
            input.list(MAX_STORED, |input| input.bytes(MAX_BLOCK_BYTES).map(<[u8]>::to_vec)).map_err(damaged)?;
        input.finish().map_err(damaged)?;
        let mut store = Self::new(root);
        let mut below = None;
        for bytes in &blocks {
            let block: LightBlock = cbor::from_slice(bytes).map_err(LightError::Store)?;
            let hash = block.check().map_err(|f| LightError::Store(f.to_string()))?;
            let height = block.header.height;
            if below.is_some_and(|b| height <= b) || height < store.root.height || block.chain_id != store.root.chain_id
            {
                return Err(LightError::Store(format!("the light block of height {height} is out of place")));
            }
            below = Some(height);
            store.blocks.insert(height, (block, hash));
        }
        Ok(store)
    }
}

impl Encode for TrustedState {
    fn encode(&self, out: &mut Writer) {
        let nanos = (self.time.unix_timestamp_nanos().rem_euclid(1_000_000_000)) as u32;
        out.text(&self.chain_id).u64(self.height).option(self.hash.as_ref(), |out, hash| {
            out.put(hash);
        });
        out.u64(self.time.unix_timestamp() as u64).u32(nanos).list(&self.next_validators.0, |out, v| {
            out.put(&v.public_key).u64(v.power);
        });
    }
}

impl Decode for TrustedState {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let invalid = |why| CodecError::Invalid { what: "trusted state", why };
        let chain_id = input.text(50)?.to_owned();
        let height = input.u64()?;
        let hash = input.option(Reader::get)?;
        let time = Time::from_unix_timestamp(input.u64()? as i64, input.u32()?).map_err(|_| invalid("not a time"))?;
        let entries = input.list(MAX_VALIDATORS, |input| {
            Ok(ValidatorEntry { public_key: input.get::<PublicKey>()?, power: input.u64()? })
        })?;
        let next_validators = Validators(entries);
        next_validators.check().map_err(|_| invalid("not a validator set"))?;
        Ok(Self { chain_id, height, hash, time, next_validators })
    }
}

#[cfg(test)]
#[path = "store_test.rs"]
mod tests;
