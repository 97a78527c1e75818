//! What can be said without keys; the tests of `pyralog_crypto::kem` compare with the pure Rust implementation.

use super::*;

#[test]
fn the_syndrome_is_linear_and_begins_with_the_identity() {
    let Some(avx2) = Avx2::detect() else { return };
    let key: Box<[u8; PUBLIC_KEY_BYTES]> = (0..PUBLIC_KEY_BYTES)
        .map(|i| (i * 7 + i / 420) as u8)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap_or_else(|_| unreachable!());
    let unit = |bit: usize| {
        let mut error = [0; ERROR_BYTES];
        error[bit / 8] = 1 << (bit % 8);
        error
    };
    assert_eq!(avx2.encode(&key, &[0; ERROR_BYTES]), [0; SYNDROME_BYTES]);
    for bit in [0, 1, 7, 8, 700, 1247] {
        assert_eq!(avx2.encode(&key, &unit(bit))[..], unit(bit)[..SYNDROME_BYTES], "bit {bit}");
    }
    // Column c of T is bit 1248 + c: row r has it at bit c of its 420 bytes.
    for column in [0, 5, 3359] {
        let found = avx2.encode(&key, &unit(1248 + column));
        for row in [0, 1, 600, 1247] {
            let expected = key[420 * row + column / 8] >> (column % 8) & 1;
            assert_eq!(found[row / 8] >> (row % 8) & 1, expected, "row {row}, column {column}");
        }
    }
    let sum = |a: [u8; ERROR_BYTES], b: [u8; ERROR_BYTES]| std::array::from_fn(|i| a[i] ^ b[i]);
    let both = avx2.encode(&key, &sum(unit(3), unit(4000)));
    let (one, other) = (avx2.encode(&key, &unit(3)), avx2.encode(&key, &unit(4000)));
    assert_eq!(both, std::array::from_fn(|i| one[i] ^ other[i]));
}
