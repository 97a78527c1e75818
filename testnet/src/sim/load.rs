//! Transactions: transfers, stake that comes and goes, anchors of notary logs, and what must be refused.

use std::collections::BTreeMap;

use bytes::Bytes;
use pyralog_consensus::ledger::{LedgerParams, POWER_UNIT};
use pyralog_consensus::tx::{AnchorTx, Authority, CompanionTx, Message, Payment, TxBody, TxSigner};
use pyralog_crypto::{Blake3, Checkpoint, LogId, MemoryTree, Roots, Sha256, SignedCheckpoint, Signer, SigningKey};

use super::audit::Audit;
use super::plan::Plan;
use super::random::{Random, Stream};
use super::setting::{ACCOUNTS, all_accounts};
use super::setting::{CHAIN, LOG_NAME, LOGS, POWER, account_key, address, log_key, node_key, owner_key};

/// A bundle on its way to mempools.
pub(super) struct Submission {
    pub(super) reply: u64,
    pub(super) bundle: Vec<Bytes>,
}

/// Makes transactions.
pub(super) struct Load {
    random: Random,
    validators: usize,
    nodes: usize,
    byzantine: Option<usize>,
    logs: Vec<Log>,
    last_reply: u64,
    /// What must be refused by nodes that have a height, by reply.
    hostile: BTreeMap<u64, (u64, &'static str)>,
    /// Recent hostile transactions, for blocks of the Byzantine validator.
    pub(super) arsenal: Vec<Bytes>,
}

/// A notary log in memory, and another history of it.
struct Log {
    key: SigningKey,
    id: LogId,
    real: Trees,
    fork: Trees,
}

#[derive(Default)]
struct Trees {
    blake3: MemoryTree<Blake3>,
    sha256: MemoryTree<Sha256>,
}

impl Load {
    pub(super) fn new(plan: &Plan) -> Self {
        let log = |n| {
            let key = log_key(n);
            let id = LogId::derive(CHAIN, &key.public_key(), LOG_NAME);
            Log { key, id, real: Trees::default(), fork: Trees::default() }
        };
        Self {
            random: Random::new(plan.seed, Stream::Load),
            validators: plan.validators,
            nodes: plan.nodes(),
            byzantine: plan.byzantine.map(|(node, _)| node),
            logs: (0..LOGS).map(log).collect(),
            last_reply: 0,
            hostile: BTreeMap::new(),
            arsenal: Vec::new(),
        }
    }

    /// Why the transaction of `reply` must be refused by a node that has committed `height`, if it must.
    pub(super) fn must_refuse(&self, reply: u64, height: u64) -> Option<&'static str> {
        self.hostile.get(&reply).filter(|(from, _)| height >= *from).map(|(_, what)| *what)
    }

    pub(super) fn next(&mut self, audit: &Audit) -> Option<Submission> {
        self.last_reply += 1;
        let reply = self.last_reply;
        let bundle = match self.random.below(20) {
            0..=7 => self.transfer(audit),
            8..=12 => self.anchor(audit),
            13..=14 => self.stake(audit)?,
            _ => {
                let (bundle, what) = self.hostile(audit)?;
                self.hostile.insert(reply, (audit.height(), what));
                self.arsenal.extend(bundle.iter().take(1).cloned());
                if self.arsenal.len() > 8 {
                    self.arsenal.remove(0);
                }
                bundle
            }
        };
        Some(Submission { reply, bundle })
    }

    fn transfer(&mut self, audit: &Audit) -> Vec<Bytes> {
        let from = account_key(self.random.below(ACCOUNTS));
        let others = all_accounts(self.nodes);
        let to = others[self.random.below(others.len())];
        let amount = self.random.between(1, 1_000);
        vec![signed(audit, &[&from], vec![Message::Transfer { signer: 0, to, amount }])]
    }

    fn anchor(&mut self, audit: &Audit) -> Vec<Bytes> {
        let (log, grow) = (self.random.below(LOGS), self.random.between(1, 20));
        let log = &mut self.logs[log];
        log.real.grow(grow, b"real");
        let old = anchored(audit, &log.id);
        log.bundle(old, log.real.size(), &log.real, &log.key)
    }

    /// Standby nodes bond, and may leave again; validators change their stake a little. The Byzantine validator stays below a third.
    fn stake(&mut self, audit: &Audit) -> Option<Vec<Bytes>> {
        let node = self.random.below(self.nodes);
        if self.byzantine == Some(node) {
            return None;
        }
        let (owner, key) = (owner_key(node), node_key(node));
        let validator = key.public_key();
        let known = audit.ledger.validator(&validator).ok().flatten();
        let bonded = known.as_ref().map_or(0, |record| record.bonded / POWER_UNIT);
        let whole = if node >= self.validators && self.random.chance(300) { bonded } else { 0 };
        let spare = bonded.saturating_sub(POWER);
        let message = if bonded == 0 {
            Message::Bond { signer: 0, validator, amount: POWER * POWER_UNIT }
        } else if spare.max(whole) > 0 && self.random.chance(500) {
            Message::Unbond { signer: 0, validator, amount: spare.max(whole) * POWER_UNIT }
        } else {
            Message::Bond { signer: 0, validator, amount: self.random.between(1, 3) * POWER_UNIT }
        };
        let signers: &[&SigningKey] = if known.is_some() { &[&owner] } else { &[&owner, &key] };
        Some(vec![signed(audit, signers, vec![message])])
    }

