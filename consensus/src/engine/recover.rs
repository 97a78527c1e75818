//! Building an engine from what the node stored.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use malachitebft_core_consensus::{Params, State};
use malachitebft_core_types::{ThresholdParam, ThresholdParams, ValuePayload};
use pyralog_crypto::{Decode, Signer};
use tendermint::block::{Commit, CommitSig};

use super::attendance::Attendance;
use super::candidates::Candidates;
use super::context::{CoreInput, Ctx, Height, SharedSet, step_of};
use super::evidence_pool::EvidencePool;
use super::guard::SignGuard;
use super::host::{Host, Phase};
use super::outbox::Outbox;
use super::signatures::SignatureCache;
use super::wal::{Record, WalEntry};
use super::{Engine, EngineConfig, History, SignMark};
use crate::application::{Application, TxSource};
use crate::block::{BuiltBlock, ChainState, Step, Timestamp, ValidatorAddress, decode_block};
use crate::error::EngineError;

/// What the consensus WAL held when the node was opened.
#[derive(Clone, Debug, Default)]
pub struct WalRecovery {
    /// The entries, oldest first, as [`super::Effect::WalAppend`] gave them.
    pub entries: Vec<Bytes>,
    /// Whether a torn last entry was cut off.
    pub truncated: bool,
}

/// Everything that an engine is recovered from.
pub struct Recovery<A> {
    /// Settings.
    pub config: EngineConfig,
    /// The chain after the last durable block, or [`ChainState::genesis`].
    pub chain: ChainState,
    /// The state machine, its base state being that of `chain`.
    pub app: A,
    /// The mempool.
    pub txs: Box<dyn TxSource>,
    /// Committed heights.
    pub history: Box<dyn History>,
    /// The validator key; `None` follows as a full node.
    pub signer: Option<Box<dyn Signer>>,
    /// The consensus WAL.
    pub wal: WalRecovery,
    /// The last durable mark.
    pub mark: Option<SignMark>,
    /// The number of this start, higher than that of every earlier one: answers to an earlier start must not count for it, and the others take a lower
    /// number for an old one, until they have not heard it for a while.
    pub number: u64,
}

/// How many commits before the last are searched for own signatures above the mark.
const RECENT_COMMITS: u64 = 64;

impl<A: Application> Engine<A> {
    /// Builds an engine from what the node stored. Cheap and deterministic; nothing happens before [`super::Input::Start`].
    ///
    /// # Errors
    /// A damaged WAL entry or a chain state that contradicts itself.
    pub fn recover(recovery: Recovery<A>) -> Result<Self, EngineError> {
        let Recovery { config, chain, app, txs, history, signer, wal, mark, number } = recovery;
        let key = signer.as_ref().map(|signer| signer.public_key());
        let entries = decode_entries(&wal)?;
        let own = key.as_ref().map(ValidatorAddress::of);
        let logged_top = entries.iter().filter_map(|entry| own_mark(entry, own)).max();
        let lost_through = lost_through(&chain, &entries, logged_top, mark);
        let torn = wal.truncated.then_some(chain.height + 1);
        let guard = SignGuard::new(key, logged_top.max(mark), lost_through, torn);
        let last_commit = last_commit(&chain, history.as_ref())?;

        let ctx = Ctx {
            chain_id: chain.chain_id.as_str().into(),
            #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
            wrong_proposer: config.canary.wrong_proposer,
        };
        let (set, next_set) = (SharedSet::new(chain.validators.clone()), SharedSet::new(chain.next_validators.clone()));
        let params = Params {
            address: guard.address(),
            threshold_params: thresholds(&config),
            value_payload: ValuePayload::ProposalAndParts,
            enabled: false,
        };
        let core = State::new(ctx.clone(), Height(chain.height + 1), set.clone(), params, 1, 1);
        #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
        let unsafe_release = config.canary.wal_not_synced;
        #[cfg(not(any(test, all(feature = "testkit", debug_assertions))))]
        let unsafe_release = false;
        let mut host = Host {
            config,
            ctx,
            app,
            txs,
            history,
            signer,
            chain: Arc::new(chain),
            set,
            next_set,
            phase: Phase::Created,
            now: Timestamp::default(),
            out: Vec::new(),
            outbox: Outbox::new(mark, unsafe_release),
            guard,
            signatures: SignatureCache::default(),
            candidates: Candidates::default(),
            evidence: EvidencePool::default(),
            offences: Vec::new(),
            queue: VecDeque::new(),
            timers: BTreeSet::new(),
            early: BTreeMap::new(),
            untimely: BTreeMap::new(),
            relayed: BTreeMap::new(),
            served: BTreeMap::new(),
            logged: BTreeSet::new(),
            decision: None,
            core_decided: false,
            last_commit,
            height_started: Timestamp::default(),
            replaying: false,
            recorded: BTreeSet::new(),
            wal: Vec::new(),
            deferred: Vec::new(),
            refused: false,
            sync_target: 0,
            sync_asked: None,
            sync_queue: BTreeMap::new(),
            attendance: Attendance::new(number),
            observed_height: 0,
            prolonged: 0,
            torn_looks: 0,
        };
        host.load(entries);
        host.search_recent_commits(mark);
        Ok(Self { core, host })
    }
}

