//! Clusters of whole members, as the node runs them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::net::Net;
use super::options;
use crate::disk::FaultyDisk;
use crate::raft::global::tests::new_member;
use crate::raft::{GroupError, Identity, NewMember, RaftGroups, RaftOptions};
use crate::replication::MemberId;
use crate::{Batch, Durability, Family, MemoryTables, Tables};

/// A member that may be killed, with its disk.
pub(super) struct Member {
    pub(super) disk: FaultyDisk,
    pub(super) tables: MemoryTables,
    pub(super) groups: Option<RaftGroups>,
}

pub(super) struct Rig {
    pub(super) net: Net,
    pub(super) members: BTreeMap<u64, Member>,
    pub(super) options: RaftOptions,
}

/// Everything that stands in the table, on another disk.
pub(super) fn copy(tables: &MemoryTables) -> (FaultyDisk, MemoryTables) {
    let disk = FaultyDisk::new(99);
    let copy = MemoryTables::new(disk.clone());
    let mut batch = Batch::default();
    tables
        .scan(Family::Raft, b"", &mut |key, value| {
            batch.put(Family::Raft, key, value);
            true
        })
        .unwrap();
    copy.write(batch, Durability::Synced).unwrap();
    (disk, copy)
}

impl Rig {
    pub(super) async fn new(seed: u64) -> Self {
        Self::with(seed, options()).await
    }

    /// A cluster of member 1.
    pub(super) async fn with(seed: u64, options: RaftOptions) -> Self {
        let mut rig = Self { net: Net::new(seed), members: BTreeMap::new(), options };
        let disk = FaultyDisk::new(1);
        let tables = MemoryTables::new(disk.clone());
        let links = rig.net.links(1);
        let tables_ = Arc::new(tables.clone());
        let groups = RaftGroups::bootstrap(rig.options.clone(), tables_, links, "one", b"peer 1", &[]).await.unwrap();
        rig.serve(1, &groups);
        rig.members.insert(1, Member { disk, tables, groups: Some(groups) });
        rig
    }

    fn serve(&self, id: u64, groups: &RaftGroups) {
        let groups = groups.clone();
        self.net.join(id, move |from, group, bytes| {
            let groups = groups.clone();
            Box::pin(async move { groups.serve(from, group, bytes).await })
        });
    }

    /// A new member with an empty disk, as a learner.
    pub(super) async fn admit(&mut self, number: u8) -> u64 {
        let disk = FaultyDisk::new(number.into());
        let tables = MemoryTables::new(disk.clone());
        let mut identity = Identity::load_or_make(&tables).unwrap();
        let new = NewMember { incarnation: identity.incarnation, life: identity.life, ..new_member(number) };
        let any = self.any();
        let id = any.admit(new.clone()).await.unwrap();
        assert_eq!(any.admit(new).await.unwrap(), id, "asked again");
        identity.assign(&tables, id).unwrap();
        self.members.insert(id.0, Member { disk, tables, groups: None });
        self.open(id.0).await.unwrap();
        any.add_learner(id).await.unwrap();
        self.groups(id.0).start().await.unwrap();
        id.0
    }

    /// Two more voters.
    pub(super) async fn grow(&mut self) {
        for number in [2, 3] {
            let id = self.admit(number).await;
            self.any().promote(MemberId(id)).await.unwrap();
        }
    }

    /// Opens the groups of a member from its disk.
    pub(super) async fn open(&mut self, id: u64) -> Result<(), GroupError> {
        let tables = Arc::new(self.members[&id].tables.clone());
        let groups = RaftGroups::open(self.options.clone(), tables, self.net.links(id)).await?;
        self.serve(id, &groups);
        self.members.get_mut(&id).unwrap().groups = Some(groups);
        Ok(())
    }

    pub(super) async fn kill(&mut self, id: u64) {
        self.net.leave(id);
        let member = self.members.get_mut(&id).unwrap();
        member.disk.cut_power_after(0);
        if let Some(groups) = member.groups.take() {
            groups.shutdown().await;
        }
        member.disk.crash();
        member.tables.crash();
    }

    pub(super) fn groups(&self, id: u64) -> RaftGroups {
        self.members[&id].groups.clone().unwrap()
    }

    pub(super) fn any(&self) -> RaftGroups {
        self.members.values().find_map(|member| member.groups.clone()).unwrap()
    }

    pub(super) async fn shutdown(self) {
        for member in self.members.into_values() {
            if let Some(groups) = member.groups {
                groups.shutdown().await;
            }
        }
    }
}
