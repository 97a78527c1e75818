//! Whether the stored blocks are a chain: each decodes, has the hash that is noted, and names the one before it.

use bytes::Bytes;
use pyralog_cluster_core::Chain;
use pyralog_consensus::block::from_tendermint_hash;

use super::BlockRecord;

/// Gives each thing that is wrong to `found`. What cannot be read at all is told by the store itself.
pub fn check_blocks(chain: &Chain, found: &mut dyn FnMut(String)) {
    let Some(latest) = chain.latest_height() else { return };
    let mut before = None;
    for height in chain.initial_height().unwrap_or(1)..=latest {
        let record = match read(chain, height) {
            Ok(record) => record,
            Err(why) => {
                found(format!("block {height}: {why}"));
                before = None;
                continue;
            }
        };
        let hash = record.block.header.hash();
        if hash != record.meta.block_id.hash {
            found(format!("block {height} has another hash than is noted beside it"));
        }
        if record.height() != height || record.commit.height.value() != height {
            found(format!(
                "at height {height} stands block {} with a commit for {}",
                record.height(),
                record.commit.height
            ));
        }
        if record.commit.block_id.hash != hash {
            found(format!("the commit of block {height} is for another block"));
        }
        let parent = record.block.header.last_block_id.map(|id| id.hash);
        if let Some(before) = before
            && parent != Some(before)
        {
            found(format!("block {height} does not name block {} as the one before it", height - 1));
        }
        if chain.height_of(&from_tendermint_hash(hash).0).ok().flatten() != Some(height) {
            found(format!("the index of block hashes does not lead to block {height}"));
        }
        before = Some(hash);
    }
}

fn read(chain: &Chain, height: u64) -> Result<BlockRecord, String> {
    let part = |part: Result<Option<Bytes>, pyralog_cluster_core::Error>, what: &str| {
        part.map_err(|e| e.to_string())?.ok_or_else(|| format!("its {what} is missing"))
    };
    let block = part(chain.block(height), "block")?;
    let commit = part(chain.commit(height), "commit")?;
    let meta = part(chain.meta(height), "meta record")?;
    BlockRecord::decode(block, &commit, &meta).map_err(|e| e.to_string())
}
