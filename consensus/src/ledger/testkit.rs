//! A chain of blocks over a ledger in memory, for tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use pyralog_crypto::{
    Address, Blake3, Checkpoint, Decode, Hash, LogId, MemoryTree, MerkleHash, PublicKey, Roots, Sha256,
    SignedCheckpoint, Signer, SigningKey,
};

use super::{
    Account, Ledger, LedgerOptions, LedgerParams, POWER_UNIT, Totals, ValidatorRecord, keys::store_key, state_key,
};
use crate::{
    application::{AppError, Application, BlockContext, Finalized, Misbehavior, StateStore, StoreError},
    block::{ChainState, ConsensusParams, Timestamp, ValidatorAddress},
    genesis::{Genesis, GenesisLog, GenesisParts, GenesisValidator},
    tx::{AnchorTx, Authority, CompanionTx, LogName, Message, Payment, SignedTx, TxBody, TxError, TxSigner},
};

pub(crate) const CHAIN: &str = "pyralog-dev-ledger";
pub(crate) const GENESIS_TIME: u64 = 1_780_000_000_000_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;
/// The balance of each genesis account.
pub(crate) const RICH: u64 = 1_000_000_000_000;

/// A store that tests can look into and break.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemStore(pub Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>);

impl MemStore {
    pub fn apply(&self, writes: &[(Vec<u8>, Option<Vec<u8>>)]) {
        let mut map = self.0.lock().unwrap();
        for (key, value) in writes {
            match value {
                Some(value) => map.insert(key.clone(), value.clone()),
                None => map.remove(key),
            };
        }
    }

    pub fn snapshot(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.0.lock().unwrap().clone()
    }
}

impl StateStore for MemStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }
}

/// A key by number: 0..10 are rich accounts of genesis, 100.. validators, 200.. logs.
pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32])
}

pub(crate) fn public(n: u8) -> PublicKey {
    key(n).public_key()
}

pub(crate) fn address(n: u8) -> Address {
    Address::from_key(&public(n))
}

pub(crate) fn log_id(n: u8) -> LogId {
    LogId::derive(CHAIN, &public(n), "notary")
}

/// Ten rich accounts (0..10), three validators (100..103, power 10 each, owned by account 0..3), two logs (200, 201).
pub(crate) fn parts() -> GenesisParts {
    let validator = |i: u8| GenesisValidator {
        key: public(100 + i),
        name: format!("validator-{i}"),
        owner: address(i),
        stake: 10 * POWER_UNIT,
    };
    let log = |n| GenesisLog { owner: public(n), name: LogName::new("notary").unwrap() };
    GenesisParts {
        chain_id: CHAIN.into(),
        genesis_time: Timestamp(GENESIS_TIME).to_time(),
        consensus_params: ConsensusParams {
            evidence_max_age_blocks: 10,
            evidence_max_age_ns: 20 * SECOND,
            ..ConsensusParams::DEFAULTS
        },
        validators: (0..3).map(validator).collect(),
        accounts: (0..10).map(|n| (address(n), RICH)).collect(),
        logs: vec![log(200), log(201)],
        params: LedgerParams { max_validators: 4, ..LedgerParams::DEFAULTS },
    }
}

pub(crate) struct TestChain {
    pub store: MemStore,
    pub ledger: Ledger,
    pub state: ChainState,
    pub genesis: Genesis,
    /// Nanoseconds between blocks.
    pub interval: u64,
    /// Every block's writes.
    pub writes: Vec<super::Writes>,
    /// Header hashes by height, from 1.
    pub headers: Vec<Hash>,
    pub app_hashes: Vec<Hash>,
}

impl TestChain {
    pub fn new() -> Self {
        Self::from_parts(parts())
    }

    pub fn from_parts(parts: GenesisParts) -> Self {
        Self::with_options(parts, LedgerOptions::default())
    }

    pub fn with_options(parts: GenesisParts, options: LedgerOptions) -> Self {
        let genesis = Genesis::new(parts).unwrap();
        let store = MemStore::default();
        store.apply(genesis.state());
        let ledger = Ledger::open(Box::new(store.clone()), CHAIN, options).unwrap();
        let state = genesis.chain_state().unwrap();
        let app_hashes = vec![genesis.app_hash()];
        Self { store, ledger, state, genesis, interval: SECOND, writes: vec![], headers: vec![], app_hashes }
    }

    pub fn ctx(&self) -> BlockContext {
        let height = self.state.height + 1;
        let now = Timestamp::from_time(self.state.last_time).unwrap().0 + self.interval;
        let mut preimage = height.to_be_bytes().to_vec();
        preimage.extend_from_slice(&self.state.app_hash.0);
        BlockContext {
            height,
            time: Timestamp(now).to_time(),
            proposer: ValidatorAddress::of(&public(100)),
            block_hash: Sha256::digest(&preimage),
            last_header_hash: self.headers.last().copied().unwrap_or(Hash([0; 32])),
            last_commit: vec![],
            chain: Arc::new(self.state.clone()),
        }
    }

