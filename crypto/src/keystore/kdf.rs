//! Costs of the passphrase's key derivation.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use super::SALT_BYTES;
use crate::error::KeystoreError;

/// Costs of argon2id. The bounds hold for sealing and for opening: a hostile file can cost at most 1 GiB and a few seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfParams {
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
}

impl KdfParams {
    /// Most memory, in KiB: 1 GiB.
    pub const MAX_MEMORY_KIB: u32 = 1024 * 1024;
    /// Most passes.
    pub const MAX_ITERATIONS: u32 = 16;
    /// Most lanes.
    pub const MAX_PARALLELISM: u32 = 16;
    /// Most work, in KiB filled over all passes: 4 GiB.
    pub const MAX_WORK_KIB: u64 = 4 * 1024 * 1024;

    /// The second recommended option of RFC 9106 section 4: 64 MiB, 3 passes, 4 lanes.
    pub const RECOMMENDED: Self = Self { memory_kib: 64 * 1024, iterations: 3, parallelism: 4 };

    /// The cheapest costs that are accepted: 8 KiB, 1 pass, 1 lane. For throw-away keys of tests and local networks only.
    pub const CHEAPEST: Self = Self { memory_kib: 8, iterations: 1, parallelism: 1 };

    /// Costs within the bounds.
    ///
    /// # Errors
    /// [`KeystoreError::KdfBounds`] names the field.
    pub fn new(memory_kib: u32, iterations: u32, parallelism: u32) -> Result<Self, KeystoreError> {
        let bound = |field, found: u64, min: u64, max: u64| {
            if (min..=max).contains(&found) { Ok(()) } else { Err(KeystoreError::KdfBounds { field, found, min, max }) }
        };
        bound("parallelism", parallelism.into(), 1, Self::MAX_PARALLELISM.into())?;
        bound("iterations", iterations.into(), 1, Self::MAX_ITERATIONS.into())?;
        bound("memory_kib", memory_kib.into(), u64::from(8 * parallelism), Self::MAX_MEMORY_KIB.into())?;
        let work = u64::from(memory_kib) * u64::from(iterations);
        bound("memory_kib times iterations", work, 1, Self::MAX_WORK_KIB)?;
        Ok(Self { memory_kib, iterations, parallelism })
    }

    /// Memory in KiB.
    #[must_use]
    pub const fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory.
    #[must_use]
    pub const fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Lanes.
    #[must_use]
    pub const fn parallelism(&self) -> u32 {
        self.parallelism
    }

    /// argon2id of passphrase and salt, 32 bytes.
    pub(super) fn derive(
        &self,
        passphrase: &[u8],
        salt: &[u8; SALT_BYTES],
    ) -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
        let out_of_memory = |_| KeystoreError::OutOfMemory(self.memory_kib);
        let params =
            Params::new(self.memory_kib, self.iterations, self.parallelism, Some(32)).map_err(out_of_memory)?;
        let mut key = Zeroizing::new([0u8; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase, salt, key.as_mut_slice())
            .map_err(out_of_memory)?;
        Ok(key)
    }
}

impl Default for KdfParams {
    fn default() -> Self {
        Self::RECOMMENDED
    }
}
