//! Histories under a seed: loss, reorder, duplicates, replays, crashes, clocks that jump, demands for renewal, load.

use std::time::Duration;

use super::net::Faults;
use super::*;

/// How long two nodes that are up may believe different keys while the network does its worst, and when it is good again.
const WORST: Duration = secs(60);
const GOOD: Duration = secs(16);

/// One history. The violation, where there is one.
fn history(seed: u64) -> Checked {
    let mut net = Net::pair(seed);
    let late = [0, 50, 400, 3_000][net.below(4) as usize];
    let lost = [0, 100, 300][net.below(3) as usize];
    net.faults = Faults { lost, doubled: 100, late };
    net.nodes[1].ahead = secs(u64::from(net.below(10_000)));
    if net.chance(200) {
        // One side knows no address.
        net.nodes[1].begins.clear();
        net.nodes[1].answers.push(0);
    }
    for n in 0..2 {
        net.start(n);
        let pause = u64::from(net.below(40));
        net.run_for(millis(pause));
    }
    let mut apart = Duration::ZERO;
    let steps = 250;
    for step in 0..steps {
        event(&mut net);
        for _ in 0..4 {
            net.run_for(millis(500));
            apart = if net.differ(0, 1) { apart + millis(500) } else { Duration::ZERO };
            check(apart <= WORST, &format!("step {step}: two keys for {apart:?}"))?;
        }
        net.violation.clone().map_or(Ok(()), Err)?;
    }
    // The network is good again.
    net.faults = Faults::default();
    for n in 0..2 {
        if net.nodes[n].machine.is_none() {
            net.start(n);
        }
    }
    net.run_for(GOOD + secs(12));
    check(!net.differ(0, 1), "two keys although the network is good again")?;
    // At the latest when the key is renewed both have one.
    net.run_for(REKEY_AFTER_INITIATOR + GOOD);
    check(net.agree(0, 1), "no key although the network is good again")?;
    for _ in 0..200 {
        net.run_for(secs(2));
        apart = if net.differ(0, 1) { apart + secs(2) } else { Duration::ZERO };
        check(apart <= GOOD, "two keys in a good network")?;
    }
    net.violation.clone().map_or(Ok(()), Err)
}

/// Something happens, or nothing.
fn event(net: &mut Net) {
    let n = net.below(2) as usize;
    match net.below(100) {
        0..=1 => net.crash(n),
        2..=9 if net.nodes[n].machine.is_none() => net.start(n),
        10..=11 => {
            let peer = net.id(1 - n);
            net.input(n, Input::Renew(peer));
        }
        12..=13 => net.input(n, Input::Loaded),
        14 => {
            let jump = u64::from(net.below(400));
            net.nodes[n].ahead += secs(jump);
        }
        15..=25 if !net.sent.is_empty() => {
            // Somebody has listened, and says it again.
            let which = net.below(net.sent.len() as u32) as usize;
            let packet = net.sent[which].clone();
            net.deliver(&packet);
        }
        26 => {
            // Both at once.
            for n in [0, 1] {
                let peer = net.id(1 - n);
                net.input(n, Input::Renew(peer));
            }
        }
        _ => {}
    }
}

/// Seeds; PYRALOG_SIM_SEEDS asks for more, and PYRALOG_SIM_FIRST for others.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let asked = |name: &str| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let first = asked("PYRALOG_SIM_FIRST").unwrap_or(0);
    first..first + asked("PYRALOG_SIM_SEEDS").unwrap_or(usual)
}

#[test]
fn every_history_ends_with_one_key() {
    for seed in seeds(12) {
        if let Err(violation) = history(seed) {
            panic!("seed {seed}: {violation}");
        }
    }
}
