//! Time and randomness of the machines that take both as arguments.

use std::time::Duration;

use getrandom::SysRng;
use rand_core::UnwrapErr;
use rustix::time::{ClockId, clock_gettime};

/// Time since the machine was booted, sleep included: what is too old after a sleep is known to be.
pub(super) fn uptime() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// The system's randomness. It does not fail once the system has started; a system without it can keep no secret, so the process ends there.
pub(in crate::tunnel) fn os_rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}
