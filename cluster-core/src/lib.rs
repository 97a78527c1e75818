//! Durable, append-only logs and chain storage of one member of a Pyralog cluster.
//!
//! ```text
//! home/FORMAT, LOCK          format version; one owner at a time
//!      journal/              what must not be lost first            [`journal`]
//!      mark/signer           signer mark                            [`Mark`]
//!      notary/<log id>/      notary logs with two Merkle trees      [`NotaryLog`]
//!      logs/<name>.<n>/<p>/  partitions of the other logs           [`Logs`]
//!      tables/               RocksDB: blocks, state, indexes, logs  [`Chain`]
//!
//! dir/LOCK, counter, mark    durable counter                        [`Obelisk`]
//! dir/LOCK, bound, mark      time bound of ids                      [`Scarabs`]
//! ```
//!
//! **Durability is an event.** Every write returns a [`Ticket`] at once; [`Event::Durable`] follows when it is on stable
//! storage, and whoever must not speak before that waits for it. Replication will stand behind the same calls: then `Durable`
//! means the write quorum, and [`Event::NotLeader`] and [`Event::Unavailable`] will be heard.
//!
//! **One writer** per disk takes whatever waits, makes it durable with one write of the journal, which WAL, leaves and records share, and then tells all tickets.
//! Records go into the files of their partitions beside it; who reads what is not there yet waits for that.
//! Within one kind, order is the order of tickets. Leaves queue apart from what consensus writes (WAL, mark, chain), which never
//! waits for more than one group of them. A WAL reset and every write to the chain are barriers: they begin only when all that
//! consensus requested before them is durable. A failed sync is never retried: the store fails for good and the process must
//! stop. A full disk is the same, with a sentence, and works again after space is freed and the process restarted; before it comes to that,
//! appends are refused while there is little space.
//!
//! **After a crash** a torn last group of the journal does not count and is reported; any other damage is refused with file and offset.
//! Trees and indexes are derived from the leaves and rebuilt where they are missing or behind. A log that is shorter than, or
//! differs from, what was given out for signing refuses appends.
//!
//! **Ids** are drawn from generators of their own, each with a directory of its own wherever the node puts it; neither a crash nor a
//! clock that steps back repeats one.
//!
//! **Several members** agree by Raft about who they are, which logs there are, and who numbers the records of which partition: [`raft`]. How
//! records are stored on several members: [`replication`].
//!
//! **[`fsck()`]** reads everything that nobody uses at the moment and says what is wrong with it.
//!
//! Nothing here knows what a block, a leaf or an entry means.

mod applier;
mod chain;
pub mod cluster;
mod core;
pub mod disk;
mod error;
mod event;
mod fsck;
#[cfg(any(test, feature = "testkit"))]
pub mod fuzz;
mod home;
mod ids;
mod items;
pub mod journal;
mod logs;
mod mark;
pub mod member;
mod notary;
mod options;
mod parts;
mod queue;
pub mod raft;
mod registry;
mod replica;
pub mod replication;
pub mod segment;
mod settler;
mod slot;
mod space;
mod stats;
mod stream;
mod stub;
pub mod tree;
mod wal;
mod window;
mod writer;

#[cfg(any(test, feature = "testkit"))]
pub use chain::MemoryTables;
pub use chain::{Batch, Chain, Durability, Family, Genesis, PutBlock, RocksTables, Tables, TxPlace, Visit};
pub use core::{Core, RecoveryReport};
pub use error::Error;
pub use event::{Completion, Event, EventSink, Ticket, channel, completion};
pub use fsck::{Finding, FsckReport, Severity, fsck};
pub use home::FORMAT;
pub use ids::{
    Clock, CoarseClock, MAX_BLOCK_BITS, MAX_RANGE, NodeNumber, Obelisk, ObeliskOptions, SCARAB_EPOCH_MS, Scarab,
    ScarabOptions, ScarabRange, Scarabs,
};
pub use logs::{
    Log, LogName, LogSpec, Logs, MAX_APPEND_BYTES, MAX_APPEND_RECORDS, MAX_LOG_NAME_BYTES, MAX_PARTITIONS, Partition,
    Storage, check_append,
};
pub use mark::Mark;
pub use notary::{ConsistencyProofs, InclusionProofs, LogRecovery, MAX_NODES, MAX_SUBMISSION_LEAVES, NotaryLog};
pub use options::{Backend, Options, Progress};
pub use parts::CutTail;
pub use pyralog_crypto::{
    Checkpoint, Header, LogId, MAX_HEADER_NAME_BYTES, MAX_LEAF_BYTES, MAX_RECORD_BYTES, MAX_RECORD_HEADERS,
    MAX_TIMESTAMP, Record, RecordError, Roots,
};
pub use replica::{Frontier, PartitionId, Reached, Replica, Replicas, payload, payload_records, stamped_payload};
pub use slot::MAX_SLOT_BYTES;
pub use stats::Stats;
pub use stub::{STUB_BYTES, Stub, is_stub, leaf_of, real_len};
pub use wal::{MAX_WAL_ENTRY_BYTES, Wal, WalRecovery};
