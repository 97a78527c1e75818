//! Signed transfers per second: signed beforehand, sent in JSON-RPC batches to all four nodes, counted in blocks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pyralog_consensus::ledger::LedgerParams;
use pyralog_consensus::tx::{Authority, Message, Payment, TxBody, TxSigner};
use pyralog_crypto::{Address, SigningKey, keystore};
use serde_json::{Value, json};

use super::context::{Context, Progress};
use super::http::{Answer, Connection};
use super::load::{Cpu, Request, drive};
use super::report::{Aim, Figure, Group, Setting};
use super::timing::millis;

/// Calls of one JSON-RPC batch.
const BATCH: usize = 100;
/// Connections per node; each has its own senders, so that nonces arrive in their order.
const CONNECTIONS: usize = 4;
/// Senders of one connection.
const SENDERS: usize = 5;
/// Messages of one transaction that funds senders.
const FUNDED_AT_ONCE: usize = 16;
/// What a sender gets, upyra: enough for all its transfers and fees.
const FUNDS: u64 = 1_000_000_000;
/// Blocks after which a transfer expires.
const EXPIRY: u64 = 5_000;

/// An account that sends.
struct Sender {
    key: SigningKey,
    nonce: u64,
}

/// What the chain held afterwards.
struct Found {
    /// Transfers by height.
    per_block: BTreeMap<u64, usize>,
    /// Longest time between two headers, milliseconds.
    longest_ms: f64,
    /// When the last transfer was seen in a block.
    ended: Instant,
}

/// Measures; `interval_ms` is the time between blocks that was measured before.
pub fn measure(cx: &Context<'_>, interval_ms: f64) -> Result<Group> {
    let total: usize = cx.either(8_000, 16_000);
    cx.settle()?;
    let mut api = cx.network.api()?;
    let node = api.first_mut().context("the network has no nodes")?;
    super::note("transfers: funding the senders");
    let lanes = cx.network.nodes.len() * CONNECTIONS;
    let mut senders = fund(cx, node, lanes * SENDERS)?;
    let height = Progress::of(node)?.height;
    super::note(&format!("transfers: signing {total}"));
    let requests = sign(cx, &mut senders, lanes, total / lanes, height + EXPIRY)?;
    let bytes = tx_bytes(&requests)?;

    super::note("transfers: sending");
    let cpu = Cpu::start(cx);
    let started = Instant::now();
    let stop = AtomicBool::new(false);
    let (sent, found) = std::thread::scope(|scope| {
        let counting = scope.spawn(|| count(cx, height, total, &stop));
        let make = |node: usize, connection: usize, round: u64| {
            let body = requests.get(node * CONNECTIONS + connection)?.get(round as usize)?;
            Some(Request { path: "/", body: body.clone(), records: BATCH as u64 })
        };
        let sent = drive(cx, (CONNECTIONS, |node| node.rpc), Duration::from_secs(120), make, judge);
        if sent.as_ref().map_or(0, |done| done.taken) < total as u64 {
            stop.store(true, Ordering::Relaxed);
        }
        (sent, counting.join().unwrap_or_else(|_| Err(anyhow!("counting failed"))))
    });
    let sent = sent?;
    if sent.taken < total as u64 {
        bail!("only {} of {total} transfers were taken", sent.taken);
    }
    let Found { per_block, longest_ms, ended } = found?;
    let seconds = ended.duration_since(started).as_secs_f64();
    let (nodes, _) = cpu.spent(cx);

    let mut group = super::co_located("signed transfers");
    let setting = |durability| Setting {
        record_bytes: Some(bytes),
        batch: Some(BATCH as u64),
        durability: Some(durability),
        clients: Some(format!(
            "{lanes} kept connections, JSON-RPC batches, {} senders, signed beforehand",
            lanes * SENDERS
        )),
        sample: Some(format!("{total} transfers in {} blocks", per_block.len())),
    };
    const CORE: &str = "signatures verified one by one on one core";
    let (count, verify) = (total as f64, cx.baseline.verify_per_s);
    group.add(
        Figure::new("accepted by a mempool", count / sent.seconds, "/s", setting("checked, in memory"))
            .against(verify, CORE),
    );
    const FINAL: &str = "final: in a block committed durably by four validators";
    group.add(
        Figure::new("finalized", count / seconds, "/s", setting(FINAL))
            .against(verify, CORE)
            .aim(Aim::AtLeast(2_000.0)),
    );
    group.add(
        Figure::new("finalized per second of the nodes' processor time", count / nodes.max(1e-9), "/s", setting(FINAL))
            .against(verify, CORE),
    );
    let largest = per_block.values().max().copied().unwrap_or(0);
    group.add(Figure::new("largest block", largest as f64, "transfers", setting(FINAL)));
    const INTERVAL: &str = "the block interval of the idle network";
    let longest = Figure::new("longest time between blocks meanwhile", longest_ms, "ms", setting(FINAL));
    group.add(longest.against(interval_ms, INTERVAL));
    group.notes.push(cpu.sentence(cx, "transfers"));
    group.notes.push("every one of four co-located validators verifies every signature".into());
    Ok(group)
}

