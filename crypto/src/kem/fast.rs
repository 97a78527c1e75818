//! Classic McEliece over the AVX2 core: everything around it in safe Rust.

use pyralog_mceliece::{Avx2, ERROR_BYTES, SECRET_KEY_BYTES, SYNDROME_BYTES};
use rand_core::CryptoRng;
use sha3::Shake256;
use sha3::digest::{ExtendableOutput, Update, XofReader};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::{STATIC_CIPHERTEXT_BYTES, SharedSecret, StaticCiphertext, StaticKem, StaticPublicKey, StaticSecretKey};

/// Weight t of an error vector.
const WEIGHT: usize = 96;
/// Length n of the code, in bits.
const LENGTH: u16 = 4608;
/// The lowest 13 bits: positions are drawn below 8,192, those below n count.
const POSITION_MASK: u16 = 0x1fff;

type ErrorVector = Zeroizing<[u8; ERROR_BYTES]>;

/// The AVX2 code of PQClean in the form "pc": about 40 µs to encapsulate, 70 µs to decapsulate.
#[derive(Debug, Clone, Copy)]
pub struct FastMcEliece(Avx2);

impl FastMcEliece {
    /// `None` where the processor has no AVX2, or is none of x86-64.
    #[must_use]
    pub fn detect() -> Option<Self> {
        Avx2::detect().map(Self)
    }
}

impl StaticKem for FastMcEliece {
    fn name(&self) -> &'static str {
        "avx2"
    }

    fn encapsulate(&self, key: &StaticPublicKey, rng: &mut dyn CryptoRng) -> (StaticCiphertext, SharedSecret) {
        let error = draw_error(rng);
        let mut ciphertext = [0; STATIC_CIPHERTEXT_BYTES];
        ciphertext[..SYNDROME_BYTES].copy_from_slice(&self.0.encode(key.as_bytes(), &error));
        ciphertext[SYNDROME_BYTES..].copy_from_slice(&*hash(&[&[2], error.as_slice()]));
        let secret = hash(&[&[1], error.as_slice(), &ciphertext]);
        (ciphertext, SharedSecret::new(*secret))
    }

    fn decapsulate(&self, key: &StaticSecretKey, ciphertext: &StaticCiphertext) -> SharedSecret {
        let key = key.as_bytes();
        let mut syndrome = [0; SYNDROME_BYTES];
        syndrome.copy_from_slice(&ciphertext[..SYNDROME_BYTES]);
        let mut error = Zeroizing::new([0; ERROR_BYTES]);
        let failed = self.0.decode(key, &syndrome, &mut error);
        let confirmed = hash(&[&[2], error.as_slice()]).ct_eq(&ciphertext[SYNDROME_BYTES..]);
        let good = failed.ct_eq(&0) & confirmed;
        // The string s of the secret key takes the place of what is no error vector.
        for (byte, other) in error.iter_mut().zip(&key[SECRET_KEY_BYTES - ERROR_BYTES..]) {
            *byte = u8::conditional_select(other, byte, good);
        }
        SharedSecret::new(*hash(&[&[good.unwrap_u8()], error.as_slice(), ciphertext]))
    }
}

/// FIXEDWEIGHT of the submission: of 192 numbers of 16 bits, little-endian, the first 96 below n are the positions; again where there are fewer, or
/// two are equal. Which draws are thrown away is no secret.
pub(super) fn draw_error(rng: &mut dyn CryptoRng) -> ErrorVector {
    let mut drawn = Zeroizing::new([0; 4 * WEIGHT]);
    let mut positions = Zeroizing::new([0u16; WEIGHT]);
    loop {
        rng.fill_bytes(drawn.as_mut_slice());
        let numbers = drawn.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]) & POSITION_MASK);
        let mut count = 0;
        for (place, number) in positions.iter_mut().zip(numbers.filter(|number| *number < LENGTH)) {
            *place = number;
            count += 1;
        }
        if count == WEIGHT && all_differ(&positions) {
            return error_of(&positions);
        }
    }
}

/// Compares all with all, whatever it finds.
fn all_differ(positions: &[u16; WEIGHT]) -> bool {
    let mut equal = subtle::Choice::from(0);
    for (index, one) in positions.iter().enumerate() {
        for other in &positions[..index] {
            equal |= one.ct_eq(other);
        }
    }
    !bool::from(equal)
}

/// Sets the bits without an access that depends on a position.
fn error_of(positions: &[u16; WEIGHT]) -> ErrorVector {
    let mut error = Zeroizing::new([0u8; ERROR_BYTES]);
    for (index, byte) in (0u16..).zip(error.iter_mut()) {
        for position in positions {
            let bit = 1u8 << (position & 7);
            *byte |= u8::conditional_select(&0, &bit, index.ct_eq(&(position >> 3)));
        }
    }
    error
}

/// SHAKE256, 32 bytes of it.
pub(super) fn hash(parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut state = Shake256::default();
    for part in parts {
        state.update(part);
    }
    let mut out = Zeroizing::new([0; 32]);
    state.finalize_xof().read(out.as_mut_slice());
    out
}
