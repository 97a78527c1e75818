//! The Niederreiter core of Classic McEliece 460896 on x86-64 processors with AVX2.
//!
//! Two functions, [`Avx2::encode`] and [`Avx2::decode`], over the code of the PQClean project that `pqcrypto-classicmceliece` compiles and
//! links. What makes a key encapsulation of them (drawing an error vector, hashing, implicit rejection) is safe code in
//! `pyralog_crypto::kem`, which has the same in pure Rust for every other processor and compares the two in its tests.
//!
//! The upstream project is archived and its crate unmaintained. That is borne here, and here only: the code is fixed, constant in time and
//! 400 times as fast as the pure Rust one, and what it computes is checked against that.
//!
//! Sizes in bytes of the parameter set `mceliece460896` (n = 4608, m = 13, t = 96) of the submission "Classic McEliece: conservative code-based
//! cryptography" to round 3 of NIST: [`PUBLIC_KEY_BYTES`], [`SECRET_KEY_BYTES`], [`SYNDROME_BYTES`], [`ERROR_BYTES`].

#[cfg(all(target_arch = "x86_64", unix))]
mod foreign;

/// The matrix T of a public key, row by row: 1,248 rows of 420 bytes.
pub const PUBLIC_KEY_BYTES: usize = 524_160;
/// A secret key: seed 32, pivots 8, Goppa polynomial 192, control bits 12,800, the string s 576.
pub const SECRET_KEY_BYTES: usize = 13_608;
/// A syndrome: 1,248 bits, the lowest of a byte first.
pub const SYNDROME_BYTES: usize = 156;
/// An error vector: 4,608 bits, the lowest of a byte first.
pub const ERROR_BYTES: usize = 576;

#[cfg(all(target_arch = "x86_64", unix))]
type Proof = ();
#[cfg(not(all(target_arch = "x86_64", unix)))]
type Proof = std::convert::Infallible;

/// Proof that this processor has what the code needs; there is no other way to call it.
#[derive(Debug, Clone, Copy)]
pub struct Avx2(Proof);

#[cfg(all(target_arch = "x86_64", unix))]
impl Avx2 {
    /// Asks the processor. `None` where it lacks an instruction set that the code was compiled for.
    #[must_use]
    pub fn detect() -> Option<Self> {
        let has_all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("aes")
            && is_x86_feature_detected!("pclmulqdq");
        has_all.then_some(Self(()))
    }

    /// The syndrome of `error` under a public key (ENCODE). Constant in time.
    #[must_use]
    pub fn encode(self, key: &[u8; PUBLIC_KEY_BYTES], error: &[u8; ERROR_BYTES]) -> [u8; SYNDROME_BYTES] {
        foreign::encode(self, key, error)
    }

    /// Writes the error vector of weight 96 that has this syndrome under the secret key (DECODE). Answers 0 where there is one,
    /// 1 where there is none; `error` then holds something else, which is not to be used. Constant in time.
    #[must_use]
    pub fn decode(
        self,
        key: &[u8; SECRET_KEY_BYTES],
        syndrome: &[u8; SYNDROME_BYTES],
        error: &mut [u8; ERROR_BYTES],
    ) -> u8 {
        foreign::decode(self, key, syndrome, error)
    }
}

#[cfg(not(all(target_arch = "x86_64", unix)))]
impl Avx2 {
    /// `None`: there is no such code for this target.
    #[must_use]
    pub fn detect() -> Option<Self> {
        None
    }

    /// Cannot be called: there is no value of this type.
    #[must_use]
    pub fn encode(self, _: &[u8; PUBLIC_KEY_BYTES], _: &[u8; ERROR_BYTES]) -> [u8; SYNDROME_BYTES] {
        match self.0 {}
    }

    /// Cannot be called: there is no value of this type.
    #[must_use]
    pub fn decode(self, _: &[u8; SECRET_KEY_BYTES], _: &[u8; SYNDROME_BYTES], _: &mut [u8; ERROR_BYTES]) -> u8 {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests;
