//! Links in memory that lose, delay and part.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use crate::raft::{BoxFuture, GroupError, LinkError, RaftLinks};
use crate::replication::MemberId;

type Serve = Arc<dyn Fn(MemberId, u64, Bytes) -> BoxFuture<'static, Result<Bytes, GroupError>> + Send + Sync>;

/// All links of a cluster. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Net(Arc<Shared>);

#[derive(Default)]
struct Shared {
    members: Mutex<BTreeMap<u64, Serve>>,
    /// Pairs that do not hear each other.
    cut: Mutex<BTreeSet<(u64, u64)>>,
    /// Of a thousand frames, so many are lost.
    lost: AtomicU64,
    random: AtomicU64,
}

impl Net {
    pub(super) fn new(seed: u64) -> Self {
        let net = Self::default();
        net.0.random.store(seed, Ordering::Relaxed);
        net
    }

    /// A number below `end`; splitmix64.
    pub(super) fn below(&self, end: u64) -> u64 {
        let state =
            self.0.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    pub(super) fn join(
        &self,
        member: u64,
        serve: impl Fn(MemberId, u64, Bytes) -> BoxFuture<'static, Result<Bytes, GroupError>> + Send + Sync + 'static,
    ) {
        self.0.members.lock().unwrap().insert(member, Arc::new(serve));
    }

    pub(super) fn leave(&self, member: u64) {
        self.0.members.lock().unwrap().remove(&member);
    }

    /// From now on the two sides hear nothing of each other.
    pub(super) fn part(&self, one: &[u64], other: &[u64]) {
        let mut cut = self.0.cut.lock().unwrap();
        cut.extend(one.iter().flat_map(|a| other.iter().flat_map(|b| [(*a, *b), (*b, *a)])));
    }

    pub(super) fn heal(&self) {
        self.0.cut.lock().unwrap().clear();
        self.lose(0);
    }

    pub(super) fn lose(&self, of_a_thousand: u64) {
        self.0.lost.store(of_a_thousand, Ordering::Relaxed);
    }

    pub(super) fn links(&self, me: u64) -> Arc<dyn RaftLinks> {
        Arc::new(Links { me, net: self.clone() })
    }

    fn loses(&self) -> bool {
        self.below(1000) < self.0.lost.load(Ordering::Relaxed)
    }

    fn parted(&self, from: u64, to: u64) -> bool {
        self.0.cut.lock().unwrap().contains(&(from, to))
    }
}

struct Links {
    me: u64,
    net: Net,
}

impl RaftLinks for Links {
    fn call(&self, to: MemberId, group: u64, frame: Bytes) -> BoxFuture<'_, Result<Bytes, LinkError>> {
        Box::pin(async move {
            let serve = self.net.0.members.lock().unwrap().get(&to.0).cloned();
            let Some(serve) = serve.filter(|_| !self.net.parted(self.me, to.0)) else {
                return Err(LinkError::NotSent("it is not there".to_owned()));
            };
            if self.net.loses() {
                // A frame into the void: its sender waits for nothing.
                std::future::pending::<()>().await;
            }
            if self.net.0.lost.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(Duration::from_millis(self.net.below(8))).await;
            }
            let answer = serve(MemberId(self.me), group, frame).await;
            if self.net.loses() || self.net.parted(to.0, self.me) {
                return Err(LinkError::Lost("the answer is lost".to_owned()));
            }
            answer.map_err(|e| LinkError::Lost(e.to_string()))
        })
    }
}