    /// Process, finalize, persist, commit.
    pub fn try_block(&mut self, txs: &[Bytes], evidence: &[Misbehavior]) -> Result<Finalized, AppError> {
        let ctx = self.ctx();
        self.ledger.process_proposal(&ctx, txs, evidence)?;
        let finalized = self.ledger.finalize_block(&ctx, txs, evidence)?;
        self.adopt(&ctx, &finalized);
        Ok(finalized)
    }

    pub fn adopt(&mut self, ctx: &BlockContext, finalized: &Finalized) {
        self.store.apply(&finalized.writes);
        self.ledger.commit(ctx.height);
        let after = self.state.validators_after(&finalized.validator_updates).unwrap();
        self.state.last_validators =
            std::mem::replace(&mut self.state.validators, std::mem::replace(&mut self.state.next_validators, after));
        self.state.height = ctx.height;
        self.state.last_time = ctx.time;
        self.state.app_hash = finalized.app_hash;
        self.writes.push(finalized.writes.clone());
        self.headers.push(ctx.block_hash);
        self.app_hashes.push(finalized.app_hash);
        self.check_supply();
    }

    pub fn block(&mut self, txs: &[Bytes]) -> Finalized {
        self.try_block(txs, &[]).unwrap()
    }

    pub fn blocks(&mut self, n: u64) {
        for _ in 0..n {
            self.block(&[]);
        }
    }

    /// Sums everything in the store; the total must be that of genesis.
    pub fn check_supply(&self) {
        let map = self.store.snapshot();
        let values = |prefix: &str| {
            let start = store_key::value(prefix.as_bytes());
            map.range(start.clone()..)
                .take_while(move |(k, _)| k.starts_with(&start))
                .map(|(_, v)| v.clone())
                .collect::<Vec<_>>()
        };
        let balances: u128 =
            values("account/").iter().map(|v| u128::from(Account::from_bytes(v).unwrap().balance)).sum();
        let validators: Vec<_> = values("validator/").iter().map(|v| ValidatorRecord::from_bytes(v).unwrap()).collect();
        let bonded: u128 = validators.iter().map(|v| u128::from(v.bonded)).sum();
        let unbonding: u128 = validators.iter().flat_map(|v| &v.unbonding).map(|u| u128::from(u.amount)).sum();
        let totals: Totals = super::overlay::read(&self.store, state_key::TOTALS).unwrap().unwrap();
        assert_eq!(u128::from(totals.bonded), bonded, "bonded");
        assert_eq!(u128::from(totals.unbonding), unbonding, "unbonding");
        assert_eq!(balances + bonded + unbonding + u128::from(totals.pool), u128::from(totals.supply), "supply");
        let p = self.genesis.parts();
        let first: u128 = p.accounts.iter().map(|a| u128::from(a.1)).sum::<u128>()
            + p.validators.iter().map(|v| u128::from(v.stake)).sum::<u128>();
        assert_eq!(u128::from(totals.supply), first, "the supply never changes");
    }

    pub fn balance(&self, n: u8) -> u64 {
        self.ledger.account(&address(n)).unwrap().balance
    }

    pub fn nonce(&self, n: u8) -> u64 {
        self.ledger.account(&address(n)).unwrap().nonce
    }

    /// A signed transaction with the committed nonces.
    pub fn tx(&self, signers: &[u8], messages: Vec<Message>) -> Bytes {
        self.draft(signers, messages).bytes()
    }

    pub fn draft(&self, signers: &[u8], messages: Vec<Message>) -> Draft {
        let nonces = signers.iter().map(|n| self.nonce(*n)).collect();
        Draft::new(signers, nonces, self.state.height, messages)
    }

    pub fn transfer(&self, from: u8, to: u8, amount: u64) -> Bytes {
        self.tx(&[from], vec![Message::Transfer { signer: 0, to: address(to), amount }])
    }

    pub fn bond(&self, owner: u8, validator: u8, amount: u64) -> Bytes {
        let known = self.ledger.validator(&public(validator)).unwrap().is_some();
        let signers = if known { vec![owner] } else { vec![owner, validator] };
        self.tx(&signers, vec![Message::Bond { signer: 0, validator: public(validator), amount }])
    }

    pub fn unbond(&self, owner: u8, validator: u8, amount: u64) -> Bytes {
        self.tx(&[owner], vec![Message::Unbond { signer: 0, validator: public(validator), amount }])
    }

    pub fn check(&self, tx: &Bytes) -> Result<(), TxError> {
        self.ledger.check_tx(tx).map(|_| ())
    }

