//! An independent judge of committed blocks: validates and executes each once more, and follows the chain as a light client does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use pyralog_consensus::application::{Application, BlockContext};
use pyralog_consensus::block::{
    ChainState, EvidenceContext, PlainVerifier, Quorum, Timestamp, ValidatorAddress, ValidatorSet, validate_block,
};
use pyralog_consensus::engine::CommittedBlock;
use pyralog_consensus::genesis::Genesis;
use pyralog_consensus::ledger::{Ledger, LedgerOptions};
use pyralog_consensus::light::{LightBlock, LightOptions, TrustedState, Validators, Verdict, verify};
use pyralog_consensus::tx::Envelope;
use pyralog_crypto::{Address, LogId, Roots};
use tendermint::{Time, block};

use super::disk::{Disk, SharedDisk};
use super::outcome::Rule;
use super::plan::{MS, PRECISION};
use super::setting::{CHAIN, GENESIS};

/// A broken rule, without the time.
pub(super) type Broken = (Rule, String);

/// The chain as it must be.
pub(super) struct Audit {
    pub(super) chain: Arc<ChainState>,
    pub(super) ledger: Ledger,
    state: SharedDisk,
    heights: Heights,
    /// What a light client trusts after each height, from 0.
    trusted: Vec<TrustedState>,
    accounts: Vec<Address>,
    supply: u64,
    anchored: BTreeMap<LogId, (u64, Roots)>,
    /// Who was named in a block for signing twice.
    pub(super) punished: Vec<ValidatorAddress>,
    pub(super) txs: u64,
    pub(super) anchors: u64,
    pub(super) set_changes: u64,
    /// The transactions of the last block that had any.
    pub(super) last_txs: Vec<Bytes>,
}

/// What is known of committed heights, from 1.
#[derive(Default)]
struct Heights(Vec<Height>);

struct Height {
    id: block::Id,
    validators: ValidatorSet,
    time: Time,
    chain: Arc<ChainState>,
}

impl Audit {
    pub(super) fn new(genesis: &Genesis, accounts: Vec<Address>) -> Result<Self> {
        let state = SharedDisk::new(Disk::with_state(genesis.state()));
        let ledger = Ledger::open(Box::new(state.clone()), CHAIN, LedgerOptions::default())?;
        let chain = genesis.chain_state()?;
        let root = TrustedState {
            chain_id: CHAIN.into(),
            height: 0,
            hash: None,
            time: chain.genesis_time,
            next_validators: Validators::from(&chain.validators),
        };
        Ok(Self {
            supply: ledger.totals()?.supply,
            chain: Arc::new(chain),
            ledger,
            state,
            heights: Heights::default(),
            trusted: vec![root],
            accounts,
            anchored: BTreeMap::new(),
            punished: Vec::new(),
            txs: 0,
            anchors: 0,
            set_changes: 0,
            last_txs: Vec::new(),
        })
    }

    pub(super) fn height(&self) -> u64 {
        self.chain.height
    }

    /// The validators of a height, up to two above the last.
    pub(super) fn validators(&self, height: u64) -> Option<ValidatorSet> {
        match height.checked_sub(self.chain.height) {
            Some(1) => Some(self.chain.validators.clone()),
            Some(2) => Some(self.chain.next_validators.clone()),
            _ => self.heights.validators(height),
        }
    }

    /// An honest node decided `block` at `now` (true time, nanoseconds since 1970).
    pub(super) fn committed(&mut self, block: &CommittedBlock, now: u64) -> Result<(), Broken> {
        let height = block.height;
        if height == self.height() + 1 {
            self.execute(block, now)?;
        }
        let Some(known) = self.heights.at(height) else {
            return Err((Rule::Agreement, format!("height {height} is decided before the one below it")));
        };
        if known.id != block.block_id {
            let (a, b) = (known.id.hash, block.block_id.hash);
            return Err((Rule::Agreement, format!("two blocks at height {height}: {a} and {b}")));
        }
        if known.chain != block.chain {
            return Err((Rule::Agreement, format!("another state after height {height}")));
        }
        self.follow(block, now)
    }

    fn execute(&mut self, block: &CommittedBlock, now: u64) -> Result<(), Broken> {
        let height = block.height;
        let invalid = |what: String| (Rule::Execution, format!("block {height}: {what}"));
        let time = Timestamp::from_time(block.block.header.time).unwrap_or_default().0;
        // A clock inside the precision may be ahead by it, and may take a time that is ahead of itself by it.
        if time > now + 2 * PRECISION {
            return Err((Rule::Time, format!("block {height} is {} ms from the future", (time - now) / MS)));
        }
        let misbehavior =
            validate_block(&self.chain, &self.heights, &block.block, Quorum::TwoThirds, &mut PlainVerifier)
                .map_err(|error| invalid(error.to_string()))?;
        let context = BlockContext::of(&self.chain, &block.block);
        let txs: Vec<Bytes> = block.block.data.iter().map(|tx| Bytes::copy_from_slice(tx)).collect();
        let finalized = self
            .ledger
            .process_proposal(&context, &txs, &misbehavior)
            .and_then(|()| self.ledger.finalize_block(&context, &txs, &misbehavior))
            .map_err(|error| invalid(error.to_string()))?;
        if let Some(result) = finalized.tx_results.iter().find(|result| result.code != 0) {
            return Err(invalid(format!("a transaction fails with code {}", result.code)));
        }
        if finalized.app_hash != block.app_hash || finalized.tx_results != block.tx_results {
            return Err((Rule::Agreement, format!("executing block {height} again gives another result")));
        }
        let next =
            self.chain.after(&block.block, block.block_id, &finalized).map_err(|error| invalid(error.to_string()))?;
        self.state.lock().apply(&finalized.writes);
        self.ledger.commit(height);
        self.heights.0.push(Height {
            id: block.block_id,
            validators: self.chain.validators.clone(),
            time: block.block.header.time,
            chain: Arc::new(next.clone()),
        });
        self.set_changes += u64::from(!finalized.validator_updates.is_empty());
        self.punished.extend(misbehavior.iter().map(|m| m.validator));
        self.chain = Arc::new(next);
        self.check_anchors(&txs)?;
        self.txs += txs.len() as u64;
        if !txs.is_empty() {
            self.last_txs = txs;
        }
        self.check_supply()
    }

