//! The traits of randomness as `classic-mceliece-rust` knows them.

use rand_core::CryptoRng;
use rand_core_06::{Error, RngCore};

/// A generator of today's traits under those of 2020.
pub(super) struct OldRng<'a>(pub &'a mut dyn CryptoRng);

impl RngCore for OldRng<'_> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.0.fill_bytes(dest);
        Ok(())
    }
}

impl rand_core_06::CryptoRng for OldRng<'_> {}
