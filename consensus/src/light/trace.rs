//! The way from a trusted state to a target: every height in order, or as few as the signatures allow.

use super::{
    error::LightError,
    light_block::LightBlock,
    provider::Session,
    verify::{LightOptions, TrustedState, Verdict, verify},
};
use pyralog_crypto::Hash;
use tendermint::Time;

/// How a light client goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Every header, each handing over to the next.
    Sequential,
    /// Jumps as far as the trusted validators' signatures reach, and bisects where they do not.
    Skipping,
}

/// A verified light block and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) block: LightBlock,
    pub(crate) hash: Hash,
}

/// Verifies `target` from `trusted` and returns the light blocks on the way, ascending, the target last.
pub(crate) fn trace(
    session: &mut Session<'_, '_>,
    trusted: &TrustedState,
    target: LightBlock,
    mode: Mode,
    options: &LightOptions,
    now: Time,
) -> Result<Vec<Step>, LightError> {
    let mut current = trusted.clone();
    let mut steps = Vec::new();
    // Targets still to reach, nearest on top. Bisection halves the distance: never more than 64 of them.
    let mut pending = vec![target];
    while let Some(block) = pending.pop() {
        let height = block.header.height;
        let next = current.height.saturating_add(1);
        if mode == Mode::Sequential && height > next {
            pending.push(block);
            pending.push(session.fetch(Some(next))?);
            continue;
        }
        match verify(&block, &current, options, now) {
            Verdict::Verified(state) => {
                let hash = state.hash.unwrap_or_default();
                current = *state;
                steps.push(Step { block, hash });
            }
            Verdict::NotEnoughTrust { .. } => {
                // Only headers beyond the next one can lack trust, so the middle lies strictly between.
                let middle = current.height + (height - current.height) / 2;
                pending.push(block);
                pending.push(session.fetch(Some(middle))?);
            }
            Verdict::Foreign(fault) => return Err(LightError::Genesis { provider: session.name(), height, fault }),
            Verdict::Invalid(fault) => return Err(LightError::Invalid { provider: session.name(), height, fault }),
        }
    }
    Ok(steps)
}
