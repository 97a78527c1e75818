//! One member, its disk, and its lives.

use std::sync::{Arc, Mutex};

use crate::logs::tests::spec;
use crate::member::{Effect, Input, Member, MemberLimits};
use crate::notary::testkit::Rig;
use crate::replication::{Epoch, MemberId, NodeSet};
use crate::segment::Retention;
use crate::{Core, Error, LogSpec, Partition, PartitionId};

pub(super) const PARTITION: PartitionId = PartitionId(7);
const LOG: &str = "orders";
/// The last segment, whenever it is looked at.
const LAST: Retention = Retention { max_bytes: Some(0), max_age_ms: None };

/// A member, running or not.
pub(super) struct Node {
    pub(super) id: MemberId,
    rig: Rig,
    nodeset: NodeSet,
    running: Option<Running>,
    /// How often it was started.
    pub(super) life: u64,
}

struct Running {
    // First: what is durable is told until it is gone.
    core: Core,
    member: Member,
    durable: Arc<Mutex<Vec<(PartitionId, u64)>>>,
}

impl Node {
    pub(super) fn new(id: MemberId, seed: u64, nodeset: NodeSet) -> Self {
        let rig = Rig { journal_bytes: 64 << 10, ..Rig::new(seed) };
        let mut node = Self { id, rig, nodeset, running: None, life: 0 };
        node.start();
        node
    }

    /// Starts it, if it does not run. Its disk may be cut again meanwhile: then it does not.
    pub(super) fn start(&mut self) {
        if self.running.is_some() {
            return;
        }
        self.life += 1;
        let started = self.try_start();
        if started.is_err() {
            self.rig.crash();
        }
        self.running = started.ok();
    }

    fn try_start(&self) -> Result<Running, Error> {
        let (core, report) = self.rig.try_open(self.rig.options())?;
        if let Some(reason) = report.damaged.into_iter().next() {
            assert!(reason.to_string().contains("power is off"), "{reason}");
            return Err(reason);
        }
        let log = match core.logs().open_log(LOG) {
            Ok(log) => log,
            Err(_) => {
                core.logs().create(LogSpec { partitions: 1, segment_bytes: 8 << 10, retention: LAST, ..spec(LOG) })?
            }
        };
        if core.replicas().get(PARTITION).is_none() {
            core.replicas().create(PARTITION, log.partition(0)?)?;
        }
        let durable = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&durable);
        let tell = Arc::new(move |partition, ticket| told.lock().unwrap().push((partition, ticket)));
        let limits = MemberLimits { append_ticks: 200, idle_ticks: 5, ..MemberLimits::default() };
        let mut member = Member::new(self.id, core.replicas().clone(), limits, tell);
        member.step(Input::Open { partition: PARTITION, nodeset: self.nodeset.clone() })?;
        Ok(Running { core, member, durable })
    }

    /// Cuts its power.
    pub(super) fn crash(&mut self) {
        // First, so that what ends here writes nothing more: what it opens by name would be alive.
        self.rig.disk.cut_power_after(0);
        self.running = None;
        self.rig.crash();
    }

    /// Has its power cut at an operation to come.
    pub(super) fn doom(&self, operations: u64) {
        self.rig.disk.cut_power_after(operations);
    }

    /// Has it remove all segments but the last one; where that fails it dies.
    pub(super) fn trim(&mut self) {
        let trimmed = self.running.as_ref().is_none_or(|running| running.core.logs().retain(0).is_ok());
        if !trimmed {
            self.crash();
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(super) fn leads(&self) -> bool {
        self.epoch().is_some()
    }

    /// The epoch that it leads.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.running.as_ref()?.member.leads(PARTITION)
    }

    /// Gives it an input; where its store fails it dies.
    pub(super) fn step(&mut self, input: Input) -> Vec<Effect> {
        let Some(running) = &mut self.running else { return Vec::new() };
        let effects = running.member.step(input);
        match effects {
            Ok(effects) if running.core.failure().is_none() => {
                if let Some(Effect::Damaged { reason, .. }) =
                    effects.iter().find(|of| matches!(of, Effect::Damaged { .. }))
                {
                    assert!(reason.to_string().contains("power is off"), "{reason}");
                    self.crash();
                    return Vec::new();
                }
                effects
            }
            _ => {
                self.crash();
                Vec::new()
            }
        }
    }

    /// Has its store write what waits, and tells it what is durable.
    pub(super) fn drive(&mut self) -> Vec<Effect> {
        let Some(running) = &mut self.running else { return Vec::new() };
        running.core.drive();
        if running.core.failure().is_some() {
            self.crash();
            return Vec::new();
        }
        let told = std::mem::take(&mut *running.durable.lock().unwrap());
        told.into_iter().flat_map(|(partition, ticket)| self.step(Input::Durable { partition, ticket })).collect()
    }

    /// Whether it has everything that it knows to be released.
    pub(super) fn is_complete(&self) -> bool {
        let replica = self.running.as_ref().and_then(|running| running.core.replicas().get(PARTITION));
        replica.is_some_and(|replica| !replica.lacks() && replica.applied() == replica.frontier())
    }

    /// For who wonders why nothing moves.
    pub(super) fn describe(&self) -> String {
        let Some(running) = &self.running else { return "down".into() };
        format!("{:?} {:?}", running.member, running.core.replicas().get(PARTITION))
    }

    pub(super) fn partition(&self) -> Option<Partition> {
        Some(self.running.as_ref()?.core.replicas().get(PARTITION)?.partition())
    }
}
