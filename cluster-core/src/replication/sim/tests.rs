//! Histories with all rules, and one that breaks for every rule that is broken.

use super::super::rule::{Rule, switches};
use super::*;

/// Seeds per setting; PYRALOG_SIM_SEEDS asks for more.
fn seeds(usual: u64) -> u64 {
    std::env::var("PYRALOG_SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(usual)
}

/// N, R, W.
const SETTINGS: [(u64, usize, usize); 5] = [(3, 3, 2), (5, 3, 2), (5, 3, 3), (4, 4, 3), (5, 2, 2)];

/// Runs seeds with all rules; what went wrong, in words.
fn search(setting: (u64, usize, usize), seeds: std::ops::Range<u64>) -> Result<[usize; 3], String> {
    let nodeset = nodeset(setting.0, setting.1, setting.2);
    let mut sums = [0; 3];
    for seed in seeds {
        let outcome = run(seed, &nodeset, false);
        if let Some(violation) = outcome.violation {
            let words = run(seed, &nodeset, true).words;
            return Err(format!("{words}\nseed {seed} of {setting:?}: {violation:?}"));
        }
        for (sum, one) in sums.iter_mut().zip([outcome.epochs, outcome.acknowledged, outcome.positions]) {
            *sum += one;
        }
    }
    Ok(sums)
}

#[test]
fn no_history_breaks_an_invariant() {
    for setting in SETTINGS {
        let start = std::time::Instant::now();
        match search(setting, 0..seeds(800)) {
            Ok(sums) => println!("{setting:?}: epochs, acknowledged, positions {sums:?} {:?}", start.elapsed()),
            Err(words) => panic!("{words}"),
        }
    }
}

#[test]
fn one_seed_gives_one_history() {
    for seed in 0..20 {
        let nodeset = nodeset(5, 3, 2);
        let (first, second) = (run(seed, &nodeset, false), run(seed, &nodeset, true));
        assert_eq!(first.digest, second.digest, "seed {seed}");
    }
}

#[test]
fn every_broken_rule_is_noticed() {
    let mut missed = Vec::new();
    let only = std::env::var("ONLY").unwrap_or_default();
    for rule in Rule::ALL.into_iter().filter(|rule| format!("{rule:?}").contains(&only)) {
        switches::BROKEN.set(Some(rule));
        let start = std::time::Instant::now();
        let caught = (0..seeds(1500)).find_map(|seed| {
            SETTINGS.iter().find_map(|setting| {
                let outcome = run(seed, &nodeset(setting.0, setting.1, setting.2), false);
                outcome.violation.map(|violation| (seed, *setting, violation))
            })
        });
        switches::BROKEN.set(None);
        match caught {
            Some((seed, setting, violation)) => {
                println!(
                    "{rule:?}: seed {seed} {setting:?} {:?} {:?} {}",
                    start.elapsed(),
                    violation.invariant,
                    violation.what
                );
            }
            None => {
                println!("{rule:?}: NOT noticed in {:?}", start.elapsed());
                missed.push(rule);
            }
        }
    }
    assert_eq!(missed, [], "not noticed");
}
