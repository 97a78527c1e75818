//! Static keys in memory.

use std::fmt;
use std::sync::Arc;
use std::thread;

use rand_core::CryptoRng;
use zeroize::Zeroize;

use super::old_rng::OldRng;
use crate::error::KemError;

/// Bytes of a static public key.
pub const STATIC_PUBLIC_KEY_BYTES: usize = pyralog_mceliece::PUBLIC_KEY_BYTES;
/// Bytes of a static secret key.
pub const STATIC_SECRET_KEY_BYTES: usize = pyralog_mceliece::SECRET_KEY_BYTES;
/// Stack that the making of a key pair needs: matrices of the algorithm live there.
pub const KEYGEN_STACK_BYTES: usize = 8 << 20;

/// A static public key: half a MiB, shared by its clones. Every byte string of this length is one.
#[derive(Clone, PartialEq, Eq)]
pub struct StaticPublicKey(Arc<[u8; STATIC_PUBLIC_KEY_BYTES]>);

impl StaticPublicKey {
    /// Takes the bytes as a peer publishes them.
    ///
    /// # Errors
    /// [`KemError::Length`] unless they are [`STATIC_PUBLIC_KEY_BYTES`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, KemError> {
        let found = bytes.len();
        let length = |_| KemError::Length { what: "static public key", expected: STATIC_PUBLIC_KEY_BYTES, found };
        Arc::<[u8]>::from(bytes).try_into().map(Self).map_err(length)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; STATIC_PUBLIC_KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for StaticPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticPublicKey({}…)", hex::encode(&self.0[..8]))
    }
}

/// A static secret key. Its memory is wiped on drop; it is not `Clone`, so that copies are made on purpose.
pub struct StaticSecretKey(classic_mceliece_rust::SecretKey<'static>);

impl StaticSecretKey {
    /// Takes the bytes of a key file: seed 32, pivots 8, Goppa polynomial 192, control bits 12,800, s 576. They are moved, not copied; what was of the wrong length
    /// is wiped.
    ///
    /// # Errors
    /// [`KemError::Length`] unless they are [`STATIC_SECRET_KEY_BYTES`].
    pub fn from_bytes(mut bytes: Vec<u8>) -> Result<Self, KemError> {
        let found = bytes.len();
        if found != STATIC_SECRET_KEY_BYTES {
            bytes.zeroize();
            return Err(KemError::Length { what: "static secret key", expected: STATIC_SECRET_KEY_BYTES, found });
        }
        // A vector with room to spare would be moved, and what it leaves behind is not ours to wipe any more.
        let mut key = vec![0; STATIC_SECRET_KEY_BYTES].into_boxed_slice();
        key.copy_from_slice(&bytes);
        bytes.zeroize();
        let key: Box<[u8; STATIC_SECRET_KEY_BYTES]> = key.try_into().map_err(|_| KemError::Length {
            what: "static secret key",
            expected: STATIC_SECRET_KEY_BYTES,
            found,
        })?;
        Ok(Self(key.into()))
    }

    /// The bytes, for the key file.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; STATIC_SECRET_KEY_BYTES] {
        self.0.as_array()
    }

    pub(super) const fn inner(&self) -> &classic_mceliece_rust::SecretKey<'static> {
        &self.0
    }
}

impl fmt::Debug for StaticSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticSecretKey(…)")
    }
}

/// Both halves.
#[derive(Debug)]
pub struct StaticKeyPair {
    /// What peers need.
    pub public: StaticPublicKey,
    /// What nobody else may have.
    pub secret: StaticSecretKey,
}

impl StaticKeyPair {
    /// Makes a key pair (KEYGEN of the submission) from 32 bytes of `rng`, in about half a second. It runs in a thread of its own that has
    /// [`KEYGEN_STACK_BYTES`] of stack, and waits for it.
    ///
    /// # Errors
    /// [`KemError::Thread`] where there is no memory for the thread.
    pub fn generate(rng: &mut (dyn CryptoRng + Send)) -> Result<Self, KemError> {
        let failed = |why: String| KemError::Thread { bytes: KEYGEN_STACK_BYTES, why };
        thread::scope(|scope| {
            let builder = thread::Builder::new().name("kem-keygen".into()).stack_size(KEYGEN_STACK_BYTES);
            let made = builder.spawn_scoped(scope, || Self::generate_here(rng)).map_err(|e| failed(e.to_string()))?;
            made.join().map_err(|_| failed("it ended early".into()))?
        })
    }

    /// The same in this thread, for callers whose own stack has [`KEYGEN_STACK_BYTES`]; on a smaller one the process dies.
    ///
    /// # Errors
    /// None in practice.
    pub fn generate_here(rng: &mut dyn CryptoRng) -> Result<Self, KemError> {
        let (public, secret) = classic_mceliece_rust::keypair_boxed(&mut OldRng(rng));
        Ok(Self { public: StaticPublicKey::from_bytes(public.as_array().to_vec())?, secret: StaticSecretKey(secret) })
    }
}
