//! The JSON form of a keystore.

use serde::{Deserialize, Serialize};

use super::{KdfParams, MAX_KEYSTORE_BYTES, NONCE_BYTES, SALT_BYTES};
use crate::address::Address;
use crate::codec::Writer;
use crate::error::KeystoreError;
use crate::fixed::parse_hex;
use crate::hash::{Hash, MerkleHash, Sha256};
use crate::keys::PublicKey;

const FORMAT: &str = "pyralog-keystore";
const KDF: &str = "argon2id";
const CIPHER: &str = "xchacha20-poly1305";
const DOMAIN: &str = "pyralog/keystore/v1";

/// A keystore whose text has been checked and whose checksum matches.
pub(super) struct Sealed {
    pub(super) public_key: PublicKey,
    pub(super) params: KdfParams,
    pub(super) salt: [u8; SALT_BYTES],
    pub(super) nonce: [u8; NONCE_BYTES],
    /// Encrypted seed 32, tag 16.
    pub(super) ciphertext: [u8; 48],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u64,
    public_key: PublicKey,
    address: Address,
    kdf: Kdf,
    cipher: Cipher,
    checksum: Hash,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kdf {
    name: String,
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
    salt: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cipher {
    name: String,
    nonce: String,
    ciphertext: String,
}

impl Sealed {
    /// The associated data of the cipher.
    pub(super) fn header(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.text(DOMAIN).put(&self.public_key);
        out.u32(self.params.memory_kib()).u32(self.params.iterations()).u32(self.params.parallelism());
        out.raw(&self.salt).raw(&self.nonce);
        out.into_bytes()
    }

    fn checksum(&self) -> Hash {
        let mut preimage = self.header();
        preimage.extend_from_slice(&self.ciphertext);
        Sha256::digest(&preimage)
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        let file = File {
            format: FORMAT.into(),
            version: 1,
            public_key: self.public_key,
            address: Address::from_key(&self.public_key),
            kdf: Kdf {
                name: KDF.into(),
                memory_kib: self.params.memory_kib(),
                iterations: self.params.iterations(),
                parallelism: self.params.parallelism(),
                salt: hex::encode(self.salt),
            },
            cipher: Cipher {
                name: CIPHER.into(),
                nonce: hex::encode(self.nonce),
                ciphertext: hex::encode(self.ciphertext),
            },
            checksum: self.checksum(),
        };
        // Cannot fail: strings and integers only, written to memory.
        let mut text = serde_json::to_vec_pretty(&file).unwrap_or_default();
        text.push(b'\n');
        text
    }

    pub(super) fn from_json(bytes: &[u8]) -> Result<Self, KeystoreError> {
        if bytes.len() > MAX_KEYSTORE_BYTES {
            return Err(KeystoreError::Format(format!("longer than {MAX_KEYSTORE_BYTES} bytes")));
        }
        let file: File = serde_json::from_slice(bytes).map_err(|e| KeystoreError::Format(e.to_string()))?;
        supported("format", &file.format, FORMAT)?;
        supported("version", &file.version.to_string(), "1")?;
        supported("kdf.name", &file.kdf.name, KDF)?;
        supported("cipher.name", &file.cipher.name, CIPHER)?;
        let sealed = Self {
            public_key: file.public_key,
            params: KdfParams::new(file.kdf.memory_kib, file.kdf.iterations, file.kdf.parallelism)?,
            salt: hex_field("kdf.salt", &file.kdf.salt)?,
            nonce: hex_field("cipher.nonce", &file.cipher.nonce)?,
            ciphertext: hex_field("cipher.ciphertext", &file.cipher.ciphertext)?,
        };
        if sealed.checksum() != file.checksum || Address::from_key(&file.public_key) != file.address {
            return Err(KeystoreError::Damaged);
        }
        Ok(sealed)
    }
}

fn supported(field: &'static str, found: &str, expected: &'static str) -> Result<(), KeystoreError> {
    if found == expected {
        Ok(())
    } else {
        Err(KeystoreError::Unsupported { field, found: found.to_owned(), expected })
    }
}

fn hex_field<const N: usize>(field: &str, text: &str) -> Result<[u8; N], KeystoreError> {
    parse_hex(text).map_err(|e| KeystoreError::Format(format!("\"{field}\": {e}")))
}
