//! What can be wrong with the parameters of an obfuscation.

/// Why parameters were not taken. They are secrets, so no value is quoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObfuscationError {
    // ---- the caller's input ----
    /// The text is too long.
    #[error("parameters of an obfuscation have {most} bytes at most")]
    TooLong {
        /// The limit in bytes.
        most: usize,
    },
    /// A line without `=`.
    #[error("line {line} is neither `Key = value` nor `[Interface]`, nor a comment behind `#`")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// A key that means nothing here.
    #[error(
        "line {line}: the key is none of Jc, Jmin, Jmax, S1 to S4, H1 to H4 and Secret, which are all that is spoken here"
    )]
    UnknownKey {
        /// Its number, from 1.
        line: usize,
    },
    /// A key for the second time.
    #[error("line {line}: {key} is given for the second time")]
    Twice {
        /// Its number, from 1.
        line: usize,
        /// The key.
        key: &'static str,
    },
    /// No number, or one out of bounds.
    #[error("line {line}: {key} is a whole number from 0 to {most}")]
    Number {
        /// Its number, from 1.
        line: usize,
        /// The key.
        key: &'static str,
        /// The largest.
        most: u16,
    },
    /// No header.
    #[error(
        "line {line}: {key} is a number from 5 to 4294967295, or two of them as in 1000-2000, the smaller one first"
    )]
    Header {
        /// Its number, from 1.
        line: usize,
        /// The key.
        key: &'static str,
    },
    /// The secret text is too short or too long.
    #[error("Secret has {least} to {most} bytes: make one with `head -c 32 /dev/urandom | base64`")]
    SecretLength {
        /// The least, in bytes.
        least: usize,
        /// The most, in bytes.
        most: usize,
    },
    /// The bounds of junk are the wrong way round.
    #[error("Jmin is larger than Jmax")]
    JunkSizes,
    /// Initiation and response would have one length.
    #[error("S1 + 56 is S2, so initiations and responses have one length, which AmneziaWG refuses: change one of them")]
    SameLength,
    /// A cookie reply would be longer than what it answers, and so of use to whoever forges senders.
    #[error("S3 makes cookie replies longer than the messages that they answer: S1 + 84 and S2 + 28 are its bounds")]
    LongCookie,
    /// Some types are changed, and this one is not.
    #[error("{name} is one of WireGuard's own types, 1 to 4: give H1, H2, H3 and H4 from 5 on, or none of them")]
    PlainHeader {
        /// The key.
        name: &'static str,
    },
    /// Two types could not be told apart.
    #[error("{one} and {other} have a value in common")]
    Overlap {
        /// A key.
        one: &'static str,
        /// Another one.
        other: &'static str,
    },
    /// Nothing would be changed.
    #[error(
        "these parameters change nothing: give Secret, or S1 to S4 and H1 to H4; tunnel.obfuscation = \"\" switches it off"
    )]
    Nothing,
}
