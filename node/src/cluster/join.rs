//! Making a home that joins the cluster of a running node.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use pyralog_cluster_core::replication::MemberId;
use pyralog_cluster_core::{Core, Options};
use pyralog_consensus::genesis::{Genesis, MAX_GENESIS_BYTES};
use pyralog_crypto::{KdfParams, keystore};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Contact, write_contacts};
use crate::config::P2pConfig;
use crate::home::{Home, HomeLock, PUBLIC, SECRET, write_atomic};
use crate::http::agent;
use crate::init::{config_file, peer_id};
use crate::keys::NodeKeys;
use crate::signing::SHARED_KEYS;

/// How long the member may take to answer: it asks the others.
const PATIENCE: Duration = Duration::from_secs(30);

/// What `join-cluster` was asked for.
pub struct JoinPlan {
    /// The native API of a member that runs.
    pub api: String,
    /// Its admin token.
    pub token: String,
    /// Name of the new member, for people.
    pub name: String,
    /// Settings to write into `pyralog.toml`, by key name.
    pub settings: BTreeMap<&'static str, String>,
    /// The passphrase of the cluster's keys, which seals the new ones too.
    pub passphrase: zeroize::Zeroizing<Vec<u8>>,
    /// Seal at the least cost.
    pub cheap_kdf: bool,
}

/// What was made.
pub struct Joined {
    /// The member's id.
    pub member: u64,
    /// The chain.
    pub chain_id: String,
    /// Its libp2p peer id.
    pub peer_id: String,
}

/// What `GET /v1/cluster/keys` answers.
#[derive(Deserialize)]
struct Keys {
    /// Hex of the sealed log key.
    log_key: String,
    /// Hex of the sealed validator key.
    validator_key: String,
}

/// What `POST /v1/cluster/members` answers.
#[derive(Deserialize)]
struct Admitted {
    member: u64,
    members: Vec<Contact>,
}

/// Makes the home, and has the cluster give it an id. Where it fails it may be called again: what was made is used then.
///
/// # Errors
/// What to mend.
pub fn join(home: &Home, plan: &JoinPlan) -> anyhow::Result<Joined> {
    home.create()?;
    let _lock = HomeLock::take(home)?;
    if let Some(path) = [home.genesis(), home.config()].iter().find(|path| path.exists()) {
        bail!("{}: this home is made already; use another --home", path.display());
    }
    let member = Member { api: plan.api.trim_end_matches('/'), token: &plan.token };
    let genesis = member.genesis()?;
    let cluster: Value = member.ask("/v1/cluster", None)?;
    check_reach(&addresses_in(&cluster), &plan.settings)?;
    let keys: Keys = member.ask("/v1/cluster/keys", None)?;
    let log_key = hex::decode(&keys.log_key).context("the node's log key is not hex")?;
    let validator_key = hex::decode(&keys.validator_key).context("the node's validator key is not hex")?;
    // Before keys are made that the right passphrase would not open.
    for sealed in [&log_key, &validator_key] {
        keystore::open(sealed, &plan.passphrase).map_err(|e| {
            let at = &plan.api;
            anyhow!(
                "{e}: give the passphrase of the cluster's keys, which is that of the node at {at} (--password-file)"
            )
        })?;
    }
    if !home.peer_key().exists() {
        let cost = if plan.cheap_kdf { KdfParams::CHEAPEST } else { KdfParams::RECOMMENDED };
        NodeKeys::generate()?.save(home, &plan.passphrase, cost)?;
    }
    // The cluster is one validator with one log key: its members sign by turns.
    write_atomic(&home.shared_keys(), SHARED_KEYS.as_bytes(), PUBLIC)?;
    write_atomic(&home.validator_key(), &validator_key, SECRET)?;
    write_atomic(&home.log_key(), &log_key, SECRET)?;
    let keys = NodeKeys::load(home, &plan.passphrase)?;
    let public = keys.public();
    let peer = peer_id(&public.peer.0);
    let admitted = admit(home, plan, &member, &peer)?;
    let contacts: Vec<Contact> = admitted.members;
    write_contacts(home, &contacts)?;
    let mut settings = plan.settings.clone();
    settings.insert("node.moniker", plan.name.clone());
    if !settings.contains_key("p2p.bootstrap") {
        let others = contacts.iter().filter(|contact| contact.peer_id != peer);
        let dialled =
            others.filter_map(|contact| Some(format!("{}/p2p/{}", contact.addresses.first()?, contact.peer_id)));
        settings.insert("p2p.bootstrap", dialled.collect::<Vec<_>>().join(","));
    }
    write_atomic(&home.genesis(), genesis.to_json().as_bytes(), PUBLIC)?;
    write_atomic(&home.config(), config_file(&settings)?.as_bytes(), PUBLIC)?;
    Ok(Joined { member: admitted.member, chain_id: genesis.chain_id().to_owned(), peer_id: peer })
}

/// The addresses of all members in what `GET /v1/cluster` answers.
fn addresses_in(cluster: &Value) -> Vec<&str> {
    let members = cluster["members"].as_array().into_iter().flatten();
    let addresses = members.flat_map(|member| member["addresses"].as_array().into_iter().flatten());
    addresses.filter_map(Value::as_str).collect()
}

