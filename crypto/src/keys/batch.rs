//! Verification of many signatures at once.

use super::zip215::{Equation, all_hold};
use super::{PublicKey, Signature};

/// Signatures in one sum. More gain little speed, and one bad signature makes its whole sum be checked one by one.
const SUM: usize = 256;

/// Verifies many signatures and answers, for each, exactly what [`PublicKey::verify`] would.
///
/// Takes about half the time of single verification, and less where keys repeat. Deterministic: the coefficients of the
/// combined equation come from a hash of the whole batch.
#[must_use]
pub fn verify_batch(items: &[(PublicKey, &[u8], Signature)]) -> Vec<bool> {
    let mut verdicts = Vec::with_capacity(items.len());
    for items in items.chunks(SUM) {
        let equations: Vec<Option<Equation>> =
            items.iter().map(|(key, message, signature)| Equation::new(key, message, signature)).collect();
        let decoded: Vec<&Equation> = equations.iter().flatten().collect();
        let together = decoded.len() > 1 && all_hold(&decoded);
        verdicts.extend(equations.iter().map(|equation| match equation {
            None => false,
            Some(equation) => together || equation.holds(),
        }));
    }
    verdicts
}