/// Opens the prefunded accounts and gives new senders their funds; answers when these are in a block.
fn fund(cx: &Context<'_>, node: &mut Connection, count: usize) -> Result<Vec<Sender>> {
    let senders: Vec<Sender> = (0..count)
        .map(|number| {
            let mut seed = [0x5e; 32];
            seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
            Sender { key: SigningKey::from_seed(seed), nonce: 0 }
        })
        .collect();
    let expiry = Progress::of(node)?.height + EXPIRY;
    let mut rich = cx.network.manifest.accounts.iter().map(|account| {
        let sealed = std::fs::read(&account.keystore).with_context(|| account.keystore.display().to_string())?;
        let text = std::fs::read_to_string(&account.password_file)?;
        let key = keystore::open(&sealed, text.trim_end().as_bytes()).context("cannot open a prefunded account")?;
        Ok(Sender { nonce: number(&node.get(&format!("/v1/accounts/{}", account.address))?, "nonce")?, key })
    });
    let mut rich = rich.by_ref().collect::<Result<Vec<_>>>()?;
    let banks = rich.len().max(1);
    for (turn, some) in senders.chunks(FUNDED_AT_ONCE).enumerate() {
        let bank = rich.get_mut(turn % banks).context("the network has no prefunded accounts")?;
        let to: Vec<Address> = some.iter().map(Sender::address).collect();
        let tx = bank.transfer(&cx.network.manifest.chain_id, &to, FUNDS, expiry)?;
        let body = json!({"txs": [STANDARD.encode(tx)]}).to_string();
        node.ask("/v1/tx", Some(body.as_bytes()))?.ok("/v1/tx")?;
    }
    cx.wait("the senders are not funded", || {
        for sender in &senders {
            if number(&node.get(&format!("/v1/accounts/{}", sender.address()))?, "balance")? < FUNDS {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })?;
    cx.settle()?;
    Ok(senders)
}

/// Per connection its requests in order. A connection's senders take turns.
fn sign(cx: &Context<'_>, senders: &mut [Sender], lanes: usize, each: usize, expiry: u64) -> Result<Vec<Vec<Vec<u8>>>> {
    let chain = &cx.network.manifest.chain_id;
    let to = [senders.first().context("no senders")?.address()];
    let lanes = senders.chunks_mut(SENDERS).take(lanes).map(|lane| {
        let mut requests = Vec::new();
        for batch in 0..each / BATCH {
            cx.check()?;
            let calls = (0..BATCH).map(|call| {
                let sender = lane.get_mut((batch * BATCH + call) % SENDERS).context("no sender")?;
                let tx = STANDARD.encode(sender.transfer(chain, &to, 1, expiry)?);
                Ok(json!({"jsonrpc": "2.0", "id": call, "method": "broadcast_tx_sync", "params": {"tx": tx}}))
            });
            requests.push(Value::Array(calls.collect::<Result<_>>()?).to_string().into_bytes());
        }
        Ok(requests)
    });
    lanes.collect()
}

impl Sender {
    fn address(&self) -> Address {
        Address::from_key(&self.key.public_key())
    }

    /// A signed transfer of `amount` to each of `to`, with the least fee; takes the next nonce.
    fn transfer(&mut self, chain_id: &str, to: &[Address], amount: u64, expiry_height: u64) -> Result<Vec<u8>> {
        let body = |fee| TxBody {
            chain_id: chain_id.to_owned(),
            messages: to.iter().map(|to| Message::Transfer { signer: 0, to: *to, amount }).collect(),
            signers: vec![TxSigner { authority: Authority::Key(self.key.public_key()), nonce: self.nonce }],
            payment: Payment::Fee(fee),
            expiry_height,
            proofs: Vec::new(),
        };
        let signed = |fee| Ok::<_, anyhow::Error>(body(fee).sign(&[&self.key])?.to_bytes());
        // Every integer has a fixed width, so the size does not depend on the fee.
        let bytes = signed(LedgerParams::DEFAULTS.required_fee(signed(0)?.len(), 0))?;
        self.nonce += 1;
        Ok(bytes)
    }
}

/// How many calls of a batch were taken: all, or it is a failure.
fn judge(answer: &Answer, calls: u64) -> Result<u64> {
    let answers = answer.json()?;
    let answers = answers.as_array().with_context(|| format!("no batch of answers: {}", answer.text()))?;
    for answer in answers {
        if answer["result"]["code"].as_u64() != Some(0) {
            bail!("a transfer was refused: {answer}");
        }
    }
    if answers.len() as u64 != calls {
        bail!("{} answers to {calls} calls", answers.len());
    }
    Ok(calls)
}

/// Looks at the blocks from `height` on until they hold `total` transfers.
fn count(cx: &Context<'_>, height: u64, total: usize, stop: &AtomicBool) -> Result<Found> {
    let mut api = cx.network.api()?;
    let node = api.last_mut().context("the network has no nodes")?;
    let mut per_block = BTreeMap::new();
    let mut times = Vec::new();
    let mut next = height.max(1);
    cx.wait("transfers are in no block", || {
        if stop.load(Ordering::Relaxed) {
            bail!("not all transfers were taken");
        }
        while next <= Progress::of(node)?.height {
            let block = node.get(&format!("/v1/blocks/{next}"))?;
            let signed = block["txs"].as_array().into_iter().flatten().filter(|tx| tx["kind"] == "signed").count();
            if signed > 0 && next > height {
                per_block.insert(next, signed);
            }
            times.push(super::blocks::time(&block)?);
            next += 1;
        }
        Ok((per_block.values().sum::<usize>() >= total).then_some(()))
    })?;
    let ended = Instant::now();
    let between = times.windows(2).filter_map(|pair| pair[1].duration_since(pair[0]).ok());
    Ok(Found { per_block, longest_ms: between.max().map_or(0.0, millis), ended })
}

fn number(value: &Value, name: &str) -> Result<u64> {
    let number = value[name].as_str().and_then(|text| text.parse().ok());
    number.with_context(|| format!("an account has no {name}: {value}"))
}

fn tx_bytes(requests: &[Vec<Vec<u8>>]) -> Result<u64> {
    let first = requests.first().and_then(|lane| lane.first()).context("nothing to send")?;
    let calls: Value = serde_json::from_slice(first)?;
    let tx = STANDARD.decode(calls[0]["params"]["tx"].as_str().unwrap_or_default())?;
    Ok(tx.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pyralog_consensus::tx::Envelope;

    #[test]
    fn a_sender_counts_its_nonces_and_pays_the_least_fee() {
        let mut sender = Sender { key: SigningKey::from_seed([1; 32]), nonce: 4 };
        let to = [sender.address(); 3];
        for nonce in [4, 5] {
            let bytes = sender.transfer("pyralog-dev-1", &to, 9, 50).unwrap();
            let Envelope::Signed(tx) = Envelope::decode(&bytes).unwrap() else { panic!("another kind") };
            assert_eq!((tx.body.signers[0].nonce, tx.body.messages.len(), tx.body.expiry_height), (nonce, 3, 50));
            assert_eq!(tx.body.payment, Payment::Fee(LedgerParams::DEFAULTS.required_fee(bytes.len(), 0)));
        }
    }

    #[test]
    fn one_refused_call_fails_the_batch() {
        let answer = |codes: &[u64]| {
            let calls: Vec<Value> = codes.iter().map(|code| json!({"id": 0, "result": {"code": code}})).collect();
            Answer { status: 200, body: Value::Array(calls).to_string().into_bytes() }
        };
        assert_eq!(judge(&answer(&[0, 0]), 2).unwrap(), 2);
        assert!(judge(&answer(&[0, 7]), 2).is_err());
        assert!(judge(&answer(&[0]), 2).is_err());
        assert!(judge(&Answer { status: 200, body: b"{\"error\":1}".to_vec() }, 1).is_err());
    }
}
