//! Nodes on temporary homes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pyralog_consensus::block::{ConsensusParams, Timestamp};
use pyralog_consensus::genesis::{Genesis, GenesisLog, GenesisParts, GenesisValidator};
use pyralog_consensus::ledger::LedgerParams;
use pyralog_consensus::tx::{Authority, LogName, Message, Payment, TxBody, TxSigner};
use pyralog_crypto::{Address, KdfParams, Signer, SigningKey};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::backend::LogState;
use crate::config::{Config, Resolved, Sources};
use crate::error::Result;
use crate::home::{Home, PUBLIC, write_atomic};
use crate::keys::NodeKeys;
use crate::node::{Endpoints, Node};

pub const PASSPHRASE: &[u8] = b"test";
const INTERVAL_MS: u64 = 100;

/// Homes of a network, and an account that holds money.
pub struct Homes {
    dir: TempDir,
    pub homes: Vec<Home>,
    pub genesis: Genesis,
    pub rich: SigningKey,
}

/// A node that runs in this process.
pub struct Running {
    pub endpoints: Endpoints,
    pub backend: std::sync::Arc<dyn crate::backend::Backend>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<()>>,
}

pub fn homes(count: usize) -> Homes {
    homes_in(tempfile::tempdir().unwrap(), count)
}

/// The same below a directory of the caller's choice.
pub fn homes_in(dir: TempDir, count: usize) -> Homes {
    let rich = SigningKey::from_seed([42; 32]);
    let keys: Vec<NodeKeys> = (0..count).map(|_| NodeKeys::generate().unwrap()).collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let name = LogName::new("notary").unwrap();
    let genesis = Genesis::new(GenesisParts {
        chain_id: "pyralog-dev-test".into(),
        genesis_time: Timestamp((now - 1) * 1_000_000_000).to_time(),
        consensus_params: ConsensusParams::DEFAULTS,
        validators: keys
            .iter()
            .map(|keys| {
                let key = keys.validator.public_key();
                GenesisValidator { key, name: "node".into(), owner: Address::from_key(&key), stake: 100_000_000 }
            })
            .collect(),
        accounts: vec![(Address::from_key(&rich.public_key()), 1_000_000_000_000)],
        logs: keys.iter().map(|keys| GenesisLog { owner: keys.log.public_key(), name: name.clone() }).collect(),
        params: LedgerParams::DEFAULTS,
    })
    .unwrap();
    let homes = keys
        .iter()
        .enumerate()
        .map(|(n, keys)| {
            let home = Home::new(&dir.path().join(format!("node{n}")));
            home.create().unwrap();
            keys.save(&home, PASSPHRASE, KdfParams::CHEAPEST).unwrap();
            write_atomic(&home.genesis(), genesis.to_json().as_bytes(), PUBLIC).unwrap();
            home
        })
        .collect();
    Homes { dir, homes, genesis, rich }
}

impl Homes {
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The home of a node that is no validator.
    pub fn follower(&self) -> Home {
        let home = Home::new(&self.path().join("follower"));
        home.create().unwrap();
        NodeKeys::generate().unwrap().save(&home, PASSPHRASE, KdfParams::CHEAPEST).unwrap();
        write_atomic(&home.genesis(), self.genesis.to_json().as_bytes(), PUBLIC).unwrap();
        home
    }

    pub fn transfer(&self, nonce: u64, amount: u64, change: impl FnOnce(&mut TxBody)) -> Vec<u8> {
        let mut body = TxBody {
            chain_id: "pyralog-dev-test".into(),
            messages: vec![Message::Transfer {
                signer: 0,
                to: Address::from_key(&SigningKey::from_seed([9; 32]).public_key()),
                amount,
            }],
            signers: vec![TxSigner { authority: Authority::Key(self.rich.public_key()), nonce }],
            payment: Payment::Fee(10_000),
            expiry_height: 10_000,
            proofs: Vec::new(),
        };
        change(&mut body);
        body.sign(&[&self.rich as &dyn Signer]).unwrap().to_bytes()
    }
}

