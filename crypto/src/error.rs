//! Every error of this crate, grouped by who is to blame.

use thiserror::Error;

/// Text that should have named a fixed-width value (hash, key, address, chain id …) does not. Blame: whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Not exactly `2 * bytes` lower-case hexadecimal digits.
    #[error("expected {expected} lower-case hexadecimal digits, found {found}")]
    Hex {
        /// Digits the type needs.
        expected: usize,
        /// What stood there instead, in words.
        found: String,
    },
    /// Not a bech32m string with the right prefix, checksum and payload length.
    #[error("not a Pyralog address (\"pyra1…\", lower case, 63 characters): {0}")]
    Address(String),
    /// A chain id outside 1..=50 characters of `[a-zA-Z0-9._-]`.
    #[error("chain id must be 1 to 50 characters of a-z A-Z 0-9 . _ -")]
    ChainId,
    /// A log name outside 1..=64 characters of `[a-zA-Z0-9._-]`.
    #[error("log name must be 1 to 64 characters of a-z A-Z 0-9 . _ -")]
    LogName,
}

/// Bytes are not the canonical encoding of the expected object. Blame: the peer or file they came from.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The input ended inside a value.
    #[error("input ends early: {needed} more bytes needed, {left} left")]
    UnexpectedEnd {
        /// Bytes the next value needs.
        needed: usize,
        /// Bytes left.
        left: usize,
    },
    /// Bytes were left over behind the object.
    #[error("{0} bytes left over behind the object")]
    TrailingBytes(usize),
    /// A length prefix above the bound of its field.
    #[error("{what}: length {found} exceeds the bound of {max}")]
    TooLong {
        /// The field.
        what: &'static str,
        /// The bound.
        max: usize,
        /// The prefix found.
        found: usize,
    },
    /// A version byte this release does not know.
    #[error("{what}: version {found} is not supported (expected {expected})")]
    Version {
        /// The object.
        what: &'static str,
        /// The version this release writes.
        expected: u8,
        /// The version found.
        found: u8,
    },
    /// A tag, flag or enumeration byte without a meaning.
    #[error("{what}: unknown tag {found}")]
    Tag {
        /// The field.
        what: &'static str,
        /// The byte found.
        found: u64,
    },
    /// A value that decodes but breaks a rule of its type (order, uniqueness, range, UTF-8).
    #[error("{what}: {why}")]
    Invalid {
        /// The field.
        what: &'static str,
        /// The broken rule.
        why: &'static str,
    },
}

/// A Merkle proof or tree is wrong. Blame: whoever supplied the proof.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MerkleError {
    /// A leaf index at or beyond the tree size.
    #[error("leaf index {index} is outside a tree of {size} leaves")]
    IndexOutOfRange {
        /// Leaf index.
        index: u64,
        /// Tree size.
        size: u64,
    },
    /// A tree size above [`crate::merkle::MAX_TREE_SIZE`].
    #[error("tree size {0} exceeds the largest supported size, 2^63")]
    SizeTooLarge(u64),
    /// The older size of a consistency proof is above the newer one.
    #[error("a log of {old} leaves cannot have shrunk to {new}")]
    Shrunk {
        /// Older size.
        old: u64,
        /// Newer size.
        new: u64,
    },
    /// The path has not exactly the length that index and size prescribe.
    #[error("proof path has {found} hashes where {expected} are prescribed")]
    PathLength {
        /// Prescribed length.
        expected: usize,
        /// Length found.
        found: usize,
    },
    /// The path leads to another root.
    #[error("the path leads to root {computed}, not to {expected}")]
    RootMismatch {
        /// The trusted root.
        expected: crate::Hash,
        /// The root the path leads to.
        computed: crate::Hash,
    },
    /// The path contradicts the older root of a consistency proof.
    #[error("the path leads to old root {computed}, not to {expected}")]
    OldRootMismatch {
        /// The trusted older root.
        expected: crate::Hash,
        /// The older root the path leads to.
        computed: crate::Hash,
    },
    /// A frontier's peak count differs from the number of set bits of its size.
    #[error("a frontier of {size} leaves has {expected} peaks, not {found}")]
    PeakCount {
        /// Tree size.
        size: u64,
        /// Prescribed count.
        expected: usize,
        /// Count found.
        found: usize,
    },
    /// A node that is not complete in this tree was asked for.
    #[error("the tree has no complete node {index} at level {level}")]
    MissingNode {
        /// Level, 0 = leaves.
        level: u8,
        /// Index within the level.
        index: u64,
    },
}

/// A proof could not be made. Blame: the caller's arguments, or the source of the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProveError<E> {
    /// The arguments are outside the tree.
    #[error(transparent)]
    Arguments(MerkleError),
    /// The node source failed.
    #[error("reading a tree node failed: {0}")]
    Source(E),
}

/// A signature does not verify under ZIP-215 rules. Blame: whoever supplied it. Carries no detail on purpose: there is
/// nothing to do about one kind of bad signature that is not to be done about the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("signature does not verify under the given key")]
pub struct SignatureError;

/// A signer did not sign. Blame: the signer (a file, later an HSM or another process), never the message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The signer cannot be reached now; asking again later may succeed.
    #[error("signer is unavailable: {0}")]
    Unavailable(String),
    /// The signer refuses this message, for good.
    #[error("signer refused: {0}")]
    Refused(String),
}

