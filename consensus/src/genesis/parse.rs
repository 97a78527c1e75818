//! From JSON to a genesis.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use pyralog_crypto::{Address, PublicKey};

use super::{
    Genesis, GenesisError, GenesisLog, GenesisParts, GenesisValidator, MAX_GENESIS_BYTES, TOKEN,
    json::{Fields, Node},
};
use crate::{
    block::{APP_PROTOCOL, ConsensusParams, TimeRule, ValidatorAddress},
    ledger::{LedgerParams, POWER_UNIT},
    tx::LogName,
};

pub(super) fn genesis(bytes: &[u8]) -> Result<Genesis, GenesisError> {
    if bytes.len() > MAX_GENESIS_BYTES {
        return Err(GenesisError::TooLarge { size: bytes.len(), max: MAX_GENESIS_BYTES });
    }
    let mut root = Node::root(bytes)?.object()?;
    let chain_id = root.take("chain_id")?.text()?.to_owned();
    let genesis_time = root.take("genesis_time")?.parse()?;
    root.take("initial_height")?.exactly("1")?;
    let consensus_params = consensus_params(root.take("consensus_params")?)?;
    let named = validators(root.take("validators")?)?;
    let app_hash = root.take("app_hash")?;
    let mut state = root.take("app_state")?.object()?;
    root.finish()?;

    state.take("token")?.exactly(TOKEN)?;
    let accounts = state.take("accounts")?.list()?.into_iter().map(account).collect::<Result<_, _>>()?;
    let validators = stakes(state.take("stakes")?, named)?;
    let logs = state.take("logs")?.list()?.into_iter().map(log).collect::<Result<_, _>>()?;
    let params = ledger_params(state.take("params")?)?;
    state.finish()?;

    let genesis =
        Genesis::new(GenesisParts { chain_id, genesis_time, consensus_params, validators, accounts, logs, params })?;
    let expected = genesis.app_hash().to_string();
    let found = app_hash.text()?;
    if !found.is_empty() && !found.eq_ignore_ascii_case(&expected) {
        let expected = expected.to_uppercase();
        return Err(app_hash.fail(format!("does not belong to this app_state, whose hash is {expected}")));
    }
    Ok(genesis)
}

fn consensus_params(node: Node) -> Result<ConsensusParams, GenesisError> {
    let mut fields = node.object()?;
    let mut block = fields.take("block")?.object()?;
    let max_block_bytes = block.take("max_bytes")?.integer()?;
    let max_gas = block.take("max_gas")?;
    max_gas.exactly("-1")?;
    block.finish()?;
    let mut evidence = fields.take("evidence")?.object()?;
    let evidence_max_age_blocks = evidence.take("max_age_num_blocks")?.integer()?;
    let evidence_max_age_ns = evidence.take("max_age_duration")?.integer()?;
    let evidence_max_bytes = evidence.take("max_bytes")?.integer()?;
    evidence.finish()?;
    let mut validator = fields.take("validator")?.object()?;
    let types = validator.take("pub_key_types")?;
    let path = types.path.clone();
    match types.list()?.as_slice() {
        [one] => one.exactly("ed25519")?,
        _ => return Err(GenesisError::field(&path, "must be [\"ed25519\"]")),
    }
    validator.finish()?;
    let mut version = fields.take("version")?.object()?;
    version.take("app")?.exactly(&APP_PROTOCOL.to_string())?;
    version.finish()?;
    if let Some(abci) = fields.optional("abci") {
        let mut abci = abci.object()?;
        if let Some(height) = abci.optional("vote_extensions_enable_height") {
            height.exactly("0")?;
        }
        abci.finish()?;
    }
    let mut synchrony = fields.take("synchrony")?.object()?;
    let time_rule = TimeRule {
        precision_ns: synchrony.take("precision")?.integer()?,
        message_delay_ns: synchrony.take("message_delay")?.integer()?,
    };
    synchrony.finish()?;
    fields.finish()?;
    Ok(ConsensusParams {
        max_block_bytes,
        max_gas: -1,
        evidence_max_age_blocks,
        evidence_max_age_ns,
        evidence_max_bytes,
        time_rule,
    })
}

/// A validator's name, its power and where the power stands.
type Named = BTreeMap<PublicKey, (String, u64, String)>;