    fn hostile(&mut self, audit: &Audit) -> Option<(Vec<Bytes>, &'static str)> {
        let account = account_key(self.random.below(ACCOUNTS));
        let transfer = |amount| vec![Message::Transfer { signer: 0, to: address(&account), amount }];
        let log = self.random.below(LOGS);
        let old = anchored(audit, &self.logs[log].id);
        Some(match self.random.below(9) {
            0 => {
                let mut tx = signed(audit, &[&account], transfer(1)).to_vec();
                let last = tx.len() - 1;
                tx[last] ^= 1;
                (vec![tx.into()], "a wrong signature")
            }
            1 => {
                let mut body = draft(audit, &[&account], transfer(1));
                body.chain_id = "pyralog-dev-other".into();
                (vec![sign(body, &[&account])], "another chain")
            }
            2 => (vec![audit.last_txs.last().filter(|tx| tx.len() > 171)?.clone()], "a transaction of a past block"),
            3 => {
                let balance = audit.ledger.account(&address(&account)).ok()?.balance;
                (vec![signed(audit, &[&account], transfer(balance + 1_000_000_000))], "more than the balance")
            }
            4 => {
                let mut body = draft(audit, &[&account], transfer(1));
                body.expiry_height = audit.height();
                (vec![sign(body, &[&account])], "an expired transaction")
            }
            5 => {
                let fork = &mut self.logs[log].fork;
                fork.grow(old.max(1) + 3 - fork.size().min(old.max(1) + 2), b"fork");
                let log = &self.logs[log];
                if old == 0 || log.fork.size() <= old {
                    return None;
                }
                (log.bundle(old, log.fork.size(), &log.fork, &log.key), "an anchor of a forked log")
            }
            6 => {
                let log = &self.logs[log];
                let smaller = old.checked_sub(1).filter(|size| *size > 0)?;
                (log.bundle(smaller.min(1), smaller, &log.real, &log.key), "an anchor that shrinks its log")
            }
            7 => {
                self.logs[log].real.grow(1, b"real");
                let log = &self.logs[log];
                (log.bundle(old, log.real.size(), &log.real, &account), "an anchor by a key that does not own the log")
            }
            _ => {
                let len = [0, 1, 40, 200, 70_000][self.random.below(5)];
                (vec![self.random.bytes(len).into()], "bytes that are no transaction")
            }
        })
    }
}

impl Trees {
    fn grow(&mut self, leaves: u64, what: &[u8]) {
        for _ in 0..leaves {
            let mut leaf = what.to_vec();
            leaf.extend(self.size().to_be_bytes());
            self.blake3.push(&leaf);
            self.sha256.push(&leaf);
        }
    }

    fn size(&self) -> u64 {
        self.sha256.size()
    }
}

impl Log {
    /// An anchor at `new` with its companion from `old`; nothing where there is no such proof.
    fn bundle(&self, old: u64, new: u64, trees: &Trees, signer: &SigningKey) -> Vec<Bytes> {
        let make = || {
            let roots = Roots { blake3: trees.blake3.root_at(new).ok()?, sha256: trees.sha256.root_at(new).ok()? };
            let checkpoint = Checkpoint { log: self.id, size: new, roots };
            let checkpoint = SignedCheckpoint::sign(checkpoint, CHAIN, signer as &dyn Signer).ok()?;
            let proofs = (trees.blake3.consistency_at(old, new).ok()?, trees.sha256.consistency_at(old, new).ok()?);
            let companion = CompanionTx::new(self.id, proofs.0, proofs.1);
            Some(vec![Bytes::from(AnchorTx { checkpoint }.to_bytes()), companion.to_bytes().into()])
        };
        make().unwrap_or_default()
    }
}

fn anchored(audit: &Audit, log: &LogId) -> u64 {
    audit.ledger.log(log).ok().flatten().map_or(0, |record| record.size)
}

fn draft(audit: &Audit, keys: &[&SigningKey], messages: Vec<Message>) -> TxBody {
    let signer = |key: &&SigningKey| TxSigner {
        authority: Authority::Key(key.public_key()),
        nonce: audit.ledger.account(&address(key)).map_or(0, |account| account.nonce),
    };
    TxBody {
        chain_id: CHAIN.into(),
        messages,
        signers: keys.iter().map(signer).collect(),
        payment: Payment::Fee(LedgerParams::DEFAULTS.required_fee(600, 0)),
        expiry_height: audit.height() + 20,
        proofs: vec![],
    }
}

fn sign(body: TxBody, keys: &[&SigningKey]) -> Bytes {
    let keys: Vec<&dyn Signer> = keys.iter().map(|key| *key as &dyn Signer).collect();
    // Keys in memory always sign.
    body.sign(&keys).map(|tx| Bytes::from(tx.to_bytes())).unwrap_or_default()
}

fn signed(audit: &Audit, keys: &[&SigningKey], messages: Vec<Message>) -> Bytes {
    sign(draft(audit, keys, messages), keys)
}

#[cfg(test)]
mod tests;
