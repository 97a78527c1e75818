//! A member that leads the signer's log, and whose chain is too short to sign for long, hands the lead to one that can sign. Nothing is safe by this: it is
//! only about who tries. What is signed rests on the log whoever leads it.

use std::collections::BTreeSet;

use pyralog_cluster_core::replication::MemberId;
use pyralog_cluster_core::{LogName, PartitionId};

use super::SignerLog;
use crate::cluster::ClusterMember;
use crate::driver::Shared;

/// Who was asked to lead.
#[derive(Debug, Default)]
pub struct Handing {
    /// Since all that could be asked were.
    asked: BTreeSet<MemberId>,
}

/// Whether blocks are missing here that the log does not have either: others must be asked for them, which takes as long as it takes.
pub fn lacks_blocks(height: u64, log: &SignerLog) -> bool {
    height < log.decided() && log.block(height + 1).is_none()
}

impl Handing {
    /// Asks a member that stores the log, is up, and has all blocks up to `height`, to lead its partition. Answers whether one was asked; where there is
    /// none, this member goes on by itself.
    pub fn hand_over(
        &mut self,
        member: &ClusterMember,
        shared: &Shared,
        (log, partition): (&LogName, PartitionId),
        height: u64,
    ) -> bool {
        let cluster = member.cluster();
        let has_all: BTreeSet<MemberId> =
            shared.claimants(height).iter().filter_map(|peer| member.member_of(peer)).collect();
        let synced: Vec<MemberId> =
            cluster.stored_by(log, 0).into_iter().filter(|member| has_all.contains(member)).collect();
        let Some(to) = self.next(&synced) else { return false };
        let asked = cluster.ask_to_lead(to, partition);
        if asked {
            tracing::info!(
                member = to.0,
                height,
                "blocks are missing here: a member that has them is asked to sign for the cluster"
            );
        }
        asked
    }

    /// Each in turn: one may not be able to lead.
    fn next(&mut self, synced: &[MemberId]) -> Option<MemberId> {
        let new = |asked: &BTreeSet<MemberId>| synced.iter().copied().find(|member| !asked.contains(member));
        let next = new(&self.asked).or_else(|| {
            self.asked.clear();
            new(&self.asked)
        })?;
        self.asked.insert(next);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use pyralog_crypto::codec::Encode;

    use super::super::record::join_block;
    use super::super::{Said, SignerRecord};
    use super::*;

    #[test]
    fn what_the_log_still_has_is_not_missing() {
        let mut log = SignerLog::default();
        let mut place = 0;
        let mut take = |record: SignerRecord| {
            log.take(place, &record.to_bytes().into()).unwrap();
            place += 1;
        };
        take(SignerRecord::Begin { number: 5, member: 1 });
        for height in 1..=40_u64 {
            let part = join_block(height, b"block", b"commit");
            take(Said::Block { last: true, part }.of(5, 2 * height - 1));
            take(Said::Reset { height: height + 1 }.of(5, 2 * height));
        }
        assert_eq!((log.decided(), log.block(24).is_some(), log.block(25).is_some()), (40, false, true));
        assert!(!lacks_blocks(40, &log) && !lacks_blocks(41, &log), "it has all");
        assert!(!lacks_blocks(24, &log), "the log has the next ones");
        assert!(lacks_blocks(23, &log) && lacks_blocks(0, &log));
        assert!(!lacks_blocks(0, &SignerLog::default()));
    }

    #[test]
    fn each_is_asked_in_turn_and_nobody_where_nobody_has_the_blocks() {
        let mut handing = Handing::default();
        let all = [3, 1].map(MemberId);
        let asked: Vec<_> = (0..4).map(|_| handing.next(&all)).collect();
        assert_eq!(asked, [3, 1, 3, 1].map(|id| Some(MemberId(id))));
        assert_eq!(handing.next(&[]), None);
    }
}
