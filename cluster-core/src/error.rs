//! Errors of this crate, grouped by blame.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pyralog_crypto::LogId;
use thiserror::Error;

use crate::NodeNumber;

/// Everything that can go wrong in the store. It is cheap to clone, since one failed write fails every ticket behind it.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Error {
    // -- The operator can mend it: the home.
    /// Another process has the home open.
    #[error("{} is in use by process {pid}; stop it first, or give this one another --home", dir.display())]
    InUse {
        /// The data directory.
        dir: PathBuf,
        /// What the lock file says about its owner.
        pid: String,
    },
    /// The home was written in an older format.
    #[error(
        "{} was written in data format {found}, this build reads only format {expected}: start with an empty --home and catch up \
         from the network, or run the release that wrote it", dir.display()
    )]
    OlderFormat {
        /// The data directory.
        dir: PathBuf,
        /// Format of the home.
        found: u32,
        /// Format of this build.
        expected: u32,
    },
    /// The home was written in a newer format.
    #[error(
        "{} was written in data format {found} by a newer release, this build reads only format {expected}: upgrade pyralogd",
        dir.display()
    )]
    NewerFormat {
        /// The data directory.
        dir: PathBuf,
        /// Format of the home.
        found: u32,
        /// Format of this build.
        expected: u32,
    },
    /// The directory holds data but no readable format file.
    #[error("{} is not a Pyralog data directory: {why}; choose another --home, or restore the file FORMAT", dir.display())]
    NotAHome {
        /// The data directory.
        dir: PathBuf,
        /// What is missing or wrong.
        why: String,
    },
    /// A home that was used has no signer mark.
    #[error(
        "{} is missing, but this home holds a consensus log or a chain: without the mark nobody knows what this member has signed, and it could \
         sign twice. Restore this file from a copy of this home that was made when the node had stopped for the last time; where there is none, start \
         with an empty --home and a new validator key", file.display()
    )]
    MarkMissing {
        /// The file of the mark.
        file: PathBuf,
    },
    /// The file system is full.
    #[error("no space left on device under {}: free space there, then start again; nothing acknowledged is lost", dir.display())]
    DiskFull {
        /// The directory that could not grow.
        dir: PathBuf,
    },

    // -- The operator can mend it: the ids.
    /// A generator is opened, and none of its files is there.
    #[error(
        "{files} are missing from {}: ids that were given from there would be repeated. Restore them from a copy that was made after the last stop, \
         or start a new generator in an empty directory, with a node number that was never used", dir.display()
    )]
    IdsMissing {
        /// Directory of the generator.
        dir: PathBuf,
        /// Names of its files.
        files: &'static str,
    },
    /// A generator is made where one was used.
    #[error(
        "ids were given from {} already: go on with what is there, or start a new generator in an empty directory, with a node number that was never \
         used", dir.display()
    )]
    IdsUsed {
        /// Directory of the generator.
        dir: PathBuf,
    },
    /// The file of a durable counter is missing or shorter than its mark.
    #[error(
        "{} {found}, but the values of {marked} blocks may have left: going on would repeat ids. Restore it from a copy that was made \
         after the last stop, or make it long enough: truncate -s {marked} {}", file.display(), file.display()
    )]
    CounterLost {
        /// The counter.
        file: PathBuf,
        /// What was found.
        found: String,
        /// Blocks in the mark, and bytes of a counter that repeats nothing.
        marked: u64,
    },
    /// A durable counter has no mark.
    #[error(
        "{} is missing or empty, but its counter is there: without it the size of a block is not known. Restore it from any copy of this directory, \
         or start with an empty directory where ids may begin again", file.display()
    )]
    CounterMarkLost {
        /// The mark.
        file: PathBuf,
    },
    /// One of the two files that hold the time bound of Scarab ids is missing, or the bound is below its mark.
    #[error(
        "{} {found}: going on could repeat ids. Restore it from a copy that was made after the last stop, or from its twin, which was written with \
         it: cp {} {}", file.display(), other.display(), file.display()
    )]
    BoundLost {
        /// The file.
        file: PathBuf,
        /// What was found.
        found: &'static str,
        /// Its twin.
        other: PathBuf,
    },
    /// A generator of Scarab ids is opened with another node number than it was made with.
    #[error(
        "the ids of {} have node number {found}, not {asked}: start it with {found}, or start a new generator in an empty directory, with a node number \
         that was never used", dir.display()
    )]
    OtherNodeNumber {
        /// Directory of the generator.
        dir: PathBuf,
        /// The number in its ids.
        found: NodeNumber,
        /// The number asked for.
        asked: NodeNumber,
    },
    /// A durable counter is opened with another block than it was made with.
    #[error("the counter in {} has blocks of 2^{found} values, not 2^{asked}: set block_bits to {found}", dir.display())]
    OtherBlockBits {
        /// Directory of the counter.
        dir: PathBuf,
        /// Bits of its blocks.
        found: u32,
        /// Bits asked for.
        asked: u32,
    },
    /// All values of a generator are used up, or its file cannot grow any more.
    #[error("no ids are left in {}: start a new generator in another directory, with a node number that was never used", file.display())]
    IdsExhausted {
        /// Its file or directory.
        file: PathBuf,
    },
    /// The clock is too far ahead to be followed: ids would keep that time for ever.
    #[error(
        "the clock is {ahead_ms} ms ahead of what was expected and is not followed: set it right, and ids go on; if it is right, restart, or after \
         ten years without an id start a new generator in another directory"
    )]
    ClockLeapt {
        /// Milliseconds ahead of what was expected.
        ahead_ms: u64,
    },

    // -- Bad input of the caller.
    /// A node number is out of range.
    #[error("node number {found} is too large: give this node a number from 0 to 1023 that no other has or had")]
    NodeNumber {
        /// The number.
        found: u64,
    },
    /// A block of a durable counter is out of range.
    #[error("block_bits is {found}: choose 0 to 19")]
    BlockBits {
        /// Bits asked for.
        found: u32,
    },
    /// A text is not the decimal digits of an id.
    #[error(
        "{text:?} is not an id: give its decimal digits, without sign, spaces or leading zeros, at most 18446744073709551615"
    )]
    NotAnId {
        /// How it begins.
        text: String,
    },
    /// A text is not the name of a log.
    #[error(
        "{name:?} is not the name of a log: give 1 to 64 letters, digits, '-', '_' and '.', beginning with a letter or digit"
    )]
    LogName {
        /// How it begins.
        name: String,
    },
    /// There is no log of this name.
    #[error("there is no log {name:?}: create it first, or look at the list of logs")]
    NoSuchLog {
        /// The name.
        name: String,
    },
    /// There is a log of this name already.
    #[error("there is a log {name} already: delete it first, or choose another name")]
    LogExists {
        /// The name.
        name: String,
    },
    /// The log does not have that many partitions.
    #[error("log {name} has the partitions 0 to {last}; {asked} was asked for")]
    NoSuchPartition {
        /// The log.
        name: String,
        /// Its last partition.
        last: u32,
        /// The partition in the question.
        asked: u32,
    },
    /// A log in memory gives nothing to sign, since it begins again with each start.
    #[error("log {name} is in memory only and has no checkpoints: create it on disk to prove its records")]
    NoCheckpoints {
        /// The log.
        name: String,
    },
    /// A log in memory is this member's only.
    #[error("log {name} is in memory only and cannot be replicated: create it on disk")]
    NotReplicable {
        /// The log.
        name: String,
    },
    /// The records of a replicated log come from the sequencers of its partitions.
    #[error("log {name} is replicated: append to it through the cluster, and delete it there")]
    Replicated {
        /// The log.
        name: String,
    },
    /// A submission or record has no bytes or too many.
    #[error("{what} has {found} bytes or entries, allowed are {allowed}")]
    Size {
        /// What was measured.
        what: &'static str,
        /// Its size.
        found: u64,
        /// Text of the bound.
        allowed: &'static str,
    },
    /// Asked for something at or beyond the durable end of a log.
    #[error("log {log} has {size} durable leaves; {asked} was asked for")]
    OutOfRange {
        /// The log.
        log: LogId,
        /// Durable size.
        size: u64,
        /// Index or size in the question.
        asked: u64,
    },
    /// Asked for a record that a stream does not hold: removed by its retention, or not there yet.
    #[error("stream {stream} holds the records from {first} up to but not including {next}; {asked} was asked for")]
    NoSuchRecord {
        /// The stream.
        stream: u64,
        /// Offset of its first record.
        first: u64,
        /// Offset behind its last record.
        next: u64,
        /// Offset in the question.
        asked: u64,
    },
    /// What was given for a place is not the record that has it.
    #[error(
        "record {offset} of stream {stream} is another one than was given for it, or they do not come in order: take it from another member"
    )]
    NotTheRecord {
        /// The stream.
        stream: u64,
        /// Offset of the record.
        offset: u64,
    },
    /// A block does not follow the last one.
    #[error("block {height} cannot be stored: the chain continues at height {expected}")]
    NotNext {
        /// Height of the block.
        height: u64,
        /// The height that is due.
        expected: u64,
    },
    /// A proof was asked for with arguments outside the tree.
    #[error("no such proof: {0}")]
    NoSuchProof(#[from] pyralog_crypto::MerkleError),

    // -- Not now.
    /// The queue is full; the caller may try again.
    #[error("the store has {queued} bytes waiting to be written; try again later")]
    Busy {
        /// Bytes in the queue.
        queued: u64,
    },
    /// As many partitions are open as the limit of open files allows.
    #[error(
        "{limit} partitions are in use since the start, as many as the limit of open files allows: raise it (`ulimit -n`, or LimitNOFILE of the service) and restart the node"
    )]
    TooManyOpen {
        /// Partitions that may be open.
        limit: usize,
    },
    /// Too little space is left for appends; what consensus writes still has some.
    #[error(
        "the disk of {} has {free} bytes left, fewer than the {reserve} that are kept for the node itself: free some space; appends go on then", dir.display()
    )]
    DiskLow {
        /// The data directory.
        dir: PathBuf,
        /// Free bytes.
        free: u64,
        /// Bytes that are to stay free.
        reserve: u64,
    },
    /// The core was closed.
    #[error("the store is closed")]
    Closed,

    // -- The log is not what was signed.
    /// A log is shorter than, or differs from, what was signed or acknowledged.
    #[error(
        "log {log} under {} has {size} leaves that {found}; its last recorded checkpoint says {signed} leaves: \
         appends are refused, since signing again would fork it. Restore the missing files, or retire the log and open a successor",
        dir.display()
    )]
    LogRetracted {
        /// The log.
        log: LogId,
        /// Its directory.
        dir: PathBuf,
        /// Leaves found.
        size: u64,
        /// Leaves recorded.
        signed: u64,
        /// What is wrong: fewer leaves or another root.
        found: &'static str,
    },

    // -- Fatal.
    /// A file is damaged at a place where no crash can have damaged it.
    #[error("{} is damaged at offset {offset}: {why}; restore it from a copy, nothing was changed", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Byte offset in the file.
        offset: u64,
        /// What does not fit.
        why: String,
    },
    /// fsync or fdatasync failed: what the disk holds is unknown. It is never retried.
    #[error("the disk did not confirm a write of {}: {source}; check the disk before the next start", file.display())]
    SyncFailed {
        /// The file.
        file: PathBuf,
        /// The operating system's answer.
        source: Arc<io::Error>,
    },
    /// Another input or output error.
    #[error("cannot {action} {}: {source}", file.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        file: PathBuf,
        /// The operating system's answer.
        source: Arc<io::Error>,
    },
    /// The table store (RocksDB) refused.
    #[error(
        "the table store under {} failed: {message}; where files in it are missing or damaged, restore the home from a copy", dir.display()
    )]
    Tables {
        /// Its directory.
        dir: PathBuf,
        /// RocksDB's answer.
        message: String,
    },
    /// A thread of the store ended by a panic; nothing after it was acknowledged.
    #[error("the writer of the store stopped unexpectedly: {0}")]
    WriterStopped(String),
}