    fn check_supply(&self) -> Result<(), Broken> {
        let broken = |what: String| (Rule::Supply, format!("height {}: {what}", self.height()));
        let read = |error: pyralog_consensus::application::AppError| broken(error.to_string());
        let totals = self.ledger.totals().map_err(read)?;
        let mut balances = 0u128;
        for account in &self.accounts {
            balances += u128::from(self.ledger.account(account).map_err(read)?.balance);
        }
        let stakes = u128::from(totals.bonded) + u128::from(totals.unbonding);
        let sum = balances + stakes + u128::from(totals.pool);
        if sum != u128::from(self.supply) || totals.supply != self.supply {
            return Err(broken(format!("{sum} upyra instead of {}", self.supply)));
        }
        let active = self.ledger.active_validators().map_err(read)?;
        let power: u128 = active.0.iter().map(|(_, power)| u128::from(*power)).sum();
        if power * u128::from(pyralog_consensus::ledger::POWER_UNIT) > u128::from(totals.bonded) {
            return Err(broken(format!("power {power} is more than is bonded")));
        }
        Ok(())
    }

    fn check_anchors(&mut self, txs: &[Bytes]) -> Result<(), Broken> {
        for tx in txs {
            let Ok(Envelope::Anchor(anchor)) = Envelope::decode(tx) else { continue };
            let checkpoint = anchor.checkpoint.checkpoint;
            let (log, size) = (checkpoint.log, checkpoint.size);
            self.anchors += 1;
            let before = self.anchored.insert(log, (size, checkpoint.roots));
            if before.is_some_and(|(before, _)| before >= size) {
                return Err((Rule::Anchor, format!("log {log} was anchored at size {size} and did not grow")));
            }
            let record = self.ledger.log(&log).ok().flatten();
            if record.as_ref().map(|record| (record.size, record.roots)) != Some((size, checkpoint.roots)) {
                return Err((Rule::Anchor, format!("log {log} is not what its anchor says")));
            }
            if record.is_none_or(|record| anchor.checkpoint.verify(CHAIN, &record.owner).is_err()) {
                return Err((Rule::Anchor, format!("an anchor of log {log} is not signed by its owner")));
            }
        }
        Ok(())
    }

    /// The block as a light client gets it from this node: from the height before, and from one far below.
    fn follow(&mut self, block: &CommittedBlock, now: u64) -> Result<(), Broken> {
        let height = block.height;
        let refused = |what: String| (Rule::LightClient, format!("height {height}: {what}"));
        let sets = (Validators::from(&block.validators), Validators::from(&block.next_validators));
        let light = LightBlock::from_tendermint(&block.block.header, &block.commit, sets.0, sets.1)
            .map_err(|fault| refused(fault.to_string()))?;
        let options = LightOptions { clock_drift: Duration::from_secs(1), ..LightOptions::default() };
        let now = Timestamp(now.max(GENESIS)).to_time();
        let below = |from: u64| self.trusted.get(from as usize);
        let Some(last) = below(height - 1) else { return Err(refused("the height before is not trusted".into())) };
        let next = match verify(&light, last, &options, now) {
            Verdict::Verified(next) => *next,
            other => return Err(refused(format!("{other:?}"))),
        };
        // Every fourth height also by skipping, from half the way: it may lack trust, but is never invalid.
        if height.is_multiple_of(4)
            && let Some(early) = below(height / 2)
            && let Verdict::Invalid(fault) = verify(&light, early, &options, now)
        {
            return Err(refused(format!("skipping from {}: {fault}", height / 2)));
        }
        if self.trusted.len() as u64 == height {
            self.trusted.push(next);
        }
        Ok(())
    }
}

impl Heights {
    fn at(&self, height: u64) -> Option<&Height> {
        self.0.get(usize::try_from(height.checked_sub(1)?).ok()?)
    }
}

impl EvidenceContext for Heights {
    fn validators(&self, height: u64) -> Option<ValidatorSet> {
        self.at(height).map(|height| height.validators.clone())
    }

    fn block_time(&self, height: u64) -> Option<Time> {
        self.at(height).map(|height| height.time)
    }
}

#[cfg(test)]
mod tests;
