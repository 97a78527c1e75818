//! When an append is acknowledged.

use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

/// When an append is acknowledged. The safe one is the default.
///
/// Whatever the mode, the entry is stored, recovered and released like any other. What is acknowledged earlier than durable may be lost, and its
/// position is a hole then; nothing else in the partition is any less safe for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum AckMode {
    /// When W members have it on disk: it is never lost, as long as fewer than W disks are.
    #[default]
    Durable,
    /// When W members have it in memory. It cannot be lost as long as all of them live until their disks have it. If one crashes before, it is kept where the
    /// recovery hears of another one's copy, and lost where it does not; if all of them crash at once, it is lost.
    Replicated,
    /// When one member has it in memory. Lost if that one crashes before others have it, and also if another one takes the lead before: a sequencer that was
    /// replaced, and has not heard of it, still acknowledges what nobody else will ever have.
    Cached,
}

impl AckMode {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Replicated => "replicated",
            Self::Cached => "cached",
        }
    }
}

/// `0:u8` durable, `1:u8` replicated, `2:u8` cached.
impl Encode for AckMode {
    fn encode(&self, out: &mut Writer) {
        out.u8(match self {
            Self::Durable => 0,
            Self::Replicated => 1,
            Self::Cached => 2,
        });
    }
}

impl Decode for AckMode {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        match input.u8()? {
            0 => Ok(Self::Durable),
            1 => Ok(Self::Replicated),
            2 => Ok(Self::Cached),
            found => Err(CodecError::Tag { what: "mode of an acknowledgement", found: found.into() }),
        }
    }
}
