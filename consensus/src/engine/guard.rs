//! Decides whether this node may sign.

use pyralog_crypto::PublicKey;

use super::{SignMark, SignerState};
use crate::block::ValidatorAddress;

/// The signing rule besides the core's own: never at or below the highest signature made, never at a height that may have been signed before a
/// loss, never while another process seems to sign with the same key.
#[derive(Clone, Debug)]
pub(super) struct SignGuard {
    key: Option<PublicKey>,
    address: ValidatorAddress,
    top: Option<SignMark>,
    abstain_through: u64,
    /// The height at which the WAL's end was torn.
    torn: Option<u64>,
    suspended: Option<SignMark>,
    pub(super) observing: bool,
}

impl SignGuard {
    /// `top`: the highest signature in the WAL or under the mark. `torn`: the height whose entries lost their torn end.
    pub(super) fn new(key: Option<PublicKey>, top: Option<SignMark>, abstain_through: u64, torn: Option<u64>) -> Self {
        let address = key.as_ref().map(ValidatorAddress::of).unwrap_or_default();
        Self { key, address, top, abstain_through, torn, suspended: None, observing: false }
    }

    /// Our address; zero without a key.
    pub(super) fn address(&self) -> ValidatorAddress {
        self.address
    }

    /// Our key, if `address` is ours.
    pub(super) fn own_key(&self, address: &ValidatorAddress) -> Option<PublicKey> {
        self.key.filter(|_| *address == self.address)
    }

    pub(super) fn top(&self) -> Option<SignMark> {
        self.top
    }

    pub(super) fn may_sign(&self, height: u64) -> bool {
        self.key.is_some() && self.suspended.is_none() && !self.observing && !self.abstains(height)
    }

    fn abstains(&self, height: u64) -> bool {
        height <= self.abstain_through || self.is_torn(height)
    }

    /// Whether the WAL lost its torn end at `height`, and the others have had no time yet to decide that height alone.
    pub(super) fn is_torn(&self, height: u64) -> bool {
        self.torn == Some(height)
    }

    /// The others do not decide the height alone: what is left of the WAL and the mark say what may be signed.
    pub(super) fn end_torn(&mut self) {
        self.torn = None;
    }

    /// Whether a signature at `mark` may be made; remembers that it is.
    pub(super) fn permit(&mut self, mark: SignMark) -> bool {
        let allowed = self.may_sign(mark.height) && Some(mark) > self.top;
        if allowed {
            self.top = Some(mark);
        }
        allowed
    }

    /// A valid signature of ours was seen. `released`: the highest that has left this node. `true` if it suspends the signer now.
    pub(super) fn saw_own(&mut self, seen: SignMark, released: Option<SignMark>) -> bool {
        if self.key.is_none() || Some(seen) <= released {
            return false;
        }
        let news = self.suspended.is_none();
        self.suspended = self.suspended.max(Some(seen));
        news
    }

    /// Two different signatures of ours for one height, round and step were seen.
    pub(super) fn saw_conflict(&mut self, at: SignMark) -> bool {
        self.saw_own(at, None)
    }

    /// The operator's word. Gives the signature that was seen; no height up to its own is signed.
    pub(super) fn resume(&mut self) -> Option<SignMark> {
        let seen = self.suspended.take()?;
        self.abstain_through = self.abstain_through.max(seen.height);
        self.top = self.top.max(Some(seen));
        Some(seen)
    }

    /// The state at `height`.
    pub(super) fn state(&self, height: u64) -> SignerState {
        match (self.key, self.suspended) {
            (None, _) => SignerState::NoKey,
            (_, Some(seen)) => SignerState::Suspended { seen },
            _ if self.abstains(height) => SignerState::Abstaining { through: self.abstain_through.max(height) },
            _ if self.observing => SignerState::Observing,
            _ => SignerState::Active,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Step;
    use crate::block::testing::public;

    fn mark(height: u64, round: u32, step: Step) -> SignMark {
        SignMark { height, round, step }
    }

    #[test]
    fn signatures_only_go_up() {
        let mut guard = SignGuard::new(Some(public(1)), Some(mark(5, 1, Step::Prevote)), 0, None);
        assert!(!guard.permit(mark(5, 0, Step::Precommit)), "below");
        assert!(!guard.permit(mark(5, 1, Step::Prevote)), "again");
        assert!(guard.permit(mark(5, 1, Step::Precommit)));
        assert!(!guard.permit(mark(5, 1, Step::Precommit)));
        assert!(guard.permit(mark(6, 0, Step::Propose)));
        assert_eq!(guard.top(), Some(mark(6, 0, Step::Propose)));
    }

    #[test]
    fn nothing_is_signed_without_a_key_while_observing_or_abstaining() {
        let mut none = SignGuard::new(None, None, 0, None);
        assert!(!none.permit(mark(1, 0, Step::Prevote)));
        assert_eq!(none.state(1), SignerState::NoKey);
        let mut guard = SignGuard::new(Some(public(1)), None, 7, None);
        assert!(!guard.permit(mark(7, 9, Step::Prevote)));
        assert_eq!(guard.state(7), SignerState::Abstaining { through: 7 });
        guard.observing = true;
        assert!(!guard.permit(mark(8, 0, Step::Prevote)));
        assert_eq!(guard.state(8), SignerState::Observing);
        guard.observing = false;
        assert!(guard.permit(mark(8, 0, Step::Prevote)));
        assert_eq!(guard.state(8), SignerState::Active);
    }

    #[test]
    fn a_torn_height_is_left_to_the_others_until_they_had_their_time() {
        let top = Some(mark(7, 1, Step::Prevote));
        let mut guard = SignGuard::new(Some(public(1)), top, 0, Some(7));
        assert_eq!(guard.state(7), SignerState::Abstaining { through: 7 });
        assert!(!guard.permit(mark(7, 2, Step::Prevote)));
        assert!(guard.is_torn(7) && !guard.is_torn(8) && guard.may_sign(8), "that height only");
        guard.end_torn();
        assert_eq!(guard.state(7), SignerState::Active);
        assert!(!guard.permit(mark(7, 1, Step::Prevote)), "never what may have been signed");
        assert!(guard.permit(mark(7, 1, Step::Precommit)));
        let mut lost = SignGuard::new(Some(public(1)), top, 7, Some(7));
        lost.end_torn();
        assert_eq!(lost.state(7), SignerState::Abstaining { through: 7 }, "what left and is lost stays lost");
    }

    #[test]
    fn a_foreign_signature_suspends_until_the_operator_resumes() {
        let mut guard = SignGuard::new(Some(public(1)), Some(mark(5, 0, Step::Prevote)), 0, None);
        let released = Some(mark(5, 0, Step::Prevote));
        assert!(!guard.saw_own(mark(5, 0, Step::Prevote), released), "that is ours");
        assert!(guard.saw_own(mark(9, 2, Step::Prevote), released));
        assert!(!guard.saw_own(mark(9, 3, Step::Prevote), released), "no news");
        assert!(!guard.permit(mark(10, 0, Step::Prevote)));
        assert_eq!(guard.state(10), SignerState::Suspended { seen: mark(9, 3, Step::Prevote) });
        assert_eq!(guard.resume(), Some(mark(9, 3, Step::Prevote)));
        assert_eq!(guard.resume(), None);
        assert!(!guard.permit(mark(9, 4, Step::Prevote)), "the whole height is given up");
        assert!(guard.permit(mark(10, 0, Step::Prevote)));
        assert!(guard.saw_conflict(mark(3, 0, Step::Prevote)), "a conflict below the mark counts too");
    }
}
