//! Member links: the streams over which the members of one cluster talk, inside the same swarm.
//!
//! Each member opens one stream per [`Lane`] to each other member and only writes on it; what it reads comes on the
//! streams that the others opened. A peer is *up* while all four streams of the pair stand, and [`MemberLinks::send`]
//! takes messages only then.
//!
//! - **Delivery**: in order per peer and lane, at most once, whole or not at all. What was sent before a
//!   [`MemberEvent::Down`] may be lost. It may also still arrive, in its order, where only the other direction broke.
//!   Between lanes there is no order.
//! - **Backpressure**: a lane that is not read fills its inbox, then its stream, then the sender's queue, and then
//!   [`MemberLinks::send`] says [`SendError::Full`](crate::SendError::Full). Other lanes and peers go on.
//! - **Dead paths**: a quiet `Urgent` stream carries a ping each [`MemberLimits::ping_interval`]. A peer not heard on any
//!   lane for [`MemberLimits::dead_after`] is down and its connections are closed. The time is counted in steps that this
//!   process lived through: one that was itself stopped blames nobody. While our own reader holds the `Urgent` lane up,
//!   nothing is concluded.
//! - **Ended processes**: where a member can be reached over TCP the streams stand there, since the system of a process that
//!   is killed ends its TCP connections at once; QUIC would be silent, and take that time.
//! - **Admission**: streams of peers that are no members are refused at once and counted.
//!
//! The streams are handled by this module's own behaviour and not by `libp2p-stream`: that crate is an alpha, gives no way to
//! refuse by peer before a stream is handed over, and its streams are driven from tasks of their own, one more hop for
//! each message in each direction. Here a lane is polled by the task that owns the connection.
//!
//! Wire: protocol `/pyralog/<network>/member/1`. The opener writes one byte, the lane (0 urgent, 1 bulk), then frames:
//! `u32` length (big-endian), that many bytes. The length `0xffffffff` is a ping and carries nothing; pings stand on the
//! urgent lane only. Nothing is ever sent the other way on the same stream.

pub(crate) mod behaviour;
pub(crate) mod common;
pub(crate) mod exempt;
pub(crate) mod frame;
pub(crate) mod handle;
pub(crate) mod handler;
pub(crate) mod inbox;
pub(crate) mod limits;
pub(crate) mod link;
pub(crate) mod metrics;
pub(crate) mod reader;
pub(crate) mod redial;
pub(crate) mod roster;
pub(crate) mod seat;
pub(crate) mod upgrade;
pub(crate) mod writer;

use bytes::Bytes;
use libp2p::PeerId;

pub use frame::{MAX_MEMBER_MESSAGE, check_member_frames};
pub use handle::{MemberEvents, MemberLinks};
pub use inbox::LaneEvents;
pub use limits::{LaneLimits, MemberLimits};

/// Bytes that a lane may move in one turn before the others have theirs.
pub(crate) const TURN: usize = 256 << 10;

/// Which of the two streams to a peer; neither waits for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Raft, seals, appends and their acks.
    Urgent,
    /// Catch-up and snapshots.
    Bulk,
}

impl Lane {
    /// Both lanes, the urgent one first.
    pub const ALL: [Self; 2] = [Self::Urgent, Self::Bulk];

    /// The first byte of a stream, and the place in arrays.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Urgent => 0,
            Self::Bulk => 1,
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Bulk => "bulk",
        }
    }
}

/// Something happened on a lane. `Up` and `Down` of a peer alternate on each lane, and its messages stand between them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberEvent {
    /// All streams with the peer stand: messages flow both ways.
    Up {
        /// The member.
        peer: PeerId,
    },
    /// A stream with the peer ended, or nothing was heard of it for too long. What was queued for it is dropped.
    Down {
        /// The member.
        peer: PeerId,
    },
    /// A message of the peer.
    Message {
        /// The member.
        peer: PeerId,
        /// The lane it came on.
        lane: Lane,
        /// The message.
        data: Bytes,
    },
}
