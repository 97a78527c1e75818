//! The verification equation of ZIP-215, for one signature and for many.
//!
//! A signature `R || s` by key `A` over message `M` is valid if and only if
//!
//! 1. `A` and `R` decompress to points of the curve; every encoding is allowed, also non-canonical ones and points of small
//!    order;
//! 2. `s`, little-endian, is below the group order `L`;
//! 3. `[8]([s]B - [k]A - R) = 0` with `k = SHA-512(R || A || M) mod L`, over the *encodings* of `R` and `A` as given.
//!
//! Because of the cofactor 8, a sum of valid equations is a valid equation: that is why batches and single verification agree.
//! The tests hold both against `ed25519-consensus`, the reference implementation of these rules.

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use sha2::{Digest, Sha512};

use super::{PublicKey, Signature};

/// A signature whose points and scalar decode, rules 1 and 2.
pub(super) struct Equation {
    key: [u8; 32],
    signature: [u8; 64],
    a: EdwardsPoint,
    r: EdwardsPoint,
    s: Scalar,
    k: Scalar,
}

impl Equation {
    /// `None` where rule 1 or 2 is broken.
    pub(super) fn new(key: &PublicKey, message: &[u8], signature: &Signature) -> Option<Self> {
        let (r_bytes, s_bytes) = signature.0.split_first_chunk::<32>()?;
        let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s_bytes.try_into().ok()?))?;
        let a = CompressedEdwardsY(key.0).decompress()?;
        let r = CompressedEdwardsY(*r_bytes).decompress()?;
        let k = Sha512::new().chain_update(r_bytes).chain_update(key.0).chain_update(message).finalize();
        let k = Scalar::from_bytes_mod_order_wide(&k.into());
        Some(Self { key: key.0, signature: signature.0, a, r, s, k })
    }

    /// Rule 3.
    pub(super) fn holds(&self) -> bool {
        let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&self.k, &-self.a, &self.s);
        (expected - self.r).mul_by_cofactor().is_identity()
    }
}

/// Whether rule 3 holds for all equations at once: `[8]([sum z s]B - sum [z k]A - sum [z]R) = 0` for 128-bit coefficients `z`.
///
/// The coefficients are drawn from a hash of everything that enters the sum, so that nobody can choose equations whose errors
/// cancel out (probability 2^-128 for each attempt), no source of randomness is needed, and a run can be repeated.
pub(super) fn all_hold(equations: &[&Equation]) -> bool {
    let mut transcript = blake3::Hasher::new_derive_key("pyralog/ed25519-batch/v1");
    for equation in equations {
        transcript.update(&equation.key);
        transcript.update(&equation.signature);
        transcript.update(equation.k.as_bytes());
    }
    let mut coefficients = transcript.finalize_xof();

    // Signatures by one key share one term: adjacent after sorting.
    let mut sorted = equations.to_vec();
    sorted.sort_by_key(|equation| equation.key);
    let mut scalars = Vec::with_capacity(2 * sorted.len() + 1);
    let mut points = Vec::with_capacity(2 * sorted.len() + 1);
    let mut base = Scalar::ZERO;
    for of_one_key in sorted.chunk_by(|a, b| a.key == b.key) {
        let mut of_key = Scalar::ZERO;
        for equation in of_one_key {
            let mut z = [0u8; 16];
            coefficients.fill(&mut z);
            let z = Scalar::from(u128::from_le_bytes(z));
            base -= z * equation.s;
            of_key += z * equation.k;
            scalars.push(z);
            points.push(equation.r);
        }
        scalars.push(of_key);
        points.push(of_one_key[0].a);
    }
    scalars.push(base);
    points.push(ED25519_BASEPOINT_POINT);
    EdwardsPoint::vartime_multiscalar_mul(&scalars, &points).mul_by_cofactor().is_identity()
}
