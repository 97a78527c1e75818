//! What follows from the secret of a network, for every node in the same way.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use super::{Header, Shared};

/// Context of the keystream from which the parameters are drawn.
const PARAMETERS: &str = "pyralog 2026 tunnel obfuscation parameters v1";
/// Context of the key of Rosenpass and the bootstrap.
const SIDE: &str = "pyralog 2026 tunnel obfuscation side key v1";

/// Paddings and headers of a secret: numbers `u32`, little-endian, of the keystream of ChaCha20 under BLAKE3's `derive_key(PARAMETERS, secret)`, in
/// this order. S1 and S2 are 32 to 159, S3 16 to 47, S4 8 to 31, each the lowest plus the number modulo how many there are, S2 one more where initiation
/// and response would have one length. The four headers are the next numbers that are above 4 and none of the ones before.
pub(super) fn shared(secret: &[u8]) -> Shared {
    let mut numbers = ChaCha20Rng::from_seed(*Zeroizing::new(blake3::derive_key(PARAMETERS, secret)));
    let mut shared = Shared::default();
    for (padding, (least, spread)) in shared.paddings.iter_mut().zip([(32, 128), (32, 128), (16, 32), (8, 24)]) {
        // Below 128.
        *padding = least + (numbers.next_u32() % spread) as u16;
    }
    if shared.paddings[0] + 56 == shared.paddings[1] {
        shared.paddings[1] += 1;
    }
    for kind in 0..shared.headers.len() {
        // Ends: of 2^32 numbers eight at most are refused.
        shared.headers[kind] = loop {
            let header = Header::one(numbers.next_u32());
            if header.first > 4 && !shared.headers[..kind].contains(&header) {
                break header;
            }
        };
    }
    shared
}

/// The key of Rosenpass and the bootstrap: BLAKE3's `derive_key(SIDE, …)` of the secret's length `u16` and the secret, empty where there is none, S1 to S4
/// as `u16`, first and last value of H1 to H4 as `u32`, all big-endian.
pub(super) fn side_key(secret: &[u8], shared: &Shared) -> Zeroizing<[u8; 32]> {
    let mut input = Zeroizing::new(Vec::with_capacity(2 + secret.len() + 8 + 32));
    // At most 256 bytes.
    input.extend_from_slice(&(secret.len() as u16).to_be_bytes());
    input.extend_from_slice(secret);
    shared.paddings.iter().for_each(|padding| input.extend_from_slice(&padding.to_be_bytes()));
    for header in &shared.headers {
        input.extend_from_slice(&header.first.to_be_bytes());
        input.extend_from_slice(&header.last.to_be_bytes());
    }
    Zeroizing::new(blake3::derive_key(SIDE, &input))
}