impl<A: Application> Host<A> {
    /// Takes over what the WAL says of the height under way.
    fn load(&mut self, entries: Vec<WalEntry>) {
        let height = self.height();
        for entry in entries {
            // Evidence counts whenever it was logged; everything else only for the height under way.
            if let Record::Evidence(evidence) = &entry.record {
                if self.check_evidence(evidence).is_ok() {
                    self.evidence.add((**evidence).clone());
                }
                continue;
            }
            if entry.height != height {
                continue;
            }
            self.recorded.extend(own_mark(&entry, Some(self.guard.address())));
            match &entry.record {
                Record::Value { value, block: Some(bytes) } => {
                    let max = self.chain.params.max_block_bytes;
                    let built = decode_block(bytes, max).ok().and_then(|b| BuiltBlock::new(b, bytes.clone()).ok());
                    if let Some(built) = built.filter(|built| built.value == value.value) {
                        self.candidates.add_block(height, built, None);
                        self.logged.insert(value.value);
                    }
                }
                Record::Proposal(proposal) => {
                    self.candidates.add_proposal(proposal, height, &|_| true);
                }
                _ => {}
            }
            self.wal.extend(entry.record.to_input());
        }
        for input in &self.wal {
            if let CoreInput::ProposedValue(value, _) = input
                && let Some(candidate) = self.candidates.get_mut(height, &value.value)
            {
                candidate.fed = true;
            }
        }
        #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
        if self.config.canary.lock_forgotten {
            self.wal.clear();
            self.candidates = Candidates::default();
            self.logged.clear();
        }
    }

    /// Signatures of ours above the mark that stand in committed blocks: somebody else signs with our key, or this is an old backup.
    fn search_recent_commits(&mut self, mark: Option<SignMark>) {
        if self.signer.is_none() {
            return;
        }
        let address = self.guard.address();
        let lowest = self.chain.height.saturating_sub(RECENT_COMMITS).max(mark.map_or(0, |mark| mark.height)).max(1);
        for height in lowest..=self.chain.height {
            let Some(commit) = self.history.commit(height) else { continue };
            if commit.signatures.iter().any(|slot| slot.validator_address().map(Into::into) == Some(address)) {
                let round = commit.round.value();
                self.guard.saw_own(SignMark { height, round, step: Step::Precommit }, mark);
            }
        }
    }
}

/// The last height that this node must not sign, because signatures that left it are lost together with the lock that they stand for; 0 for none.
///
/// A signature leaves only when its WAL entry, all entries before it, and then a mark at or above it are durable (`outbox`), and a WAL loses
/// nothing but its end. So where the mark is not above the last signature in the WAL, all that left this node stands in what remains, with
/// everything that led to it. A lock is no exception: it is taken together with the precommit for its value (Buchman, Kwon, Milosevic, "The latest
/// gossip on BFT consensus", arXiv:1807.04938, algorithm 1, lines 36 to 40), and a precommit that is gone without a mark never left. Such a node is one
/// that crashed a moment earlier, and may sign above what it has, with its lock, as after any crash. Where the mark is above, the lock is lost
/// too; a prevote for a value would need proof that two thirds prevoted it at or after the marked round (line 28), and as long as more than
/// a third waits for such proof there is none. So nothing is signed at that height.
fn lost_through(chain: &ChainState, entries: &[WalEntry], logged: Option<SignMark>, mark: Option<SignMark>) -> u64 {
    let next = chain.height + 1;
    let lost = mark.filter(|mark| mark.height > next || mark.height == next && Some(*mark) > logged);
    // A WAL ahead of the chain: the chain was restored from an older copy.
    let ahead = entries.iter().map(|entry| entry.height).filter(|height| *height > next).max();
    lost.map_or(0, |mark| mark.height).max(ahead.unwrap_or(0))
}

fn decode_entries(wal: &WalRecovery) -> Result<Vec<WalEntry>, EngineError> {
    let decode = |(index, bytes): (usize, &Bytes)| {
        WalEntry::from_bytes(bytes).map_err(|error| EngineError::Wal { index, error })
    };
    wal.entries.iter().enumerate().map(decode).collect()
}

/// The position of our own signature in an entry.
fn own_mark(entry: &WalEntry, own: Option<ValidatorAddress>) -> Option<SignMark> {
    let (address, round, step) = match &entry.record {
        Record::Vote(vote) => (vote.message.address, vote.message.round, step_of(vote.message.step)),
        Record::Proposal(proposal) => (proposal.message.address, proposal.message.round, Step::Propose),
        _ => return None,
    };
    (Some(address) == own).then_some(SignMark { height: entry.height, round: round.as_u32()?, step })
}

fn last_commit(chain: &ChainState, history: &dyn History) -> Result<Option<Commit>, EngineError> {
    if chain.height == 0 {
        return Ok(None);
    }
    let commit = history.commit(chain.height).ok_or(EngineError::Chain("the commit of the last block is missing"))?;
    let fits = Some(commit.block_id) == chain.last_block_id && commit.signatures.len() == chain.last_validators.len();
    let signed = commit.signatures.iter().any(CommitSig::is_commit);
    if !fits || !signed {
        return Err(EngineError::Chain("the commit of the last block is not for it"));
    }
    Ok(Some(commit))
}

fn thresholds(config: &EngineConfig) -> ThresholdParams {
    #[cfg(any(test, all(feature = "testkit", debug_assertions)))]
    if config.canary.quorum_off_by_one {
        return ThresholdParams { quorum: ThresholdParam::F_PLUS_ONE, honest: ThresholdParam::F_PLUS_ONE };
    }
    let _ = config;
    ThresholdParams { quorum: ThresholdParam::TWO_F_PLUS_ONE, honest: ThresholdParam::F_PLUS_ONE }
}
