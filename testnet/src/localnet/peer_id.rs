//! libp2p peer ids of Ed25519 keys, so that nodes can be told each other's addresses before any of them has started.

use pyralog_crypto::PublicKey;

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// The peer id of `key` in base58btc: the identity multihash (code 0, length 36) of the protobuf
/// `PublicKey { Type: Ed25519 (1), Data: 32 bytes }`, as the libp2p specification "Peer Ids and Keys" says.
pub fn of(key: &PublicKey) -> String {
    let mut bytes = vec![0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
    bytes.extend(key.0);
    base58(&bytes)
}

/// Base58 with Bitcoin's alphabet: big-endian, each leading zero byte a leading `1`.
fn base58(bytes: &[u8]) -> String {
    let mut digits: Vec<u32> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += *digit << 8;
            *digit = carry % 58;
            carry /= 58;
        }
        while carry > 0 {
            digits.push(carry % 58);
            carry /= 58;
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let letter = |digit: &u32| char::from(ALPHABET[*digit as usize]);
    "1".repeat(zeros) + &digits.iter().rev().map(letter).collect::<String>()
}

#[cfg(test)]
mod tests {
    use pyralog_crypto::SigningKey;

    use super::*;

    #[test]
    fn base58_gives_the_vectors_of_its_draft() {
        // draft-msporny-base58-03, section 5.
        assert_eq!(base58(b"Hello World!"), "2NEpo7TZRRrLZSi2U");
        assert_eq!(
            base58(b"The quick brown fox jumps over the lazy dog."),
            "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z"
        );
        assert_eq!(base58(&[0x00, 0x00, 0x28, 0x7f, 0xb4, 0xcd]), "11233QC4");
        assert_eq!(base58(&[]), "");
    }

    #[test]
    fn ed25519_peer_ids_have_their_well_known_beginning() {
        for seed in 0..20 {
            let id = of(&SigningKey::from_seed([seed; 32]).public_key());
            assert!(id.starts_with("12D3KooW") && id.len() == 52, "{id}");
        }
    }
}
