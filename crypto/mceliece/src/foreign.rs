//! The calls. Every `unsafe` of the project stands in this file.

#![allow(unsafe_code)]

// Links the static library that the crate has compiled.
use pqcrypto_classicmceliece as _;

use super::{Avx2, ERROR_BYTES, PUBLIC_KEY_BYTES, SECRET_KEY_BYTES, SYNDROME_BYTES};

/// Where the Goppa polynomial begins in a secret key, with the control bits behind it.
const POLYNOMIAL: usize = 40;

unsafe extern "C" {
    /// `syndrome_asm.S`: reads 524,160 bytes of `key` and 576 of `error`, writes 156 of `syndrome`. It shifts every bit of them out, whatever
    /// stood there.
    fn PQCLEAN_MCELIECE460896_AVX2_syndrome_asm(syndrome: *mut u8, key: *const u8, error: *const u8);

    /// `decrypt.c`: reads 12,992 bytes of `key` and 156 of `syndrome`, writes 576 of `error`; 0 for success, 1 for failure.
    fn PQCLEAN_MCELIECE460896_AVX2_decrypt(error: *mut u8, key: *const u8, syndrome: *const u8) -> i32;
}

pub(super) fn encode(_: Avx2, key: &[u8; PUBLIC_KEY_BYTES], error: &[u8; ERROR_BYTES]) -> [u8; SYNDROME_BYTES] {
    let mut syndrome = [0; SYNDROME_BYTES];
    // SAFETY: the three arrays have the sizes that the function reads and writes, it keeps no pointer, and `Avx2` proves that the processor
    // knows its instructions.
    unsafe { PQCLEAN_MCELIECE460896_AVX2_syndrome_asm(syndrome.as_mut_ptr(), key.as_ptr(), error.as_ptr()) };
    syndrome
}

pub(super) fn decode(
    _: Avx2,
    key: &[u8; SECRET_KEY_BYTES],
    syndrome: &[u8; SYNDROME_BYTES],
    error: &mut [u8; ERROR_BYTES],
) -> u8 {
    // SAFETY: behind `POLYNOMIAL` the key has 13,568 bytes, more than the 12,992 that are read; the other arrays have the sizes that are read
    // and written; no pointer is kept; `Avx2` proves that the processor knows the instructions.
    let failed = unsafe {
        PQCLEAN_MCELIECE460896_AVX2_decrypt(error.as_mut_ptr(), key[POLYNOMIAL..].as_ptr(), syndrome.as_ptr())
    };
    // 0 or 1, without a branch.
    (failed & 1) as u8
}