    /// The refusal by `check_bundle`, which must also be the one by `process_proposal`, wherever the block puts it.
    pub fn refusal(&mut self, bundle: &[Bytes]) -> TxError {
        let checked = self.ledger.check_bundle(bundle).expect_err("check_bundle must refuse");
        if let [single] = bundle
            && let Err(ahead) = &self.ledger.verify_ahead(&[single.as_ref()])[0]
        {
            assert_eq!(*ahead, checked, "the answer ahead of the check differs");
        }
        let at_process = self.block_refusal(bundle);
        assert_eq!(checked, at_process, "check and process differ");
        let mut behind = vec![self.transfer(9, 8, 1)];
        behind.extend_from_slice(bundle);
        assert_eq!(self.block_refusal(&behind), checked, "process differs behind another transaction");
        let ctx = self.ctx();
        let good = self.transfer(9, 8, 1);
        let mut candidates = bundle.to_vec();
        candidates.push(good.clone());
        let chosen = self.ledger.prepare_proposal(&ctx, candidates, 1 << 20);
        assert_eq!(chosen, vec![good], "prepare_proposal must drop it");
        checked
    }

    pub fn block_refusal(&mut self, txs: &[Bytes]) -> TxError {
        let ctx = self.ctx();
        match self.ledger.process_proposal(&ctx, txs, &[]) {
            Err(AppError::Tx { error, .. }) => error,
            other => panic!("process_proposal must refuse a transaction: {other:?}"),
        }
    }
}

/// A transaction that tests can bend before it is signed.
pub(crate) struct Draft {
    pub body: TxBody,
    pub keys: Vec<u8>,
    /// `None`: exactly what is required.
    pub fee: Option<u64>,
}

impl Draft {
    pub fn new(signers: &[u8], nonces: Vec<u64>, height: u64, messages: Vec<Message>) -> Self {
        let signer = |(n, nonce): (&u8, u64)| TxSigner { authority: Authority::Key(public(*n)), nonce };
        let body = TxBody {
            chain_id: CHAIN.into(),
            messages,
            signers: signers.iter().zip(nonces).map(signer).collect(),
            payment: Payment::Fee(0),
            expiry_height: height + 100,
            proofs: vec![],
        };
        Self { body, keys: signers.to_vec(), fee: None }
    }

    pub fn sign(mut self) -> SignedTx {
        let keys: Vec<_> = self.keys.iter().map(|n| key(*n)).collect();
        let keys: Vec<&dyn Signer> = keys.iter().map(|k| k as &dyn Signer).collect();
        if matches!(self.body.payment, Payment::Fee(_)) {
            let logs = self.body.messages.iter().filter(|m| matches!(m, Message::RegisterLog { .. })).count();
            let size = self.body.clone().sign(&keys).unwrap().to_bytes().len();
            self.body.payment = Payment::Fee(self.fee.unwrap_or(LedgerParams::DEFAULTS.required_fee(size, logs)));
        }
        self.body.sign(&keys).unwrap()
    }

    pub fn bytes(self) -> Bytes {
        self.sign().to_bytes().into()
    }
}

/// A log whose owner appends and anchors.
pub(crate) struct TestLog {
    pub owner: u8,
    pub id: LogId,
    pub blake3: MemoryTree<Blake3>,
    pub sha256: MemoryTree<Sha256>,
}

impl TestLog {
    pub fn new(owner: u8) -> Self {
        Self { owner, id: log_id(owner), blake3: MemoryTree::new(), sha256: MemoryTree::new() }
    }

    pub fn grow(&mut self, leaves: u64) -> &mut Self {
        for _ in 0..leaves {
            let data = self.blake3.size().to_be_bytes();
            self.blake3.push(&data);
            self.sha256.push(&data);
        }
        self
    }

    pub fn roots(&self, size: u64) -> Roots {
        Roots { blake3: self.blake3.root_at(size).unwrap(), sha256: self.sha256.root_at(size).unwrap() }
    }

    pub fn signed(&self, checkpoint: Checkpoint, signer: u8) -> Bytes {
        let checkpoint = SignedCheckpoint::sign(checkpoint, CHAIN, &key(signer)).unwrap();
        AnchorTx { checkpoint }.to_bytes().into()
    }

    pub fn anchor(&self, size: u64) -> Bytes {
        self.signed(Checkpoint { log: self.id, size, roots: self.roots(size) }, self.owner)
    }

    pub fn companion_tx(&self, old: u64, new: u64) -> CompanionTx {
        CompanionTx::new(
            self.id,
            self.blake3.consistency_at(old, new).unwrap(),
            self.sha256.consistency_at(old, new).unwrap(),
        )
    }

    pub fn companion(&self, old: u64, new: u64) -> Bytes {
        self.companion_tx(old, new).to_bytes().into()
    }

    /// Anchor and companion.
    pub fn bundle(&self, old: u64, new: u64) -> Vec<Bytes> {
        vec![self.anchor(new), self.companion(old, new)]
    }
}

/// Evidence against a genesis validator, of the height and time given.
pub(crate) fn double_sign(chain: &TestChain, validator: u8, height: u64) -> Misbehavior {
    let time = GENESIS_TIME + height * chain.interval;
    Misbehavior {
        validator: ValidatorAddress::of(&public(validator)),
        public_key: public(validator),
        height,
        time: Timestamp(time).to_time(),
        total_power: 30,
        power: 10,
    }
}
