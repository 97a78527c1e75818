//! A node in a thread: the native API over a chain made in memory with real signatures and real proofs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use pyralog_consensus::block::ConsensusParams;
use pyralog_consensus::genesis::{Genesis, GenesisParts, GenesisValidator};
use pyralog_consensus::ledger::LedgerParams;
use pyralog_consensus::light::testkit::validator_key;
use pyralog_consensus::receipt::testkit::ReceiptMaker;
use pyralog_consensus::receipt::{NotarySubject, ReceiptFormat};
use pyralog_consensus::tx::tx_hash;
use pyralog_crypto::{Address, Decode, DocumentDigest, LogId, NotaryLeaf, SigningKey};
use serde_json::{Value, json};

use crate::fake_light::{self, Fork};

/// Validators of the fake chain: number and power.
const MEMBERS: [(u8, u64); 4] = [(1, 10), (2, 10), (3, 10), (4, 10)];

/// How the node behaves; shared with the test.
#[derive(Debug, Default)]
pub struct Mood {
    /// Never anchors: receipts stay pending.
    pub hold: AtomicBool,
    /// Answers every request from now on with a closed connection.
    pub dead: AtomicBool,
    /// Takes submissions and answers none, as a process that was stopped.
    pub hangs: AtomicBool,
    /// Dies right after it has promised.
    pub dies_after_promise: AtomicBool,
    /// Answers 503 to so many submissions.
    pub busy: AtomicUsize,
    /// Signs a promise for another leaf.
    pub lies: AtomicBool,
    /// Holds another log than the one that promised.
    pub other_log: AtomicBool,
    /// Has lost its leaves, as one that was restored from an older copy.
    pub lost: AtomicBool,
    /// Says that its log contradicts what the chain has witnessed.
    pub conflict: AtomicBool,
    /// Serves the proof of another leaf.
    pub replaced: AtomicBool,
    /// Shows another last block to light clients.
    pub fork: Mutex<Option<Fork>>,
    /// Serves light blocks as CometBFT's RPC only.
    pub rpc_only: AtomicBool,
    /// Submissions taken so far.
    pub submissions: AtomicUsize,
}

/// A running fake node. The thread ends with the test process.
pub struct FakeNode {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// How it behaves.
    pub mood: Arc<Mood>,
    world: Arc<Mutex<World>>,
}

struct World {
    maker: ReceiptMaker,
    sent: Vec<Vec<u8>>,
}

impl FakeNode {
    /// A node of the chain `chain_id` with a few blocks.
    pub fn start(chain_id: &str) -> Self {
        let mut maker = ReceiptMaker::new(chain_id, &MEMBERS);
        maker.fill(5);
        maker.anchor(1, 1);
        let world = Arc::new(Mutex::new(World { maker, sent: Vec::new() }));
        let mood = Arc::new(Mood::default());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (shared, moods) = (Arc::clone(&world), Arc::clone(&mood));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (world, mood) = (Arc::clone(&shared), Arc::clone(&moods));
                std::thread::spawn(move || serve(stream, &world, &mood));
            }
        });
        Self { url, mood, world }
    }

    /// Writes the genesis file of the chain.
    pub fn write_genesis(&self, path: &Path) {
        self.write_changed_genesis(path, |_| ());
    }

    /// Writes the genesis file of another chain of the same name.
    pub fn write_changed_genesis(&self, path: &Path, change: impl FnOnce(&mut GenesisParts)) {
        let world = self.world.lock().unwrap();
        let validators = MEMBERS.iter().map(|(n, power)| {
            let key = validator_key(*n).public_key();
            GenesisValidator { key, name: format!("v{n}"), owner: Address::from_key(&key), stake: power * 1_000_000 }
        });
        let mut parts = GenesisParts {
            chain_id: world.maker.chain.chain_id.clone(),
            genesis_time: world.maker.chain.genesis_time,
            consensus_params: ConsensusParams::DEFAULTS,
            validators: validators.collect(),
            accounts: Vec::new(),
            logs: Vec::new(),
            params: LedgerParams::DEFAULTS,
        };
        change(&mut parts);
        std::fs::write(path, Genesis::new(parts).unwrap().to_json()).unwrap();
    }

    /// `HEIGHT:HASH` of a block.
    pub fn header(&self, height: u64) -> String {
        let world = self.world.lock().unwrap();
        format!("{height}:{}", world.maker.chain.at(height).hash())
    }

    /// Commits empty blocks.
    pub fn advance(&self, blocks: u64) {
        let mut world = self.world.lock().unwrap();
        let height = world.maker.chain.height() + blocks;
        world.maker.advance(height);
    }

    /// Transactions that were sent to it.
    pub fn sent(&self) -> Vec<Vec<u8>> {
        self.world.lock().unwrap().sent.clone()
    }
}

