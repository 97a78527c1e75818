//! One member's part of all replicated partitions: its storing members and sequencers, on its store, without a network or a clock.
//!
//! ```text
//! host ─ Input ─▶ Member ─▶ Sequencer, StoringMember (crate::replication)     one of each per partition at most
//!      ◀ Effect ─    │
//!                    └▶ Replica (store) ─ durable ─▶ Input::Durable
//! ```
//!
//! The host carries messages between members, asks the epoch store, and says when time has passed. It may lose, double and reorder whatever it carries, but not
//! change it. Messages of a member to itself go nowhere else.
//!
//! **Where records get their offsets.** The sequencer's epoch begins, in its own files, behind the bridge of the epoch before; from there on each
//! acknowledged append is as many offsets further as it has records. An append is answered when everything before it is acknowledged and all earlier epochs are
//! clean: then its offset is final.
//!
//! **Modes.** An append that wants less than durable copies ([`AckMode`]) is answered earlier, with its position and without an offset ([`Acked::Early`]): whether it will have
//! one, and which, is known when it is durable, and whoever does not wait for that never hears of it here. Of producers nothing is acknowledged early.
//!
//! **Producers.** A sequencer takes the appends of producers when this member's own records go as far as its epoch: then the producers of all earlier epochs
//! are known here. An append that is sent again gets the first answer, or waits for it beside the one that was first.
//!
//! **Catching up.** A member that hears of a release whose copies it has not asks another one for the records behind its own ([`Note::Fetch`]), as
//! they are in that one's files.

mod leader;
mod note;
mod part;
mod run;

pub use leader::{Acked, Placed, Unplaced};
pub(crate) use note::FETCH_BYTES;
pub use note::{MAX_NOTE_BYTES, Note};
pub use run::{Durable, Effect, Input, Member, MemberLimits};

#[cfg(doc)]
use crate::replication::AckMode;

#[cfg(test)]
mod sim;
