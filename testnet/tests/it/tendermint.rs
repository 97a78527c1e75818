//! Unmodified clients of the Tendermint world follow a live network: `tendermint-rpc` over HTTP and WebSocket,
//! `tendermint-light-client` with its detector of divergence, and plain HTTP as `curl` sends it.

mod http;
mod light;
mod plain;
mod socket;

use std::cell::Cell;
use std::time::Duration;

use pyralog_consensus::tx::{Authority, Message, Payment, TxBody, TxSigner, tx_hash};
use pyralog_crypto::{Address, Signer, SigningKey, keystore};
use tendermint::Hash;
use tendermint::block::Height;
use tendermint::crypto::default::Sha256;
use tendermint_rpc::{Client, HttpClient};

use crate::net::Net;

/// How long anything may take that a working network does soon.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of node `index`.
fn client(net: &Net, index: usize) -> HttpClient {
    HttpClient::new(net.manifest().nodes[index].rpc.as_str()).unwrap()
}

fn height(height: u64) -> Height {
    Height::try_from(height).unwrap()
}

/// The hash by which clients ask for a transaction.
fn hash_of(tx: &[u8]) -> Hash {
    Hash::Sha256(tx_hash(tx).0)
}

/// `data_hash` as anyone computes it: the root over the hashes of the transactions.
fn data_hash(txs: &[Vec<u8>]) -> Hash {
    let hashes: Vec<[u8; 32]> = txs.iter().map(|tx| tx_hash(tx).0).collect();
    Hash::Sha256(tendermint::merkle::simple_hash_from_byte_vectors::<Sha256>(&hashes))
}

/// Waits until the node has the transaction in a block, and returns its height.
async fn included(client: &HttpClient, tx: &[u8]) -> u64 {
    let found = async {
        loop {
            match client.tx(hash_of(tx), false).await {
                Ok(found) => return found.height.value(),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the transaction is in a block")
}

/// Signs transactions of one of the prefunded accounts.
struct Payer {
    chain_id: String,
    key: SigningKey,
    nonce: Cell<u64>,
}

impl Payer {
    /// The account number `index`, which has sent nothing yet.
    fn new(net: &Net, index: usize) -> Self {
        let manifest = net.manifest();
        let account = &manifest.accounts[index];
        let password = std::fs::read_to_string(&account.password_file).unwrap();
        let key = keystore::open(&std::fs::read(&account.keystore).unwrap(), password.trim_end().as_bytes()).unwrap();
        Self { chain_id: manifest.chain_id, key, nonce: Cell::new(0) }
    }

    fn transfer(&self, amount: u64) -> Vec<u8> {
        let to = Address::from_key(&SigningKey::from_seed([9; 32]).public_key());
        self.sign(Message::Transfer { signer: 0, to, amount }, &[])
    }

    /// One message, signed also by keys that have sent nothing yet.
    fn sign(&self, message: Message, more: &[&SigningKey]) -> Vec<u8> {
        let nonce = self.nonce.replace(self.nonce.get() + 1);
        let signer = |key: &SigningKey, nonce| TxSigner { authority: Authority::Key(key.public_key()), nonce };
        let body = TxBody {
            chain_id: self.chain_id.clone(),
            messages: vec![message],
            signers: [signer(&self.key, nonce)].into_iter().chain(more.iter().map(|key| signer(key, 0))).collect(),
            payment: Payment::Fee(10_000),
            expiry_height: 10_000,
            proofs: Vec::new(),
        };
        let keys: Vec<&dyn Signer> = [&self.key].into_iter().chain(more.iter().copied()).map(|key| key as _).collect();
        body.sign(&keys).unwrap().to_bytes()
    }
}
