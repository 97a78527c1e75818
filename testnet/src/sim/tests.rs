use super::cli::{self, SimArgs};
use super::*;

/// Seeds that the ordinary tests run.
const SEEDS: u64 = 200;

#[test]
fn hundreds_of_seeds_hold_every_rule() {
    let (counts, failures) = cli::many(1, SEEDS, |_, _| {}).unwrap();
    let failed: String = failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{failed}");
    // A simulation in which nothing happens proves nothing.
    let Counts { crashes, replays, abstentions, txs, anchors, refused, set_changes, .. } = counts;
    assert!(crashes > SEEDS && replays > SEEDS / 4 && abstentions > 0, "{counts:?}");
    assert!(txs > SEEDS * 10 && anchors > SEEDS * 3 && refused > SEEDS * 4 && set_changes > SEEDS / 2, "{counts:?}");
    let Counts { late_rounds, synced, untimely, invalid_blocks, rejected, punished, suspensions, .. } = counts;
    assert!(late_rounds > SEEDS && synced > SEEDS && untimely > 0 && suspensions > SEEDS / 32, "{counts:?}");
    assert!(invalid_blocks > 0 && rejected > SEEDS && punished > SEEDS / 20, "{counts:?}");
}

#[test]
fn a_seed_run_twice_gives_one_trace() {
    let mut traces = std::collections::BTreeSet::new();
    for seed in [3, 7, 42, 1_000_003] {
        let (first, second) = (simulate(seed).unwrap(), simulate(seed).unwrap());
        assert_eq!(first, second, "seed {seed}");
        assert!(first.effects > 1_000 && first.height > 2, "{first}");
        traces.insert(first.trace);
    }
    assert_eq!(traces.len(), 4, "and seeds differ");
}

#[test]
fn the_command_prints_one_document() {
    let args = SimArgs { seed: Some(5), seeds: 1, json: true };
    let (text, held) = cli::run(&args).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(held, "{text}");
    assert_eq!(document["seed"], 5);
    assert_eq!(document["trace"].as_str().map(str::len), Some(64));
    let (text, held) = cli::run(&SimArgs { seed: None, seeds: 2, json: true }).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(held && document["failures"].as_array().is_some_and(Vec::is_empty), "{text}");
}

#[test]
fn a_failure_says_how_to_replay_it() {
    let violation = Some(Violation { rule: Rule::Agreement, what: "two blocks".into(), at_ns: 5_000_000 });
    let outcome = Outcome { violation, ..simulate(3).unwrap() };
    let text = outcome.to_string();
    assert!(text.contains("VIOLATION of Agreement after 5 ms: two blocks"), "{text}");
    assert!(text.contains("make sim SEED=3"), "{text}");
}

/// A power cut that tears the WALs of more than a third at once: nobody decides the height without them, and no operator comes.
#[test]
fn torn_wals_of_more_than_a_third_at_once_do_not_stop_the_chain() {
    let mut many = 0;
    for seed in 1..=20 {
        let plan = rig_test::torn(seed);
        let config = plan.engine.clone();
        let outcome = run::run(plan, |_| config.clone()).unwrap();
        assert_eq!(outcome.violation, None, "{outcome}");
        let Counts { abstentions, crashes, .. } = outcome.counts;
        // All nodes crash at once each time: if more than a third of all starts had to abstain, then more than a third after some one crash.
        many += u32::from(abstentions * 3 > crashes);
    }
    assert!(many >= 5, "{many} of 20 seeds");
}
