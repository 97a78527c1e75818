//! A chain in memory, made by the real engine and ledger in virtual time: for tests of drivers and APIs without disk and sockets.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use futures::future::BoxFuture;
use pyralog_consensus::application::{CheckedTx, StateStore, StoreError};
use pyralog_consensus::block::{ChainState, ConsensusParams, Timestamp, tx_hash};
use pyralog_consensus::engine::{
    CommittedBlock, Engine, EngineConfig, Input, MessageId, NoHistory, PeerNumber, Recovery, Report, SignMark,
    SignerState, Ticket, Verdict, WalRecovery,
};
use pyralog_consensus::genesis::{Genesis, GenesisLog, GenesisParts, GenesisValidator};
use pyralog_consensus::ledger::{Ledger, LedgerOptions, LedgerParams};
use pyralog_consensus::mempool::{Mempool, MempoolLimits};
use pyralog_consensus::tx::{Authority, LogName, Message, Payment, TxBody, TxError, TxSigner};
use pyralog_crypto::{Address, Hash, Signer, SigningKey};
use tokio::sync::broadcast;

use crate::backend::{Backend, Identity, Live, Peer, Pending, StateAnswer};
use crate::chain::{BlockRecord, ChainReader, ReadError, TxPosition};
use crate::driver::{EngineLoop, Now, Ports, QueuedBundle, TxAnswer, lock};
use crate::error::Result;

/// Virtual time of the genesis.
pub const GENESIS_NS: u64 = 1_800_000_000_000_000_000;

/// What the chain left behind, shared by the ports that write it and the readers.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    blocks: BTreeMap<u64, (Arc<BlockRecord>, Arc<ChainState>)>,
    tip: Option<Arc<ChainState>>,
}

impl Memory {
    fn starting_at(genesis: &Genesis) -> Self {
        let memory = Self::default();
        let mut contents = lock(&memory.0);
        write(&mut contents.state, genesis.state());
        contents.tip = Some(Arc::new(genesis.chain_state().unwrap()));
        drop(contents);
        memory
    }
}

fn write(state: &mut BTreeMap<Vec<u8>, Vec<u8>>, writes: &[(Vec<u8>, Option<Vec<u8>>)]) {
    for (key, value) in writes {
        match value {
            Some(value) => state.insert(key.clone(), value.clone()),
            None => state.remove(key),
        };
    }
}

impl StateStore for Memory {
    fn get(&self, key: &[u8]) -> std::result::Result<Option<Vec<u8>>, StoreError> {
        Ok(lock(&self.0).state.get(key).cloned())
    }
}

impl ChainReader for Memory {
    fn state(&self) -> Arc<ChainState> {
        lock(&self.0).tip.clone().unwrap()
    }

    fn block(&self, height: u64) -> std::result::Result<Option<Arc<BlockRecord>>, ReadError> {
        Ok(lock(&self.0).blocks.get(&height).map(|(record, _)| Arc::clone(record)))
    }

    fn height_of(&self, header_hash: &Hash) -> std::result::Result<Option<u64>, ReadError> {
        Ok(lock(&self.0)
            .blocks
            .values()
            .find(|(record, _)| record.hash() == *header_hash)
            .map(|(record, _)| record.height()))
    }

    fn tx(&self, hash: &Hash) -> std::result::Result<Option<TxPosition>, ReadError> {
        let contents = lock(&self.0);
        let found = contents.blocks.values().find_map(|(record, _)| {
            let index = record.txs().iter().position(|tx| tx_hash(tx) == *hash)?;
            Some(TxPosition { height: record.height(), index: index as u32 })
        });
        Ok(found)
    }

    fn state_value(&self, key: &[u8]) -> std::result::Result<Option<Vec<u8>>, ReadError> {
        Ok(lock(&self.0).state.get(key).cloned())
    }
}

/// Ports whose disk is durable at once, but tells so only when asked, and whose network is nobody.
pub struct MemoryPorts {
    memory: Memory,
    pending: BTreeMap<u64, CommittedBlock>,
    /// What became durable and was not told yet.
    pub durable: VecDeque<Ticket>,
    /// Everything that happened, in order.
    pub trace: Vec<String>,
    /// Answers of the mempool.
    pub answers: BTreeMap<u64, TxAnswer>,
    /// Bundles that were taken in and not answered.
    waiting: BTreeMap<u64, QueuedBundle>,
    taken_in: u64,
}

impl Ports for MemoryPorts {
    fn wal_append(&mut self, ticket: Ticket, _bytes: Bytes) -> Result<()> {
        self.trace.push("wal".into());
        self.durable.push_back(ticket);
        Ok(())
    }

    fn wal_reset(&mut self, height: u64) -> Result<()> {
        self.trace.push(format!("reset {height}"));
        Ok(())
    }

