//! The rules whose removal must be noticed: planted bugs, for tests only.

/// One way to break one rule. In tests a rule is broken by a switch of the thread; in every other build the check is a constant.
///
/// The number in each comment is that of the rule in the documentation of [`crate::tunnel::rosenpass`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// 1: macs are not looked at.
    MacUnchecked,
    /// 2: a biscuit makes a key however low its number is.
    NumberUnchecked,
    /// 2: a biscuit that comes again makes a key again.
    RepetitionRekeys,
    /// 3: a biscuit key is never dropped.
    BiscuitKeyKept,
    /// 4: a biscuit's age is not looked at.
    BiscuitAgeIgnored,
    /// 5: a key that is too old gives way to one of zeros.
    ZeroKeyOnExpiry,
    /// 5: a key is never too old.
    ExpirySkipped,
    /// 6: each side takes the key of the other's handshake when two cross.
    ContestIgnored,
    /// 7: biscuits stay good when a handshake of ours is acknowledged.
    BiscuitsStayGood,
    /// 8: an InitConf that nobody acknowledges is repeated, and nothing else.
    ConfirmationAwaited,
    /// 9: a cookie is not looked at.
    CookieUnchecked,
    /// Of the protocol: the tag of an InitHello is not looked at, and so not the pre-shared key.
    AuthUnchecked,
}

#[cfg(test)]
impl Rule {
    /// Every way there is.
    pub(super) const ALL: [Self; 12] = [
        Self::MacUnchecked,
        Self::NumberUnchecked,
        Self::RepetitionRekeys,
        Self::BiscuitKeyKept,
        Self::BiscuitAgeIgnored,
        Self::ZeroKeyOnExpiry,
        Self::ExpirySkipped,
        Self::ContestIgnored,
        Self::BiscuitsStayGood,
        Self::ConfirmationAwaited,
        Self::CookieUnchecked,
        Self::AuthUnchecked,
    ];
}

/// Whether the rule is broken in this thread.
#[cfg(test)]
pub(super) fn broken(rule: Rule) -> bool {
    switches::BROKEN.get() == Some(rule)
}

/// No rule is ever broken outside of tests.
#[cfg(not(test))]
pub(super) const fn broken(_: Rule) -> bool {
    false
}

/// The switch, one per thread, since tests run side by side.
#[cfg(test)]
pub(super) mod switches {
    use std::cell::Cell;

    use super::Rule;

    thread_local! {
        pub(in crate::tunnel::rosenpass) static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
    }
}
