//! How a node hears that it is no member any more. Members do not link with one that was removed, so it asks them as any peer may.

use std::future::pending;
use std::time::Duration;

use pyralog_cluster_core::replication::MemberId;
use pyralog_crypto::codec::{Decode, Encode};
use pyralog_p2p::{Handle, MemberLinks, PeerId};
use tokio::time::sleep;

use super::Book;
use crate::driver::wire::{SYNC_PROTOCOL, SyncRequest, WasRemoved};
use crate::home::Home;

/// Members that there is no link to are asked so often.
const ASK: Duration = Duration::from_secs(1);

/// What is needed to ask.
pub(super) struct Removal {
    pub(super) network: Handle,
    pub(super) links: MemberLinks,
    pub(super) book: Book,
}

impl Removal {
    /// Returns when another member says that this one, of this id, was removed. Without an id there is nothing to ask.
    pub(super) async fn heard_of(&self, me: Option<MemberId>) -> MemberId {
        let Some(me) = me else { return pending().await };
        let question = SyncRequest::Removed { member: me.0 }.to_bytes();
        loop {
            for peer in self.others() {
                // Who is not connected, or is older than the question, says nothing.
                let answer = self.network.request(peer, SYNC_PROTOCOL, question.clone()).await;
                if answer.is_ok_and(|answer| WasRemoved::from_bytes(&answer) == Ok(WasRemoved(true))) {
                    return me;
                }
            }
            sleep(ASK).await;
        }
    }

    /// Those that there is no link to: over a link one is told.
    fn others(&self) -> Vec<PeerId> {
        let local = self.network.local_peer_id();
        self.book.live().into_keys().filter(|peer| *peer != local && !self.links.is_up(peer)).collect()
    }
}

/// What a node that was removed ends with.
pub(super) fn removed_text(home: &Home, member: MemberId) -> String {
    format!(
        "member {}: the member was removed from its cluster, for ever, and nobody speaks to it any more. Delete the home {}, or keep it for its records and \
         never start it again; to have this machine in the cluster, make another home with `pyralogd join-cluster --home DIR`",
        member.0,
        home.root().display()
    )
}