impl Error {
    /// Turns an I/O error into [`Error::DiskFull`] or [`Error::Io`].
    pub(crate) fn io(action: &'static str, file: &Path, source: io::Error) -> Self {
        if is_full(&source) {
            let dir = file.parent().unwrap_or(file).to_owned();
            return Self::DiskFull { dir };
        }
        Self::Io { action, file: file.to_owned(), source: Arc::new(source) }
    }

    /// A failed sync. A full disk can show itself only here (delayed allocation), and then says so.
    pub(crate) fn sync(file: &Path, source: io::Error) -> Self {
        if is_full(&source) {
            return Self::io("sync", file, source);
        }
        Self::SyncFailed { file: file.to_owned(), source: Arc::new(source) }
    }

    pub(crate) fn damaged(file: &Path, offset: u64, why: impl Into<String>) -> Self {
        Self::Damaged { file: file.to_owned(), offset, why: why.into() }
    }

    /// Whether the store cannot go on: the node stops.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !matches!(
            self,
            Self::Size { .. }
                | Self::NodeNumber { .. }
                | Self::BlockBits { .. }
                | Self::NotAnId { .. }
                | Self::LogName { .. }
                | Self::NoSuchLog { .. }
                | Self::LogExists { .. }
                | Self::NoSuchPartition { .. }
                | Self::NoCheckpoints { .. }
                | Self::NotReplicable { .. }
                | Self::Replicated { .. }
                | Self::ClockLeapt { .. }
                | Self::OutOfRange { .. }
                | Self::NoSuchRecord { .. }
                | Self::NotTheRecord { .. }
                | Self::NotNext { .. }
                | Self::NoSuchProof(_)
                | Self::Busy { .. }
                | Self::TooManyOpen { .. }
                | Self::DiskLow { .. }
                | Self::Closed
                | Self::LogRetracted { .. }
        )
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl From<pyralog_crypto::ProveError<Self>> for Error {
    fn from(error: pyralog_crypto::ProveError<Self>) -> Self {
        match error {
            pyralog_crypto::ProveError::Arguments(arguments) => Self::NoSuchProof(arguments),
            pyralog_crypto::ProveError::Source(source) => source,
            // The enum may grow; whatever it grows, it is about the question.
            _ => Self::Size { what: "the question for a proof", found: 0, allowed: "those of RFC 9162" },
        }
    }
}

#[cfg(test)]
mod tests;
