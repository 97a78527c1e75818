use pyralog_consensus::application::Application;

use super::super::rig_test::grown;
use super::super::setting::genesis;
use super::*;

/// Submits what is made to a real ledger: what must be refused is, and the rest is taken. Gives how many of either.
fn judged(load: &mut Load, audit: &Audit, rounds: usize) -> (usize, usize) {
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..rounds {
        let Some(Submission { reply, bundle }) = load.next(audit) else { continue };
        let answer = audit.ledger.check_bundle(&bundle);
        match load.must_refuse(reply, audit.height()) {
            Some(what) => {
                assert!(answer.is_err(), "{what} is taken at height {}", audit.height());
                refused += 1;
            }
            None => {
                assert!(answer.is_ok(), "{answer:?} at height {}", audit.height());
                taken += 1;
            }
        }
    }
    (taken, refused)
}

#[test]
fn what_is_called_hostile_is_and_the_rest_is_not() {
    let plan = Plan::calm(2);
    let audit = Audit::new(&genesis(&plan).unwrap(), all_accounts(plan.nodes())).unwrap();
    let (taken, refused) = judged(&mut Load::new(&plan), &audit, 300);
    assert!(taken > 150 && refused > 30, "{taken} and {refused}");
    // Also where there are anchors, past transactions and stakes.
    let mut world = grown(Plan::calm(3), 12);
    assert!(world.audit.anchors > 0 && !world.audit.last_txs.is_empty());
    let (taken, refused) = judged(&mut world.load, &world.audit, 300);
    assert!(taken > 150 && refused > 60, "{taken} and {refused}");
}

#[test]
fn every_kind_of_hostile_transaction_comes() {
    let mut world = grown(Plan::calm(3), 12);
    let mut kinds = std::collections::BTreeSet::new();
    for _ in 0..600 {
        if let Some(submission) = world.load.next(&world.audit) {
            kinds.extend(world.load.must_refuse(submission.reply, world.audit.height()));
        }
    }
    assert!(kinds.len() >= 8, "{kinds:?}");
    assert!(world.load.arsenal.len() <= 8, "and few are kept");
}

#[test]
fn a_node_that_is_behind_may_take_what_is_refused_later() {
    let plan = Plan::calm(2);
    let mut load = Load::new(&plan);
    load.hostile.insert(1, (5, "an example"));
    assert_eq!(
        (load.must_refuse(1, 4), load.must_refuse(1, 5), load.must_refuse(2, 9)),
        (None, Some("an example"), None)
    );
}
