//! Bounds of the links between members.

use std::time::Duration;

use crate::Error;

use super::{Lane, frame::MAX_MEMBER_MESSAGE};

/// Memory of one lane, for each member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneLimits {
    /// Bytes waiting to be sent; a message of any size is taken while nothing waits.
    pub send_bytes: usize,
    /// Messages waiting to be sent.
    pub send_messages: usize,
    /// Bytes received and not yet read by the node.
    pub receive_bytes: usize,
    /// Messages received and not yet read by the node.
    pub receive_messages: usize,
}

/// What the links between the members of a cluster may take, and how fast a dead one is noticed. Memory is bounded by the
/// number of members times the sum of both lanes' bytes, and the streams' receive windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberLimits {
    /// The urgent lane.
    pub urgent: LaneLimits,
    /// The bulk lane.
    pub bulk: LaneLimits,
    /// A quiet urgent lane carries a ping this often.
    pub ping_interval: Duration,
    /// A member not heard for this long is down, and its connections are closed; at least two ping intervals.
    pub dead_after: Duration,
    /// The first wait before an unreachable member is dialled again; doubles with each failure. A connection that worked
    /// and ends is dialled again at once.
    pub redial_min: Duration,
    /// The longest such wait.
    pub redial_max: Duration,
}

impl MemberLimits {
    /// The values used where the operator says nothing.
    pub const DEFAULTS: Self = Self {
        urgent: LaneLimits {
            send_bytes: 64 << 20,
            send_messages: 16 << 10,
            receive_bytes: 16 << 20,
            receive_messages: 16 << 10,
        },
        bulk: LaneLimits {
            send_bytes: 16 << 20,
            send_messages: 4 << 10,
            receive_bytes: 16 << 20,
            receive_messages: 4 << 10,
        },
        ping_interval: Duration::from_millis(500),
        dead_after: Duration::from_secs(2),
        redial_min: Duration::from_millis(50),
        redial_max: Duration::from_secs(2),
    };

    pub(crate) fn lane(&self, lane: Lane) -> &LaneLimits {
        match lane {
            Lane::Urgent => &self.urgent,
            Lane::Bulk => &self.bulk,
        }
    }

    /// How often a connection looks at the time: twice in each ping interval.
    pub(crate) fn step(&self) -> Duration {
        self.ping_interval / 2
    }

    /// Steps without a sign of life after which a peer is dead.
    pub(crate) fn patience(&self) -> u32 {
        let steps = self.dead_after.as_nanos().div_ceil(self.step().as_nanos().max(1));
        u32::try_from(steps).unwrap_or(u32::MAX)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let lanes = Lane::ALL.map(|lane| self.lane(lane));
        let least = MAX_MEMBER_MESSAGE;
        let holds: [(&'static str, bool); 5] = [
            (
                "limits.members lanes (bytes at least one message, counts above 0)",
                lanes.iter().all(|lane| {
                    lane.send_bytes >= least
                        && lane.receive_bytes >= least
                        && lane.send_messages > 0
                        && lane.receive_messages > 0
                }),
            ),
            ("limits.members.ping_interval", self.ping_interval >= Duration::from_millis(2)),
            ("limits.members.dead_after (at least two ping intervals)", self.dead_after / 2 >= self.ping_interval),
            ("limits.members.redial_min", !self.redial_min.is_zero()),
            ("limits.members.redial_max", self.redial_max >= self.redial_min),
        ];
        match holds.into_iter().find(|(_, holds)| !holds) {
            Some((field, _)) => Err(Error::config(field, "is too small or too large")),
            None => Ok(()),
        }
    }
}

impl Default for MemberLimits {
    fn default() -> Self {
        Self::DEFAULTS
    }
}
