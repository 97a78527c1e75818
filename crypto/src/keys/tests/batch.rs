use proptest::prelude::*;

use super::reference;
use crate::keys::{PublicKey, Signature, SigningKey, verify_batch};

type Item = (PublicKey, Vec<u8>, Signature);

fn verdicts(items: &[Item]) -> Vec<bool> {
    let borrowed: Vec<_> = items.iter().map(|(key, message, signature)| (*key, &message[..], *signature)).collect();
    verify_batch(&borrowed)
}

/// A signature by one of few keys, so that keys repeat within a batch.
fn item(key: u8, message: u64) -> Item {
    let key = SigningKey::from_seed([key; 32]);
    let message = message.to_le_bytes().to_vec();
    let signature = key.sign(&message);
    (key.public_key(), message, signature)
}

#[test]
fn nothing_to_verify() {
    assert!(verify_batch(&[]).is_empty());
}

#[test]
fn batches_longer_than_one_sum() {
    let mut items: Vec<Item> = (0..600).map(|i| item(i as u8 % 7, i)).collect();
    assert_eq!(verdicts(&items), vec![true; 600]);
    for bad in [0, 255, 256, 599] {
        items[bad].1.push(0);
    }
    let expected: Vec<bool> = (0..600).map(|i| ![0, 255, 256, 599].contains(&i)).collect();
    assert_eq!(verdicts(&items), expected);
}

#[test]
fn errors_that_cancel_in_a_plain_sum_are_caught() {
    // Without coefficients, s1 + 1 and s2 - 1 would cancel out.
    let (mut a, mut b) = (item(1, 1), item(1, 2));
    assert!(a.2.0[32] != 0xff && b.2.0[32] != 0, "no carry into the next byte");
    a.2.0[32] += 1;
    b.2.0[32] -= 1;
    assert_eq!(verdicts(&[a, b]), [false, false]);
}

#[test]
fn swapped_signatures_are_both_wrong() {
    let (mut a, mut b) = (item(1, 1), item(2, 1));
    std::mem::swap(&mut a.2, &mut b.2);
    assert_eq!(verdicts(&[a, b, item(3, 1)]), [false, false, true]);
}

#[test]
fn the_same_item_many_times() {
    assert_eq!(verdicts(&vec![item(4, 4); 20]), vec![true; 20]);
}

proptest! {
    #[test]
    fn a_batch_answers_what_single_verification_answers(
        specs in prop::collection::vec((0..5u8, any::<u64>(), 0..6u8, any::<prop::sample::Index>()), 0..24),
    ) {
        let items: Vec<Item> = specs
            .iter()
            .map(|(key, message, damage, at)| {
                let mut item = item(*key, *message);
                match damage {
                    0 => item.0.0[at.index(32)] ^= 1,
                    1 => item.1.push(7),
                    2 => item.2.0[at.index(64)] ^= 1 << at.index(8),
                    _ => {}
                }
                item
            })
            .collect();
        let single: Vec<bool> = items.iter().map(|(k, m, s)| k.verify(m, s).is_ok()).collect();
        let independent: Vec<bool> = items.iter().map(|(k, m, s)| reference(k, m, s)).collect();
        prop_assert_eq!(&verdicts(&items), &single);
        prop_assert_eq!(&single, &independent);
    }
}