    fn mark(&mut self, ticket: Ticket, mark: SignMark) -> Result<()> {
        self.trace.push(format!("mark {mark}"));
        self.durable.push_back(ticket);
        Ok(())
    }

    fn commit(&mut self, ticket: Ticket, block: Box<CommittedBlock>) -> Result<()> {
        self.trace.push(format!("commit {}", block.height));
        write(&mut lock(&self.memory.0).state, &block.writes);
        self.pending.insert(block.height, *block);
        self.durable.push_back(ticket);
        Ok(())
    }

    fn generation(&self) -> u64 {
        0
    }

    fn gossip(&mut self, _bytes: Bytes) {
        self.trace.push("gossip".into());
    }

    fn verdict(&mut self, id: MessageId, verdict: Verdict) {
        self.trace.push(format!("verdict {} {verdict:?}", id.0));
    }

    fn need_sync(&mut self, height: u64, target: u64) {
        self.trace.push(format!("sync {height}..{target}"));
    }

    fn penalise(&mut self, peer: PeerNumber, reason: &'static str) {
        self.trace.push(format!("penalise {} {reason}", peer.0));
    }

    fn new_height(&mut self, height: u64) {
        self.trace.push(format!("height {height}"));
        let block = self.pending.remove(&height).unwrap();
        let mut contents = lock(&self.memory.0);
        contents.tip = Some(Arc::clone(&block.chain));
        contents.blocks.insert(height, (Arc::new(BlockRecord::of(&block)), Arc::clone(&block.chain)));
    }

    fn take_in(&mut self, given: QueuedBundle) -> Input {
        self.taken_in += 1;
        let bundle = given.txs.clone();
        self.waiting.insert(self.taken_in, given);
        Input::Tx { reply: self.taken_in, bundle }
    }

    fn tx_answer(&mut self, reply: u64, result: TxAnswer) {
        self.trace.push("answer".into());
        match self.waiting.remove(&reply) {
            Some(given) => given.responder.answer(result),
            None => drop(self.answers.insert(reply, result)),
        }
    }

    fn report(&mut self, report: Report) {
        self.trace.push(format!("report {report:?}").chars().take(40).collect());
    }
}

/// One validator, alone, in virtual time.
pub struct Solo {
    /// The engine with its timers.
    pub engine: EngineLoop<Ledger, MemoryPorts>,
    /// What it made.
    pub memory: Memory,
    /// The genesis.
    pub genesis: Genesis,
    now_ns: u64,
    replies: u64,
}

/// The account that holds money.
pub fn rich() -> SigningKey {
    SigningKey::from_seed([42; 32])
}

/// A signed transfer of the rich account.
pub fn transfer(nonce: u64, amount: u64) -> Vec<u8> {
    let to = Address::from_key(&SigningKey::from_seed([9; 32]).public_key());
    let body = TxBody {
        chain_id: "pyralog-dev-solo".into(),
        messages: vec![Message::Transfer { signer: 0, to, amount }],
        signers: vec![TxSigner { authority: Authority::Key(rich().public_key()), nonce }],
        payment: Payment::Fee(10_000),
        expiry_height: 10_000,
        proofs: Vec::new(),
    };
    body.sign(&[&rich() as &dyn Signer]).unwrap().to_bytes()
}

impl Solo {
    /// A network of one that has done nothing yet.
    pub fn new() -> Self {
        let key = SigningKey::from_seed([1; 32]);
        let genesis = Genesis::new(GenesisParts {
            chain_id: "pyralog-dev-solo".into(),
            genesis_time: Timestamp(GENESIS_NS).to_time(),
            consensus_params: ConsensusParams::DEFAULTS,
            validators: vec![GenesisValidator {
                key: key.public_key(),
                name: "solo".into(),
                owner: Address::from_key(&key.public_key()),
                stake: 100_000_000,
            }],
            accounts: vec![(Address::from_key(&rich().public_key()), 1_000_000_000_000)],
            logs: vec![GenesisLog {
                owner: SigningKey::from_seed([2; 32]).public_key(),
                name: LogName::new("notary").unwrap(),
            }],
            params: LedgerParams::DEFAULTS,
        })
        .unwrap();
        let memory = Memory::starting_at(&genesis);
        let app = Ledger::open(Box::new(memory.clone()), genesis.chain_id(), LedgerOptions::default()).unwrap();
        let engine = Engine::recover(Recovery {
            config: EngineConfig::DEFAULTS,
            chain: genesis.chain_state().unwrap(),
            app,
            txs: Box::new(Mempool::new(MempoolLimits::default())),
            history: Box::new(NoHistory),
            signer: Some(Box::new(key)),
            wal: WalRecovery::default(),
            mark: None,
            number: 1,
        })
        .unwrap();
        let ports = MemoryPorts {
            memory: memory.clone(),
            pending: BTreeMap::new(),
            durable: VecDeque::new(),
            trace: Vec::new(),
            answers: BTreeMap::new(),
            waiting: BTreeMap::new(),
            taken_in: 1 << 32,
        };
        Self { engine: EngineLoop::new(engine, ports), memory, genesis, now_ns: 1_000_000_000, replies: 0 }
    }

