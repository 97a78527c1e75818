//! Planted bugs, for tests only: each must be caught by one.

/// Whether an append is acknowledged without its sync.
pub(super) fn sync_skipped() -> bool {
    #[cfg(test)]
    return switches::SYNC_SKIPPED.get();
    #[cfg(not(test))]
    false
}

/// Whether generation and salt are left out of what is checked.
pub(super) fn identity_unchecked() -> bool {
    #[cfg(test)]
    return switches::IDENTITY_UNCHECKED.get();
    #[cfg(not(test))]
    false
}

/// The switches, one set per thread, since tests run side by side.
#[cfg(test)]
pub(super) mod switches {
    use std::cell::Cell;

    thread_local! {
        pub(in crate::journal) static SYNC_SKIPPED: Cell<bool> = const { Cell::new(false) };
        pub(in crate::journal) static IDENTITY_UNCHECKED: Cell<bool> = const { Cell::new(false) };
    }
}
