//! Witnesses: other nodes that are asked for the same header.

use super::{
    error::LightError,
    fault::Fault,
    light_block::LightBlock,
    provider::{Provider, Session},
    trace::{Mode, Step, trace},
    verify::{LightOptions, TrustedState},
};
use serde::{Deserialize, Serialize};
use std::fmt;
use tendermint::Time;

/// Evidence of an attack on light clients: two light blocks of one height that both verify from one trusted state. It
/// verifies on its own, whoever holds the trusted header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Divergence {
    /// The provider that was followed.
    pub primary: String,
    /// The witness that contradicts it.
    pub witness: String,
    /// The last height both agree on, 0 for genesis.
    pub common_height: u64,
    /// The primary's light block.
    pub primary_block: LightBlock,
    /// The witness's light block of the same height.
    pub witness_block: LightBlock,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = |block: &LightBlock| block.hash().map_or_else(|f| f.to_string(), |h| h.to_string());
        write!(
            f,
            "two histories verify: at height {} {} shows the header {} and {} shows {}, both signed by validators that \
             height {} hands over to; nothing was accepted, keep the evidence and ask the operators which one is real",
            self.primary_block.header.height,
            self.primary,
            hash(&self.primary_block),
            self.witness,
            hash(&self.witness_block),
            self.common_height,
        )
    }
}

/// What one witness had to say.
pub(crate) enum Testimony {
    /// It shows the same header.
    Confirmed,
    /// It could not answer, or what it shows does not verify.
    Useless(String),
    /// It shows another header, and that one verifies too.
    Diverged(Box<Divergence>),
}

/// Compares the last of `steps`, which lead from `trusted`, with what `witness` shows. Without `trusted` the one step is a root, to which
/// no way leads: its validators alone can have signed another header of its height.
pub(crate) fn ask(
    witness: &mut Provider<'_>,
    primary: &str,
    trusted: Option<&TrustedState>,
    steps: &[Step],
    options: &LightOptions,
    now: Time,
) -> Testimony {
    let mut session = Session::new(witness, options.max_fetches);
    match compare(&mut session, primary, trusted, steps, options, now) {
        Ok(None) => Testimony::Confirmed,
        Ok(Some(divergence)) => Testimony::Diverged(Box::new(divergence)),
        Err(error) => Testimony::Useless(error.to_string()),
    }
}

fn compare(
    session: &mut Session<'_, '_>,
    primary: &str,
    trusted: Option<&TrustedState>,
    steps: &[Step],
    options: &LightOptions,
    now: Time,
) -> Result<Option<Divergence>, LightError> {
    let Some(target) = steps.last() else { return Ok(None) };
    let shown = session.fetch(Some(target.block.header.height))?;
    if same(session, &shown, target)? {
        return Ok(None);
    }
    let Some(trusted) = trusted else { return beside(session, primary, target, shown).map(Some) };
    // Find the first header on the way where the two part, then see whether the witness's holds from the last common one.
    let mut common = trusted.clone();
    for step in steps {
        let height = step.block.header.height;
        let theirs = if height == target.block.header.height { shown.clone() } else { session.fetch(Some(height))? };
        if same(session, &theirs, step)? {
            common = TrustedState::of(&step.block, step.hash);
            continue;
        }
        trace(session, &common, theirs.clone(), Mode::Skipping, options, now)?;
        return Ok(Some(Divergence {
            primary: primary.to_owned(),
            witness: session.name(),
            common_height: common.height,
            primary_block: step.block.clone(),
            witness_block: theirs,
        }));
    }
    Ok(None)
}

/// Another header at the height of a root: evidence if it is sound and the root's validators signed it.
fn beside(session: &Session<'_, '_>, primary: &str, root: &Step, shown: LightBlock) -> Result<Divergence, LightError> {
    let height = shown.header.height;
    let invalid = |fault| LightError::Invalid { provider: session.name(), height, fault };
    shown.check().map_err(invalid)?;
    if shown.chain_id != root.block.chain_id || shown.validators != root.block.validators {
        return Err(invalid(Fault::new("validators", "are not those of the trusted header of this height")));
    }
    Ok(Divergence {
        primary: primary.to_owned(),
        witness: session.name(),
        common_height: height.saturating_sub(1),
        primary_block: root.block.clone(),
        witness_block: shown,
    })
}

fn same(session: &Session<'_, '_>, theirs: &LightBlock, ours: &Step) -> Result<bool, LightError> {
    let height = theirs.header.height;
    let invalid = |fault| LightError::Invalid { provider: session.name(), height, fault };
    Ok(theirs.hash().map_err(invalid)? == ours.hash)
}