    /// Starts it.
    pub fn start(mut self) -> Self {
        self.feed(Input::Start);
        self
    }

    /// Where its virtual clock stands.
    pub fn now(&self) -> Now {
        Now { wall: Timestamp(GENESIS_NS + self.now_ns), steady_ns: self.now_ns }
    }

    /// Virtual nanoseconds since the genesis.
    pub fn elapsed_ns(&self) -> u64 {
        self.now_ns
    }

    /// Feeds an input and tells what became durable, until nothing follows.
    pub fn feed(&mut self, input: Input) {
        self.engine.feed(self.now(), input).unwrap();
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(ticket) = self.engine.ports().durable.pop_front() {
            self.engine.feed(self.now(), Input::Durable(ticket)).unwrap();
        }
    }

    /// Lets virtual time pass to the next timer.
    pub fn tick(&mut self) {
        let at = self.engine.deadline().expect("a network of one always waits for something");
        self.now_ns = self.now_ns.max(at);
        self.engine.fire(self.now()).unwrap();
        self.settle();
    }

    /// Runs until `height` is committed.
    pub fn reach(&mut self, height: u64) {
        for _ in 0..10_000 {
            if self.memory.height() >= height {
                return;
            }
            self.tick();
        }
        panic!("height {height} was not reached");
    }

    /// Submits a bundle.
    pub fn submit(&mut self, bundle: Vec<Vec<u8>>) -> TxAnswer {
        self.replies += 1;
        let bundle = bundle.into_iter().map(Bytes::from).collect();
        self.feed(Input::Tx { reply: self.replies, bundle });
        self.engine.ports().answers.remove(&self.replies).unwrap()
    }
}

/// A backend over a chain in memory that takes no transactions.
pub struct StillBackend {
    /// The chain.
    pub memory: Memory,
    /// Who it is.
    pub identity: Identity,
    /// What it says of itself.
    pub live: Live,
    blocks: broadcast::Sender<Arc<BlockRecord>>,
}

impl StillBackend {
    /// A backend over what `solo` made.
    pub fn over(solo: &Solo) -> Self {
        let key = SigningKey::from_seed([1; 32]).public_key();
        let identity = Identity {
            chain_id: solo.genesis.chain_id().into(),
            genesis: serde_json::from_str(&solo.genesis.to_json()).unwrap(),
            moniker: "solo".into(),
            validator: key,
            peer: key,
            peer_id: "12D3KooWsolo".into(),
            log: solo.genesis.log_ids()[0],
            log_owner: SigningKey::from_seed([2; 32]).public_key(),
        };
        let live = Live {
            height: solo.memory.height() + 1,
            round: 0,
            proposer: None,
            round_start: SystemTime::UNIX_EPOCH,
            catching_up: false,
            target: 0,
            signer: SignerState::Active,
            watching: false,
            last_commit: Some(SystemTime::UNIX_EPOCH),
            peers: 0,
            anchored: 0,
            log: crate::backend::LogState::Sound,
            cluster: None,
        };
        Self { memory: solo.memory.clone(), identity, live, blocks: broadcast::Sender::new(8) }
    }
}

impl Backend for StillBackend {
    fn chain(&self) -> &dyn ChainReader {
        &self.memory
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn live(&self) -> Live {
        self.live.clone()
    }

    fn peers(&self) -> BoxFuture<'_, Vec<Peer>> {
        Box::pin(async { Vec::new() })
    }

    fn pending(&self, _limit: usize) -> Pending {
        Pending::default()
    }

    fn submit(&self, _bundle: Vec<Bytes>) -> BoxFuture<'_, std::result::Result<Vec<CheckedTx>, TxError>> {
        Box::pin(async { Err(TxError::MempoolFull) })
    }

    fn check(&self, _tx: Bytes) -> BoxFuture<'_, std::result::Result<CheckedTx, TxError>> {
        Box::pin(async { Err(TxError::Duplicate) })
    }

    fn state(&self, name: &[u8], height: Option<u64>, prove: bool) -> std::result::Result<StateAnswer, String> {
        let ledger = Ledger::open(Box::new(self.memory.clone()), &self.identity.chain_id, LedgerOptions::default())
            .map_err(|e| e.to_string())?;
        let height = height.unwrap_or_else(|| ledger.height());
        let value = ledger.value(name, height).map_err(|e| e.to_string())?;
        let proof = prove.then(|| pyralog_crypto::Encode::to_bytes(&ledger.prove(name, height).unwrap()));
        Ok(StateAnswer { height, value, proof })
    }

    fn blocks(&self) -> broadcast::Receiver<Arc<BlockRecord>> {
        self.blocks.subscribe()
    }
}
