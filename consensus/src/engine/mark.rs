//! The mark: how far this validator may have signed.

use std::fmt;

use pyralog_crypto::{
    codec::{Decode, Encode, Reader, Writer},
    error::CodecError,
};

use crate::block::Step;

/// The highest height, round and step whose signature may have left this node. The driver stores it apart from the WAL, so that a WAL that
/// was cut or lost is noticed. Ordered as an honest validator signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignMark {
    /// Height.
    pub height: u64,
    /// Round.
    pub round: u32,
    /// Proposal, prevote or precommit.
    pub step: Step,
}

impl fmt::Display for SignMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self.step {
            Step::Propose => "proposal",
            Step::Prevote => "prevote",
            Step::Precommit => "precommit",
        };
        write!(f, "{step} at height {} round {}", self.height, self.round)
    }
}

/// Version byte 1, then the fields.
impl Encode for SignMark {
    fn encode(&self, w: &mut Writer) {
        w.u8(1).u64(self.height).u32(self.round).u8(self.step as u8);
    }
}

impl Decode for SignMark {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("sign mark", 1)?;
        let (height, round, step) = (r.u64()?, r.u32()?, r.u8()?);
        let step = Step::from_u8(step).ok_or(CodecError::Tag { what: "sign mark step", found: step.into() })?;
        Ok(Self { height, round, step })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_is_that_of_signing() {
        let mark = |height, round, step| SignMark { height, round, step };
        let ordered = [
            mark(1, 0, Step::Propose),
            mark(1, 0, Step::Prevote),
            mark(1, 0, Step::Precommit),
            mark(1, 1, Step::Propose),
            mark(2, 0, Step::Propose),
        ];
        assert!(ordered.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(ordered[1].to_string(), "prevote at height 1 round 0");
    }

    #[test]
    fn vector() {
        let mark = SignMark { height: 258, round: 3, step: Step::Precommit };
        assert_eq!(hex::encode(mark.to_bytes()), "0100000000000001020000000303");
        assert_eq!(SignMark::from_bytes(&mark.to_bytes()).unwrap(), mark);
    }

    proptest! {
        #[test]
        fn decoding_is_canonical(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(mark) = SignMark::from_bytes(&bytes) {
                prop_assert_eq!(mark.to_bytes(), bytes);
            }
        }
    }
}
