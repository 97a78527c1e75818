use super::*;

#[test]
fn waits_double_up_to_the_longest_and_differ_by_direction() {
    let (min, max) = (Duration::from_millis(50), Duration::from_secs(2));
    let (a, b) = (PeerId::random(), PeerId::random());
    for failures in 1..80 {
        let wait = backoff(min, max, failures, &a, &b);
        let base = min.saturating_mul(1u32.checked_shl(failures - 1).unwrap_or(u32::MAX)).min(max);
        assert!(wait >= base && wait <= base + base / 4, "{failures}: {wait:?}");
    }
    assert!((1..40).any(|failures| backoff(min, max, failures, &a, &b) != backoff(min, max, failures, &b, &a)));
}
