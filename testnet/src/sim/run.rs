//! A run from start to end: trouble, then healing, then the question whether everybody goes on.

use anyhow::Result;
use pyralog_consensus::engine::EngineConfig;

use super::audit::Broken;
use super::disk::Crash;
use super::node::Node;
use super::outcome::{Outcome, Rule, Violation};
use super::plan::{Fault, Links, MS, Plan, SECOND};
use super::world::{Event, Happening, World};

/// Heights that all honest nodes must make after everything is healed.
const HEIGHTS_AFTER: u64 = 3;
/// Virtual time for that.
const PATIENCE: u64 = 120 * SECOND;

/// Runs a plan. `config`: the settings of each node's engine.
///
/// # Errors
/// The network cannot be set up.
pub(super) fn run(plan: Plan, config: impl Fn(usize) -> EngineConfig) -> Result<Outcome> {
    let mut world = World::new(plan, config)?;
    let broken = world.live().err();
    let violation = broken.map(|(rule, what)| Violation { rule, what, at_ns: world.now });
    let World { plan, trace, mut counts, audit, now, .. } = world;
    counts.txs = audit.txs;
    counts.anchors = audit.anchors;
    counts.set_changes = audit.set_changes;
    counts.punished = audit.punished.len() as u64;
    Ok(Outcome {
        seed: plan.seed,
        trace: trace.hash(),
        effects: trace.effects,
        virtual_ns: now,
        height: audit.height(),
        counts,
        violation,
    })
}

impl World {
    fn live(&mut self) -> Result<(), Broken> {
        while let Some(happening) = self.next() {
            if self.happen(happening)? {
                break;
            }
        }
        Ok(())
    }

    /// Lets one thing happen. `true` if the run is over.
    pub(super) fn happen(&mut self, happening: Happening) -> Result<bool, Broken> {
        match happening {
            Happening::Node { node, life, event } => self.at_node(node, life, event)?,
            Happening::Fault(fault) => self.fault(fault),
            Happening::PartitionEnds(number) => {
                self.partitions.remove(&number);
            }
            Happening::Heal => self.heal(),
            Happening::Load => self.load(),
            Happening::Tick => return self.tick(),
        }
        Ok(false)
    }

    fn fault(&mut self, fault: Fault) {
        if self.target.is_some() {
            return;
        }
        match fault {
            Fault::Crash { node, effects, crash, down } => self.nodes[node].fuse = Some((effects, crash, down)),
            Fault::Blackout { crash, down } => {
                for node in 0..self.nodes.len() {
                    if self.nodes[node].is_up() {
                        self.crash(node, crash, down);
                    }
                }
            }
            Fault::Partition { side, lasts } => {
                let number = self.now;
                self.partitions.insert(number, side);
                self.later(lasts, Happening::PartitionEnds(number));
            }
            Fault::ClockJump { node, ahead } => self.nodes[node].set_clock(self.now, ahead),
            Fault::Copy { node } => self.nodes[node].copy_home(),
            Fault::Restore { node, down } => {
                self.crash(node, Crash::Keep, down);
                self.nodes[node].restore_home();
            }
            Fault::Stop { node, down } => self.crash(node, Crash::Keep, down),
        }
    }

    pub(super) fn crash(&mut self, node: usize, crash: Crash, down: u64) {
        self.counts.crashes += 1;
        self.nodes[node].crash(crash, &mut self.disk_luck);
        self.post(node, down, Event::Start);
    }

    /// Links, clocks and machines are well again. The Byzantine validator is not.
    fn heal(&mut self) {
        self.links = Links::HEALTHY;
        self.partitions.clear();
        for node in 0..self.nodes.len() {
            self.nodes[node].fuse = None;
            let clock = Plan::good_clock(&mut self.disk_luck);
            self.nodes[node].set_clock(self.now, clock);
        }
        let highest = self.honest().map(Node::height).max().unwrap_or(0);
        self.target = Some(highest + HEIGHTS_AFTER);
    }

    fn load(&mut self) {
        if let Some(submission) = self.load.next(&self.audit) {
            let everybody = self.disk_luck.chance(500);
            let one = self.disk_luck.below(self.nodes.len());
            for node in (0..self.nodes.len()).filter(|node| everybody || *node == one) {
                let (reply, bundle) = (submission.reply, submission.bundle.clone());
                self.post(node, MS, Event::Submit { reply, bundle });
            }
        }
        self.later(self.plan.load_every, Happening::Load);
    }

    /// Twice a second: nodes tell their heights, the Byzantine validator floods, the run may be over.
    fn tick(&mut self) -> Result<bool, Broken> {
        self.later(500 * MS, Happening::Tick);
        if self.is_over()? {
            return Ok(true);
        }
        for node in (0..self.nodes.len()).filter(|node| self.nodes[*node].is_up()).collect::<Vec<_>>() {
            let (peers, mut height) = (self.peers(node), self.nodes[node].height());
            if let Some(byzantine) = self.byzantine.as_mut().filter(|b| b.node == node) {
                let sent = byzantine.tick(&peers, height + 1, self.now);
                height = byzantine.claim(height);
                self.send_all(node, sent);
            }
            for peer in peers {
                self.transmit(node, peer, || Event::Claim { from: node, height });
            }
        }
        Ok(false)
    }

    fn is_over(&self) -> Result<bool, Broken> {
        let Some(target) = self.target else { return Ok(false) };
        let heights: Vec<_> = self.honest().map(Node::height).collect();
        let late = self.now > self.plan.chaos + PATIENCE;
        if heights.iter().any(|height| *height < target) {
            let what = || format!("heights {heights:?} instead of {target}, {} s after healing", PATIENCE / SECOND);
            return if late { Err((Rule::Liveness, what())) } else { Ok(false) };
        }
        let caught: Vec<_> = self.honest().flat_map(|node| &node.caught).collect();
        match caught.into_iter().find(|who| !self.audit.punished.contains(who)) {
            Some(who) if late => Err((Rule::Evidence, format!("no block names {who}, who was caught signing twice"))),
            Some(_) => Ok(false),
            None => Ok(true),
        }
    }
}
