//! Histories with all rules, and one that goes wrong for every rule that is broken.

use super::super::rule::{Rule, switches};
use super::*;

/// N, R, W. In the last but one W is more than q; in the last one most members have no copy.
const SETTINGS: [(u64, usize, usize); 5] = [(3, 3, 2), (5, 3, 2), (5, 3, 3), (4, 4, 3), (5, 2, 2)];

/// Rules whose loss clients do not see, because others stand behind them: the histories show it by what the members and the epoch store
/// say, or by what never ends.
const BEHIND_OTHERS: [Rule; 4] =
    [Rule::FenceVolatile, Rule::CleanUncompared, Rule::ReleaseTooEarly, Rule::PreemptedGoesOn];
/// Rules whose loss clients see once in 10,000 histories or less often: looked for in long runs only.
const RARE: [Rule; 2] = [Rule::AttemptIgnored, Rule::FenceIgnored];

/// Seeds per setting; PYRALOG_SIM_SEEDS asks for more, and PYRALOG_SIM_FIRST for others.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let asked = |name: &str| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let first = asked("PYRALOG_SIM_FIRST").unwrap_or(0);
    first..first + asked("PYRALOG_SIM_SEEDS").unwrap_or(usual)
}

/// The first seed that goes wrong, in any setting.
fn first_violation(seeds: std::ops::Range<u64>, wish: Wish) -> Option<(u64, (u64, usize, usize), Violation)> {
    seeds.into_iter().find_map(|seed| {
        SETTINGS.into_iter().find_map(|setting| {
            let outcome = run(seed, &nodeset(setting.0, setting.1, setting.2), wish);
            outcome.violation.map(|violation| (seed, setting, violation))
        })
    })
}

/// Breaks one rule after the other; those that nobody noticed.
fn unnoticed(rules: impl Iterator<Item = Rule>, seeds: std::ops::Range<u64>, wish: Wish) -> Vec<Rule> {
    let missed = |rule: &Rule| {
        switches::BROKEN.set(Some(*rule));
        let violation = first_violation(seeds.clone(), wish);
        switches::BROKEN.set(None);
        violation.is_none()
    };
    rules.filter(missed).collect()
}

#[test]
fn no_history_breaks_an_invariant() {
    let (mut epochs, mut acknowledged, mut positions, mut early, mut lost, mut disks) = (0, 0, 0, 0, 0, 0);
    for setting in SETTINGS {
        let nodeset = nodeset(setting.0, setting.1, setting.2);
        for seed in seeds(1000) {
            let outcome = run(seed, &nodeset, Wish::default());
            if let Some(violation) = outcome.violation {
                let words = run(seed, &nodeset, Wish { words: true, ..Wish::default() }).words;
                panic!("{words}\nseed {seed}, (N, R, W) = {setting:?}: {violation:?}");
            }
            epochs += outcome.epochs;
            acknowledged += outcome.acknowledged;
            positions += outcome.positions;
            disks += outcome.disks;
            (early, lost) = (early + outcome.early.0, lost + outcome.early.1);
        }
    }
    // A simulator in which nothing happens finds nothing.
    let counts = (epochs, acknowledged, positions, early, lost, disks);
    assert!(acknowledged + early > epochs && positions > acknowledged, "{counts:?}");
    // What is acknowledged early may be lost, and nothing else is.
    assert!(lost > 0 && disks > 200, "{counts:?}");
}

#[test]
fn one_seed_gives_one_history() {
    let nodeset = nodeset(5, 3, 2);
    let digests = |words| -> Vec<u64> {
        (0..50).map(|seed| run(seed, &nodeset, Wish { words, ..Wish::default() }).digest).collect()
    };
    let first = digests(false);
    assert_eq!(first, digests(true));
    assert_ne!(first[0], first[1]);
}

#[test]
fn every_broken_rule_is_noticed() {
    let missed = unnoticed(Rule::ALL.into_iter(), 0..4000, Wish::default());
    assert!(missed.is_empty(), "no history showed that these rules are broken: {missed:?}");
}

#[test]
fn clients_notice_most_broken_rules() {
    let wish = Wish { clients_only: true, ..Wish::default() };
    let rules = Rule::ALL.into_iter().filter(|rule| !BEHIND_OTHERS.contains(rule) && !RARE.contains(rule));
    let mut missed = unnoticed(rules, 0..4000, wish);
    if std::env::var("PYRALOG_SIM_SEEDS").is_ok() {
        missed.extend(unnoticed(RARE.into_iter(), 0..30_000, wish));
    }
    assert!(missed.is_empty(), "no client saw that these rules are broken: {missed:?}");
}
