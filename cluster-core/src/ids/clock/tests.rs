//! The machine's clock is read in the right unit.

use super::*;
use crate::ids::SCARAB_EPOCH_MS;

#[test]
fn it_is_after_2025_and_before_2094_and_agrees_with_the_fine_clock() {
    let fine = || u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    // The coarse clock lags by at most a tick.
    let (before, coarse, after) = (fine() - 10, CoarseClock.unix_ms(), fine());
    assert!(before <= coarse && coarse <= after, "{before} {coarse} {after}");
    assert!(coarse > SCARAB_EPOCH_MS && coarse < SCARAB_EPOCH_MS + (1 << 41));
}

#[test]
fn the_steady_clock_does_not_go_back() {
    let first = CoarseClock.steady_ms();
    assert!(CoarseClock.steady_ms() >= first);
}