pub fn config(settings: &[(&'static str, &str)]) -> Config {
    let mut flags: BTreeMap<&'static str, String> = BTreeMap::from([
        ("rpc.listen", "127.0.0.1:0".into()),
        ("api.listen", "127.0.0.1:0".into()),
        ("metrics.listen", "127.0.0.1:0".into()),
        ("p2p.listen", "/ip4/127.0.0.1/tcp/0".into()),
        // The tests of tunnels switch them on; the others have no need of half a second of key generation for each home.
        ("tunnel.mode", "off".into()),
        ("consensus.block_interval_ms", INTERVAL_MS.to_string()),
        ("consensus.observe_ms", "50".into()),
    ]);
    for (key, value) in settings {
        flags.insert(key, (*value).to_owned());
    }
    Resolved::load(&Sources { file: None::<(PathBuf, String)>, env: &|_| None, flags }).unwrap().config
}

/// Starts a node, and waits until it has compared its log with the chain.
pub async fn start(home: &Home, settings: &[(&'static str, &str)]) -> Running {
    let running = launch(home, settings).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    while running.backend.live().log == LogState::Unchecked && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running
}

/// Starts a node, and waits for nothing more.
pub async fn launch(home: &Home, settings: &[(&'static str, &str)]) -> Running {
    let node = Node::start(home, &config(settings), PASSPHRASE).await.unwrap();
    let (endpoints, backend) = (node.endpoints().clone(), node.backend().clone());
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(node.run(async {
        let _ = stopped.await;
    }));
    Running { endpoints, backend, stop, task }
}

impl Running {
    pub async fn stop(self) {
        drop(self.stop);
        self.task.await.unwrap().unwrap();
    }

    /// Waits until it ends by itself, and gives the reason.
    pub async fn ended(self) -> String {
        let ended = tokio::time::timeout(Duration::from_secs(60), self.task).await;
        ended.expect("it does not end").unwrap().expect_err("it ended without a reason").to_string()
    }

    pub fn height(&self) -> u64 {
        self.backend.chain().height()
    }

    pub async fn reach(&self, height: u64) {
        let reached = async {
            while self.height() < height {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let limit = Duration::from_secs(60);
        if tokio::time::timeout(limit, reached).await.is_err() {
            panic!("height {height} was not reached, but {}; {:?}", self.height(), self.backend.live());
        }
    }

    /// A JSON-RPC call over POST.
    pub async fn call(&self, method: &str, params: Value) -> Value {
        post(&self.endpoints.rpc, &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).await.1
    }
}

/// GET: status and body.
pub async fn get(url: &str) -> (u16, String) {
    let url = url.to_owned();
    tokio::task::spawn_blocking(move || answer(agent().get(&url).call())).await.unwrap()
}

/// GET of a JSON document.
pub async fn get_json(url: &str) -> (u16, Value) {
    let (status, text) = get(url).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// POST of a JSON document.
pub async fn post(url: &str, body: &Value) -> (u16, Value) {
    let (status, text) = post_text(url, body.to_string(), &[]).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

pub async fn post_text(url: &str, body: String, headers: &[(&'static str, String)]) -> (u16, String) {
    let (url, headers) = (url.to_owned(), headers.to_vec());
    let ask = move || {
        let request = headers.iter().fold(agent().post(&url), |request, (name, value)| request.header(*name, value));
        answer(request.header("content-type", "application/json").send(body))
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

/// A request of any method: status and JSON document.
pub async fn ask(method: &str, url: &str, body: Option<String>, headers: &[(&'static str, String)]) -> (u16, Value) {
    let request = ureq::http::Request::builder().method(method).uri(url);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
    let ask = move || match body {
        None => answer(agent().run(request.body(()).unwrap())),
        Some(body) => answer(agent().run(request.body(body).unwrap())),
    };
    let (status, text) = tokio::task::spawn_blocking(ask).await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn agent() -> ureq::Agent {
    let config =
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(30)));
    config.build().into()
}

fn answer(result: std::result::Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, String) {
    let mut response = result.unwrap();
    (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
}
