//! Planted faults: the simulator must catch each within few seeds, by the rule that it breaks.

use std::collections::BTreeMap;

use pyralog_consensus::engine::{Canary, EngineConfig};

use super::plan::Plan;
use super::run::run;
use super::{Outcome, Rule};

/// Seeds until a canary must be caught.
const SEEDS: u64 = 60;

/// Runs seeds with a fault planted in the engines of `who` until all of `rules` caught it. Gives how often each rule did.
fn catch(canary: Canary, who: fn(usize) -> bool, rules: &[Rule]) -> BTreeMap<Rule, u64> {
    let mut caught = BTreeMap::new();
    for seed in 1..=SEEDS {
        let plan = Plan::of(seed);
        let base = plan.engine.clone();
        let config =
            |node: usize| EngineConfig { canary: if who(node) { canary } else { Canary::NONE }, ..base.clone() };
        let outcome: Outcome = run(plan, config).unwrap();
        if let Some(violation) = outcome.violation {
            *caught.entry(violation.rule).or_insert(0) += 1;
        }
        if rules.iter().all(|rule| caught.contains_key(rule)) {
            return caught;
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

/// A node that forgot its lock is refused its next signature by the guard and then signs nothing more at that height. So after a power cut
/// everywhere the height is never decided: that is what shows, not a vote against the lock.
#[test]
fn lock_forgotten_at_replay() {
    catch(Canary { lock_forgotten: true, ..Canary::NONE }, |_| true, &[Rule::Liveness]);
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