/// Refuses a member that listens on loopback alone in a cluster of several machines: it would reach others and not be reached, and the cluster would stand still
/// where the one that it dials is gone.
fn check_reach(members: &[&str], settings: &BTreeMap<&'static str, String>) -> anyhow::Result<()> {
    let is_here = |address: &str| address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/");
    let default = P2pConfig::default().listen.join(",");
    let listen = settings.get("p2p.listen").unwrap_or(&default);
    let Some(far) = members.iter().find(|address| !is_here(address)) else { return Ok(()) };
    if listen.split(',').map(str::trim).all(is_here) {
        bail!(
            "members of this cluster are reached at {far}, and the new one would listen where only its own machine reaches it ({listen}): \
             give --p2p-listen /ip4/0.0.0.0/udp/51820, and with --p2p-external /ip4/ADDRESS/udp/51820 where the others reach it"
        );
    }
    Ok(())
}

/// Has the cluster give the disk an id, and keeps it there.
fn admit(home: &Home, plan: &JoinPlan, member: &Member<'_>, peer: &str) -> anyhow::Result<Admitted> {
    let (core, _) = Core::open(&home.store(), Options::default())?;
    let identity = core.make_identity()?;
    let addresses: Vec<&str> = listens(&plan.settings);
    let question = json!({
        "name": plan.name,
        "peer_id": peer,
        "addresses": addresses,
        "incarnation": hex::encode(identity.incarnation),
        "life": hex::encode(identity.life.nonce),
    });
    let admitted: Admitted = member.ask("/v1/cluster/members", Some(&question))?;
    core.assign(MemberId(admitted.member))?;
    core.close()?;
    Ok(admitted)
}

/// Addresses that others reach the member at, as far as the settings say. It tells them itself when it starts.
fn listens<'a>(settings: &'a BTreeMap<&'static str, String>) -> Vec<&'a str> {
    let list = settings.get("p2p.external").or_else(|| settings.get("p2p.listen"));
    let known = list.map(|list| list.split(',').map(str::trim)).into_iter().flatten();
    known
        .filter(|address| {
            !address.is_empty()
                && !["/tcp/0", "/udp/0"].iter().any(|port| address.ends_with(port))
                && !address.contains("/0.0.0.0/")
        })
        .collect()
}

/// A member that runs.
struct Member<'a> {
    api: &'a str,
    token: &'a str,
}

impl Member<'_> {
    fn genesis(&self) -> anyhow::Result<Genesis> {
        let value: Value = self.ask("/v1/genesis", None)?;
        let text = value.get("genesis").unwrap_or(&value).to_string();
        if text.len() > MAX_GENESIS_BYTES {
            bail!("{} answers with a genesis of {} bytes, more than a genesis may have", self.api, text.len());
        }
        Genesis::from_json(text.as_bytes()).with_context(|| format!("the genesis that {} answers with", self.api))
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, path: &str, body: Option<&Value>) -> anyhow::Result<T> {
        let url = format!("{}{path}", self.api);
        let bearer = format!("Bearer {}", self.token);
        let agent = agent(PATIENCE);
        let answer = match body {
            Some(body) => agent
                .post(&url)
                .header("authorization", bearer)
                .header("content-type", "application/json")
                .send(body.to_string()),
            None => agent.get(&url).header("authorization", bearer).call(),
        };
        if answer.as_ref().is_ok_and(|answer| answer.status() == 401) {
            bail!(
                "{} does not take this admin token; it is new at each start of that node: copy data/admin.token of its home again",
                self.api
            );
        }
        let value = crate::cli::read(self.api, answer)?;
        serde_json::from_value(value).with_context(|| format!("{url} does not answer as a member of a cluster does"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_only_its_own_machine_would_reach_is_refused_with_the_remedy() {
        let of = |listen: Option<&str>| listen.map(|list| ("p2p.listen", list.to_owned())).into_iter().collect();
        let cluster =
            json!({ "members": [{ "addresses": ["/ip4/127.0.0.1/udp/1"] }, { "addresses": ["/ip4/10.0.0.1/udp/1"] }] });
        let members = addresses_in(&cluster);
        assert_eq!(members.len(), 2);
        for listen in [None, Some("/ip4/127.0.0.1/udp/7"), Some("/ip4/127.0.0.1/tcp/7,/ip6/::1/tcp/7")] {
            let why = check_reach(&members, &of(listen)).unwrap_err().to_string();
            assert!(why.contains("/ip4/10.0.0.1/udp/1") && why.contains("--p2p-listen"), "{why}");
        }
        check_reach(&members, &of(Some("/ip4/0.0.0.0/udp/7"))).unwrap();
        check_reach(&members[..1], &of(None)).unwrap();
        check_reach(&addresses_in(&json!({})), &of(None)).unwrap();
    }

    #[test]
    fn addresses_that_nobody_can_dial_are_not_told() {
        let of = |key, list: &str| BTreeMap::from([(key, list.to_owned())]);
        assert!(listens(&of("p2p.listen", "/ip4/0.0.0.0/tcp/1,/ip4/127.0.0.1/tcp/0,/ip4/127.0.0.1/udp/0")).is_empty());
        assert_eq!(listens(&of("p2p.listen", "/ip4/10.0.0.1/tcp/1, ")), ["/ip4/10.0.0.1/tcp/1"]);
        let mut both = of("p2p.listen", "/ip4/10.0.0.1/tcp/1");
        both.insert("p2p.external", "/dns/a/tcp/2".into());
        assert_eq!(listens(&both), ["/dns/a/tcp/2"]);
    }
}
