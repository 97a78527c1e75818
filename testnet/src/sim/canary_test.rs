//! Planted faults: the simulator must catch each within few seeds, by the rule that it breaks.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use pyralog_consensus::engine::{Canary, EngineConfig};

use super::plan::Plan;
use super::rig_test::crashing;
use super::run::run;
use super::{Outcome, Rule};

/// Seeds until a canary must be caught.
const SEEDS: u64 = 60;

fn catch(canary: Canary, who: fn(usize) -> bool, rules: &[Rule]) {
    catch_in(Plan::of, canary, who, rules);
}

/// Runs seeds with a fault planted in the engines of `who` until each of `rules` caught it.
fn catch_in(plan: fn(u64) -> Plan, canary: Canary, who: fn(usize) -> bool, rules: &[Rule]) {
    let mut caught = BTreeMap::new();
    for seed in 1..=SEEDS {
        let plan = plan(seed);
        let base = plan.engine.clone();
        let config =
            |node: usize| EngineConfig { canary: if who(node) { canary } else { Canary::NONE }, ..base.clone() };
        let outcome: Outcome = run(plan, config).unwrap();
        if let Some(violation) = outcome.violation {
            *caught.entry(violation.rule).or_insert(0) += 1;
        }
        if rules.iter().all(|rule| caught.contains_key(rule)) {
            return;
        }
    }
    panic!("{canary:?} was caught by {caught:?} only, not by all of {rules:?}, in {SEEDS} seeds");
}

#[test]
fn quorum_off_by_one() {
    catch(Canary { quorum_off_by_one: true, ..Canary::NONE }, |_| true, &[Rule::Quorum]);
}

#[test]
fn wal_not_synced() {
    catch(Canary { wal_not_synced: true, ..Canary::NONE }, |_| true, &[Rule::Durability]);
}

/// A node that forgot its lock signs on above its last signature, and sooner or later against the lock. (Where all forget everything nobody gets
/// back to the round under way, and nothing is signed at all.)
#[test]
fn lock_forgotten_at_replay() {
    catch_in(crashing, Canary { lock_forgotten: true, ..Canary::NONE }, |node| node < 2, &[Rule::Lock]);
    catch_in(crashing, Canary { lock_forgotten: true, ..Canary::NONE }, |node| node == 1, &[Rule::Lock]);
}

/// The same plans without a fault: it is the fault that is caught, not the plan.
#[test]
fn nothing_is_caught_without_a_fault() {
    for seed in 1..=10 {
        let (plan, base) = (crashing(seed), crashing(seed).engine);
        let outcome = run(plan, |_| base.clone()).unwrap();
        assert_eq!(outcome.violation, None, "{outcome}");
        assert!(outcome.counts.replays > 0 && outcome.counts.late_rounds > 0, "{outcome}");
    }
}

/// A node that comes back as it was before signs again what it signed then, unless it asks the others first.
#[test]
fn home_restored() {
    catch_in(Plan::restored, Canary { unattended: true, ..Canary::NONE }, |node| node == 0, &[Rule::DoubleSign]);
    let mut suspended = 0;
    for seed in 1..=20 {
        let base = Plan::restored(seed).engine;
        let outcome = run(Plan::restored(seed), |_| base.clone()).unwrap();
        assert_eq!(outcome.violation, None, "{outcome}");
        suspended += outcome.counts.suspensions;
    }
    assert!(suspended > 10, "{suspended} of 20 copies learnt what they had signed");
}

#[test]
fn proposer_differs() {
    catch(Canary { wrong_proposer: true, ..Canary::NONE }, |node| node == 1, &[Rule::Blame]);
}

#[test]
fn time_rule_off() {
    catch(Canary { time_rule_off: true, ..Canary::NONE }, |node| node == 1, &[Rule::Time]);
    catch(Canary { time_rule_off: true, ..Canary::NONE }, |_| true, &[Rule::Time]);
}