/// A keystore could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// Not a keystore file: wrong JSON, unknown or duplicate keys, bad hex.
    #[error("not a Pyralog keystore file: {0}")]
    Format(String),
    /// A version or algorithm of a later release.
    #[error("keystore field \"{field}\" is \"{found}\", this release reads \"{expected}\" only")]
    Unsupported {
        /// The JSON field.
        field: &'static str,
        /// The value found.
        found: String,
        /// The value this release reads.
        expected: &'static str,
    },
    /// Key-derivation costs outside the bounds: too cheap to be argon2id, or dear enough to exhaust the machine.
    #[error("keystore key-derivation field \"{field}\" is {found}, allowed are {min} to {max}")]
    KdfBounds {
        /// The field.
        field: &'static str,
        /// The value found.
        found: u64,
        /// Lowest allowed value.
        min: u64,
        /// Highest allowed value.
        max: u64,
    },
    /// The file's checksum does not match: a changed or torn file. Restore it from a backup.
    #[error("keystore file is damaged (checksum mismatch): restore it from a backup")]
    Damaged,
    /// The checksum matches and decryption fails: the passphrase is another one.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// Decryption succeeded, yet the seed belongs to another public key than the file claims: somebody edited the file.
    #[error("keystore holds the secret of another public key than the one it names")]
    KeyMismatch,
    /// Memory for the key derivation could not be had.
    #[error("not enough memory for the key derivation ({0} KiB)")]
    OutOfMemory(u32),
}

/// Metadata or a batch breaks a bound. Blame: the caller's input.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotaryError {
    /// More than the allowed number of pairs.
    #[error("metadata has {found} pairs, at most {max} are allowed")]
    TooManyPairs {
        /// Bound.
        max: usize,
        /// Found.
        found: usize,
    },
    /// The same key twice.
    #[error("metadata key \"{0}\" is given twice")]
    DuplicateKey(String),
    /// An empty key.
    #[error("metadata keys must not be empty")]
    EmptyKey,
    /// A key above its bound.
    #[error("metadata key \"{key}\" has {found} bytes, at most {max} are allowed")]
    KeyTooLong {
        /// The key.
        key: String,
        /// Bound.
        max: usize,
        /// Found.
        found: usize,
    },
    /// A value above its bound.
    #[error("value of metadata key \"{key}\" has {found} bytes, at most {max} are allowed")]
    ValueTooLong {
        /// The key.
        key: String,
        /// Bound.
        max: usize,
        /// Found.
        found: usize,
    },
    /// All pairs together above their bound.
    #[error("metadata has {found} bytes in total, at most {max} are allowed")]
    TooLarge {
        /// Bound.
        max: usize,
        /// Found.
        found: usize,
    },
}

/// A record breaks a bound. Blame: the caller's input.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A timestamp above its bound.
    #[error("a record's timestamp is {found} ms since 1970, at most {max} is allowed")]
    Timestamp {
        /// Bound.
        max: u64,
        /// Found.
        found: u64,
    },
    /// More than the allowed number of headers.
    #[error("a record has {found} headers, at most {max} are allowed")]
    TooManyHeaders {
        /// Bound.
        max: usize,
        /// Found.
        found: usize,
    },
    /// A header's name that is empty or above its bound.
    #[error("the name of a record's header has {found} bytes, 1 to {max} are allowed")]
    HeaderName {
        /// Bound.
        max: usize,
        /// Found.
        found: usize,
    },
    /// All parts together above their bound.
    #[error(
        "a record has {found} bytes, at most {max} are allowed: split its value, or store it elsewhere and record its digest"
    )]
    TooLarge {
        /// Bound.
        max: usize,
        /// Found.
        found: usize,
    },
}

/// A checkpoint of a partition, or a proof against one, is wrong. Blame: whoever supplied it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PartitionError {
    /// A checkpoint that no partition can have.
    #[error("partition checkpoint: {0}")]
    Checkpoint(&'static str),
    /// A field of a proof contradicts the checkpoint or another field.
    #[error("proof field \"{field}\": {why}")]
    Field {
        /// The field.
        field: &'static str,
        /// The contradiction.
        why: &'static str,
    },
    /// A path of a proof does not verify.
    #[error("proof field \"{field}\": {error}")]
    Path {
        /// The field.
        field: &'static str,
        /// Why not.
        error: MerkleError,
    },
    /// The two checkpoints name different partitions.
    #[error("the checkpoints are not of the same partition")]
    OtherPartition,
    /// The newer checkpoint has fewer records.
    #[error("a partition of {old} records cannot have shrunk to {new}")]
    Shrunk {
        /// Older size.
        old: u64,
        /// Newer size.
        new: u64,
    },
    /// Two checkpoints of one size say different things: the partition was forked.
    #[error("the checkpoints differ at the same size of {0} records: the partition was forked")]
    Fork(u64),
}

/// A key of a key encapsulation cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KemError {
    /// Bytes of another length than the key has. Blame: the peer or file they came from.
    #[error("a {what} has {expected} bytes, not {found}")]
    Length {
        /// The key.
        what: &'static str,
        /// Its length.
        expected: usize,
        /// The length found.
        found: usize,
    },
    /// The thread that makes keys could not run. Blame: the machine.
    #[error("no thread with {bytes} bytes of stack for making a key: {why}")]
    Thread {
        /// Stack that was asked for.
        bytes: usize,
        /// The system's answer.
        why: String,
    },
}
