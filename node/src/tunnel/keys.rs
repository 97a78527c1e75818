//! The keys of the tunnels: a sealed seed, and the Rosenpass pair that follows from it.

use pyralog_crypto::SigningKey;
use pyralog_crypto::kem::{StaticKeyPair, StaticPublicKey};
use pyralog_crypto::keystore::{self, MAX_KEYSTORE_BYTES, NONCE_BYTES, SALT_BYTES};
use pyralog_p2p::{MAX_KEPT_PAIR_BYTES, TunnelKey, TunnelSeed};

use crate::config::{PostQuantum, TunnelConfig};
use crate::error::{Error, Result};
use crate::home::{Home, SECRET, read_bounded, write_atomic};
use crate::keys::random;

/// The public keys of a node's tunnels.
#[derive(Clone, Debug)]
pub struct OwnKeys {
    /// WireGuard's.
    pub wireguard: TunnelKey,
    /// Rosenpass', where post-quantum keys are required.
    pub rosenpass: Option<StaticPublicKey>,
}

impl OwnKeys {
    /// Opens the keys of a home, and makes them where there are none yet.
    ///
    /// # Errors
    /// They cannot be opened, or not be written.
    pub fn open(home: &Home, config: &TunnelConfig, passphrase: &[u8]) -> Result<Self> {
        let seed = seed(home, passphrase)?;
        let required = config.post_quantum == PostQuantum::Required;
        let rosenpass = if required { Some(pair(home, &seed)?.public) } else { None };
        Ok(Self { wireguard: seed.wireguard().public(), rosenpass })
    }
}

/// Opens the seed. A home that has none gets one, under the passphrase and at the cost of its other keys.
///
/// # Errors
/// It cannot be opened, or not be written.
pub(super) fn seed(home: &Home, passphrase: &[u8]) -> Result<TunnelSeed> {
    let path = home.tunnel_key();
    let failed = |e: pyralog_crypto::error::KeystoreError| Error::key(&path, e.to_string());
    if path.exists() {
        let bytes = read_bounded(&path, MAX_KEYSTORE_BYTES as u64)?;
        return Ok(TunnelSeed::new(keystore::open(&bytes, passphrase).map_err(failed)?.seed()));
    }
    let other = read_bounded(&home.peer_key(), MAX_KEYSTORE_BYTES as u64)?;
    let cost = keystore::inspect(&other).map_err(|e| Error::key(&home.peer_key(), e.to_string()))?.params;
    let key = SigningKey::from_seed(*zeroize::Zeroizing::new(random::<32>()?));
    let sealed =
        keystore::seal(&key, passphrase, cost, random::<SALT_BYTES>()?, random::<NONCE_BYTES>()?).map_err(failed)?;
    write_atomic(&path, &sealed, SECRET)?;
    tracing::info!(path = %path.display(), "made the key of this node's tunnels");
    Ok(TunnelSeed::new(key.seed()))
}

/// The Rosenpass pair of the seed: the one that is kept, else a new one, which is half a second of work.
///
/// # Errors
/// There is no memory for the thread that makes it.
pub(super) fn pair(home: &Home, seed: &TunnelSeed) -> Result<StaticKeyPair> {
    let path = home.rosenpass_pair();
    if path.exists() {
        match read_bounded(&path, MAX_KEPT_PAIR_BYTES as u64) {
            Ok(bytes) => match seed.kept(&bytes) {
                Some(pair) => return Ok(pair),
                None => {
                    tracing::info!(path = %path.display(), "the kept Rosenpass pair is of another key, or damaged: making it again")
                }
            },
            Err(error) => tracing::warn!(%error, "the kept Rosenpass pair cannot be read: making it again"),
        }
    }
    let pair = seed.rosenpass().map_err(|e| Error::Network(format!("the Rosenpass keys: {e}")))?;
    // It is made again from the seed where it is lost.
    if let Err(error) = write_atomic(&path, &seed.keep(&pair), SECRET) {
        tracing::warn!(%error, "the Rosenpass pair is not kept, and made again at the next start");
    }
    Ok(pair)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use pyralog_crypto::KdfParams;

    use super::*;
    use crate::keys::NodeKeys;

    #[test]
    fn a_home_keeps_its_key_and_its_pair_and_makes_the_pair_again_where_it_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        home.create().unwrap();
        NodeKeys::generate().unwrap().save(&home, b"right", KdfParams::CHEAPEST).unwrap();
        let first = seed(&home, b"right").unwrap();
        let mode = std::fs::metadata(home.tunnel_key()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let wrong = seed(&home, b"wrong").unwrap_err().to_string();
        assert!(wrong.contains("tunnel.key") && wrong.contains("passphrase"), "{wrong}");
        let again = seed(&home, b"right").unwrap();
        assert_eq!(first.wireguard().public(), again.wireguard().public());
        let made = pair(&home, &first).unwrap();
        let own = OwnKeys::open(&home, &TunnelConfig::default(), b"right").unwrap();
        assert_eq!((own.wireguard, own.rosenpass), (first.wireguard().public(), Some(made.public.clone())));
        let mode = std::fs::metadata(home.rosenpass_pair()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let kept = std::fs::read(home.rosenpass_pair()).unwrap();
        for damage in [b"".to_vec(), kept[..1_000].to_vec(), vec![7; kept.len() + 1]] {
            std::fs::write(home.rosenpass_pair(), damage).unwrap();
            assert_eq!(pair(&home, &again).unwrap().public.as_bytes(), made.public.as_bytes());
            assert_eq!(std::fs::read(home.rosenpass_pair()).unwrap(), kept);
        }
    }
}
