//! Says in envelopes who sends them and whom they are for, and checks that in what arrives.
//!
//! The link knows the keys at its ends. A member that lost its disk comes back under a new id with the key that it had, and who it was may still run
//! somewhere, or be resumed: what the one says must not count as said by the other, and what is meant for the one must not be done by the other.

use std::sync::{Arc, OnceLock};

use super::envelope::Envelope;
use super::host::{Cluster, Links};
use crate::raft::Says;
use crate::replication::MemberId;

/// The node's links, with who this member is.
pub(super) struct Sealing {
    links: Arc<dyn Links>,
    says: OnceLock<Says>,
}

impl Sealing {
    pub(super) fn new(links: Arc<dyn Links>) -> Arc<Self> {
        Arc::new(Self { links, says: OnceLock::new() })
    }

    /// From now on envelopes that need it go out.
    pub(super) fn set(&self, says: Says) {
        // Set once: a member is who it is.
        let _same = self.says.set(says);
    }
}

impl Links for Sealing {
    fn send(&self, to: MemberId, envelope: Envelope) -> bool {
        if !envelope.names_sender() {
            return self.links.send(to, envelope);
        }
        let Some(says) = self.says.get() else { return false };
        self.links.send(to, Envelope::From { to, hello: says.hello(), envelope: Box::new(envelope) })
    }
}

impl Cluster {
    /// What counts of an envelope that arrived over the link of a member.
    pub(super) fn unsealed(&self, from: MemberId, envelope: Envelope) -> Option<Envelope> {
        let Envelope::From { to, hello, envelope } = envelope else {
            return Some(envelope).filter(|envelope| !envelope.names_sender());
        };
        if to != self.shared.me {
            return None;
        }
        if let Err(reason) = self.shared.groups.check(from, &hello) {
            tracing::debug!(member = from.0, %reason, "what came over the link of a member does not count");
            return None;
        }
        // Before both starts are confirmed one of the disks may be an old copy, which must neither store nor seal in its member's place.
        let counts = hello.is_confirmed() && self.shared.groups.is_started();
        Some(*envelope).filter(|envelope| counts || !matches!(envelope, Envelope::Note { .. }))
    }
}