fn validators(node: Node) -> Result<Named, GenesisError> {
    let mut named = Named::new();
    for node in node.list()? {
        let path = node.path.clone();
        let mut fields = node.object()?;
        let mut pub_key = fields.take("pub_key")?.object()?;
        pub_key.take("type")?.exactly("tendermint/PubKeyEd25519")?;
        let value = pub_key.take("value")?;
        let key = base64_key(&value)?;
        pub_key.finish()?;
        fields.take("address")?.exactly(&ValidatorAddress::of(&key).to_string())?;
        let power = fields.take("power")?;
        let name = fields.take("name")?.text()?.to_owned();
        fields.finish()?;
        if named.insert(key, (name, power.integer()?, power.path)).is_some() {
            return Err(GenesisError::field(&path, format!("key {key} appears twice")));
        }
    }
    Ok(named)
}

/// Standard base64 with padding, in its one canonical form.
fn base64_key(node: &Node) -> Result<PublicKey, GenesisError> {
    let bytes = STANDARD.decode(node.text()?).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.map(PublicKey).ok_or_else(|| node.fail("expected 32 bytes in standard base64 (44 characters)"))
}

fn stakes(node: Node, mut named: Named) -> Result<Vec<GenesisValidator>, GenesisError> {
    let mut validators = Vec::new();
    let stakes_path = node.path.clone();
    for node in node.list()? {
        let mut fields = node.object()?;
        let validator = fields.take("validator")?;
        let owner = fields.take("owner")?.parse()?;
        let amount = fields.take("amount")?;
        let stake: u64 = amount.integer()?;
        fields.finish()?;
        let key: PublicKey = validator.parse()?;
        let Some((name, power, power_path)) = named.remove(&key) else {
            return Err(validator.fail("is not in validators, or has a stake already"));
        };
        if power != stake / POWER_UNIT {
            let expected = stake / POWER_UNIT;
            let why = format!("must be \"{expected}\", the stake of {} upyra / {POWER_UNIT}", stake);
            return Err(GenesisError::field(&power_path, why));
        }
        validators.push(GenesisValidator { key, name, owner, stake });
    }
    match named.keys().next() {
        None => Ok(validators),
        Some(key) => Err(GenesisError::field(&stakes_path, format!("validator {key} has no stake"))),
    }
}

fn account(node: Node) -> Result<(Address, u64), GenesisError> {
    let mut fields = node.object()?;
    let account = (fields.take("address")?.parse()?, fields.take("balance")?.integer()?);
    fields.finish()?;
    Ok(account)
}

fn log(node: Node) -> Result<GenesisLog, GenesisError> {
    let mut fields = node.object()?;
    let owner = fields.take("owner")?.parse()?;
    let name = fields.take("name")?;
    fields.finish()?;
    let checked = LogName::new(name.text()?);
    let name = checked.ok_or_else(|| name.fail("must be 1 to 64 characters of a-z A-Z 0-9 . _ -"))?;
    Ok(GenesisLog { owner, name })
}

fn ledger_params(node: Node) -> Result<LedgerParams, GenesisError> {
    let mut fields = node.object()?;
    let integer = |fields: &mut Fields, key: &str| fields.take(key)?.integer::<u64>();
    let mut fees = fields.take("fees")?.object()?;
    let fee_base = integer(&mut fees, "base")?;
    let fee_per_byte = integer(&mut fees, "per_byte")?;
    let fee_register_log = integer(&mut fees, "register_log")?;
    fees.finish()?;
    let mut slash = fields.take("slash_double_sign")?.object()?;
    let slash_numerator = integer(&mut slash, "numerator")?;
    let slash_denominator = integer(&mut slash, "denominator")?;
    slash.finish()?;
    let max_expiry_blocks = integer(&mut fields, "max_expiry_blocks")?;
    let max_validators = fields.take("max_validators")?.integer()?;
    let min_stake = integer(&mut fields, "min_stake")?;
    fields.finish()?;
    Ok(LedgerParams {
        fee_base,
        fee_per_byte,
        fee_register_log,
        max_expiry_blocks,
        slash_numerator,
        slash_denominator,
        max_validators,
        min_stake,
    })
}
