//! What this node lacks besides records: its cluster tells it to the other members.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pyralog_cluster_core::replication::MemberId;
use tokio::time::sleep;

use super::ClusterMember;
use crate::driver::Shared;
use crate::notary::NotaryLeaves;

/// It looks so often.
const LOOK: Duration = Duration::from_millis(200);

impl ClusterMember {
    /// Tells the cluster again and again whether blocks of the chain or leaves of the notary log are missing here.
    pub async fn tell_lacking(self, shared: Arc<Shared>, leaves: Arc<NotaryLeaves>) {
        let mut wanted = leaves.end_in_cluster();
        loop {
            // What has come since the last look is on its way.
            let lacks_leaves = leaves.log().size() < wanted;
            wanted = leaves.end_in_cluster();
            self.cluster().set_lacking(self.lacks_blocks(&shared), lacks_leaves);
            sleep(LOOK).await;
        }
    }

    /// Whether another member has blocks that this one lacks, or may have: one that is up has not said how many yet.
    fn lacks_blocks(&self, shared: &Shared) -> bool {
        let said: BTreeSet<MemberId> =
            shared.claimants(0).iter().filter_map(|peer| self.member_of(peer)).chain([self.cluster().id()]).collect();
        shared.lacks_blocks() || !self.cluster().up().is_subset(&said)
    }
}