fn serve(mut stream: TcpStream, world: &Mutex<World>, mood: &Mood) {
    let Some((method, target, body)) = read_request(&stream) else { return };
    if mood.dead.load(Ordering::SeqCst) {
        return;
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (status, answer) = match (method.as_str(), parts.as_slice()) {
        ("GET", ["v1", "status"]) => (200, status(world, mood)),
        ("GET", ["v1", "logs", _]) => (200, json!({ "owner": log_owner().public_key() })),
        ("POST", ["v1", "notary", "leaves"]) if mood.hangs.load(Ordering::SeqCst) => loop {
            std::thread::park();
        },
        ("POST", ["v1", "notary", "leaves"]) => submit(world, mood, &body),
        ("GET", ["v1", "notary", "receipts", index]) => receipt(world, mood, index.parse().unwrap(), query),
        ("GET", ["v1", "notary", "refresh", _]) => (200, refresh(world)),
        ("GET", ["v1", "light", height]) if !mood.rpc_only.load(Ordering::SeqCst) => {
            fake_light::native(&world.lock().unwrap().maker.chain, *mood.fork.lock().unwrap(), height)
        }
        ("GET", ["commit"]) => {
            fake_light::commit(&world.lock().unwrap().maker.chain, *mood.fork.lock().unwrap(), query)
        }
        ("GET", ["validators"]) => {
            fake_light::validator_page(&world.lock().unwrap().maker.chain, *mood.fork.lock().unwrap(), query)
        }
        ("GET", ["v1", "accounts", address]) => {
            (200, json!({ "address": address, "balance": "5000000", "nonce": "3" }))
        }
        ("POST", ["v1", "tx"]) => send(world, &body),
        ("GET", ["v1", "tx", hash]) => sent(world, mood, hash),
        _ => (404, error("not_found", "no such path")),
    };
    let text = answer.to_string();
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nretry-after: 1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
}

fn read_request(stream: &TcpStream) -> Option<(String, String, Value)> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((method, target, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

fn status(world: &Mutex<World>, mood: &Mood) -> Value {
    let world = world.lock().unwrap();
    let log = if mood.other_log.load(Ordering::SeqCst) { LogId([9; 32]) } else { world.maker.log };
    json!({ "log": { "id": log, "owner": log_owner().public_key() }, "chain_id": world.maker.chain.chain_id, "height": world.maker.chain.height().to_string() })
}

fn submit(world: &Mutex<World>, mood: &Mood, body: &Value) -> (u16, Value) {
    if mood.busy.load(Ordering::SeqCst) > 0 {
        mood.busy.fetch_sub(1, Ordering::SeqCst);
        return (503, error("busy", "too many leaves wait"));
    }
    let mut world = world.lock().unwrap();
    let promises: Vec<_> = body["leaves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|leaf| {
            let leaf = NotaryLeaf::from_bytes(&hex::decode(leaf.as_str().unwrap()).unwrap()).unwrap();
            let index = world.maker.append(&leaf);
            let lie = NotaryLeaf::Document { digest: DocumentDigest::of(b"another"), metadata: None };
            let promised = if mood.lies.load(Ordering::SeqCst) { &lie } else { &leaf };
            world.maker.promise(promised, index)
        })
        .collect();
    mood.submissions.fetch_add(1, Ordering::SeqCst);
    if mood.dies_after_promise.load(Ordering::SeqCst) {
        mood.dead.store(true, Ordering::SeqCst);
    }
    (200, json!({ "log": world.maker.log, "promises": promises }))
}

fn receipt(world: &Mutex<World>, mood: &Mood, index: u64, query: &str) -> (u16, Value) {
    if mood.hold.load(Ordering::SeqCst) {
        let wait = query.split("wait_ms=").nth(1).and_then(|ms| ms.parse().ok()).unwrap_or(0);
        std::thread::sleep(Duration::from_millis(wait));
        return (202, json!({ "status": "pending", "reason": "the anchor is not in a block yet" }));
    }
    if mood.conflict.load(Ordering::SeqCst) {
        return (409, error("log_conflict", "the notary log has 3 leaves, and the chain has witnessed 6"));
    }
    let mut world = world.lock().unwrap();
    if mood.lost.load(Ordering::SeqCst) {
        return (404, error("not_found", "the log has 3 leaves"));
    }
    if mood.other_log.load(Ordering::SeqCst)
        || index >= world.maker.size()
        || !query.contains(&world.maker.log.to_string())
    {
        return (404, error("unknown_leaf", "this log holds no such leaf"));
    }
    world.maker.anchor(2, 1);
    let served = if mood.replaced.load(Ordering::SeqCst) { index - 1 } else { index };
    let proof = world.maker.proof(served).to_json().unwrap();
    (200, serde_json::from_str(&proof).unwrap())
}

fn refresh(world: &Mutex<World>) -> Value {
    let mut world = world.lock().unwrap();
    let height = world.maker.chain.height() + 3;
    world.maker.advance(height);
    // The first anchor after the filling holds the document under test.
    let subject = NotarySubject::new(&DocumentDigest::of(b""));
    let receipt = world.maker.proof(5).attach(subject, None);
    serde_json::to_value(world.maker.refresh(&receipt).refresh.unwrap()).unwrap()
}

fn send(world: &Mutex<World>, body: &Value) -> (u16, Value) {
    let bytes = base64::engine::general_purpose::STANDARD.decode(body["txs"][0].as_str().unwrap()).unwrap();
    let hash = tx_hash(&bytes);
    world.lock().unwrap().sent.push(bytes);
    (200, json!({ "hashes": [hash] }))
}

fn sent(world: &Mutex<World>, mood: &Mood, hash: &str) -> (u16, Value) {
    let world = world.lock().unwrap();
    let known = world.sent.iter().any(|bytes| tx_hash(bytes).to_string() == hash);
    if known && !mood.hold.load(Ordering::SeqCst) {
        (200, json!({ "height": "9" }))
    } else {
        (404, error("unknown_tx", "no block holds it"))
    }
}

fn error(code: &str, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message, "remedy": null } })
}

/// The key that the test chain's log is owned by.
fn log_owner() -> SigningKey {
    SigningKey::from_seed([0xa0; 32])
}
