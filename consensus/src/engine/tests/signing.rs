//! Crashes, replays, marks, backups.

use bytes::Bytes;
use pyralog_crypto::{Decode, Encode};

use super::net::{MS, Net, count_reports};
use crate::block::Step;
use crate::engine::wal::Record;
use crate::engine::wire::{Body, WireMessage};
use crate::engine::{EngineConfig, Input, Report, SignMark, SignerState, WalEntry};

/// What a node sent with its own signature, without the attempt number.
fn own(net: &Net, i: usize) -> Vec<(SignMark, [u8; 64])> {
    let address = net.address(i);
    let mut found = Vec::new();
    for bytes in &net.nodes[i].sent {
        match WireMessage::from_bytes(bytes).unwrap().body {
            Body::Vote(v) if v.message.address == address => {
                let step = super::super::context::step_of(v.message.step);
                let (height, round) = (v.message.height.0, v.message.round.as_u32().unwrap());
                found.push((SignMark { height, round, step }, v.signature.0));
            }
            Body::Proposal(p) if p.message.address == address => {
                let (height, round) = (p.message.height.0, p.message.round.as_u32().unwrap());
                found.push((SignMark { height, round, step: Step::Propose }, p.signature.0));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn after_a_crash_the_recorded_signatures_are_sent_again() {
    // Nobody else hears node 0 or is heard, so its height cannot end.
    let mut net = Net::new(30, 4, 0);
    net.filter = Box::new(|ms, _, _, _| ms < 1_500);
    net.start_all();
    net.run_ms(3_000);
    let before = own(&net, 0);
    let height = net.height(0) + 1;
    let at_height: Vec<_> = before.iter().filter(|(mark, _)| mark.height == height).collect();
    assert!(!at_height.is_empty());
    net.crash(0);
    net.run_ms(50);
    net.start(0);
    net.attend(0);
    net.run_ms(150);
    assert_eq!(count_reports(&net.nodes[0], |r| matches!(r, Report::Replayed { .. })), 1);
    let after = own(&net, 0);
    assert!(!after.is_empty(), "it sends again");
    for (mark, signature) in &after {
        let recorded = before.iter().find(|(m, _)| m == mark);
        assert!(recorded.is_none_or(|(_, s)| s == signature), "the same bytes at {mark}");
    }
    assert!(after.iter().any(|(mark, _)| before.iter().any(|(m, _)| m == mark)), "recorded steps are among them");
    net.run_ms(5_000); // Net::gossip has checked every signature that left for double signs.
}

#[test]
fn crashes_at_any_moment_never_lead_to_a_double_sign() {
    let seeds = std::env::var("PYRALOG_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    for seed in 0..seeds {
        let mut net = Net::new(100 + seed, 4, 0);
        net.loss = 100;
        net.start_all();
        for k in 0..25u64 {
            if seed % 3 == 2 {
                // Node 3 votes for everything at once.
                let height = net.height(0) + 1;
                for value in [None, Some(crate::block::testing::value_id(k as u8, 7, 7))] {
                    for step in [Step::Prevote, Step::Precommit] {
                        let vote = net.forge_vote(3, step, height, (k % 3) as u32, value);
                        (0..3).for_each(|to| net.inject(3, to, vote.clone()));
                    }
                }
            }
            net.run_ms(37 + (seed * 13 + k * 29) % 240);
            let victim = ((seed + k) % if seed % 3 == 2 { 3 } else { 4 }) as usize;
            if net.nodes[victim].engine.is_some() {
                net.crash(victim);
            }
            net.run_ms(20);
            net.start(victim);
        }
        net.loss = 0;
        let target = (0..4).map(|i| net.height(i)).max().unwrap() + 3;
        println!("seed {seed}: to height {target}");
        net.run_to(target, 60_000);
        net.assert_no_fork();
    }
}

#[test]
fn nothing_leaves_before_it_is_durable() {
    let mut net = Net::new(31, 4, 0);
    net.start_all();
    net.run_ms(1_000);
    // The checks are in the harness: a signature needs its mark, and a lost WAL entry must never have left. Here: what left is in the WAL.
    let disk = net.nodes[1].disk.lock().unwrap();
    let height = disk.blocks.len() as u64 + 1;
    let logged: Vec<_> = disk
        .wal
        .iter()
        .filter_map(|bytes| match WalEntry::from_bytes(bytes).unwrap().record {
            super::super::wal::Record::Vote(v) => Some(v.signature.0),
            super::super::wal::Record::Proposal(p) => Some(p.signature.0),
            _ => None,
        })
        .collect();
    drop(disk);
    for (mark, signature) in own(&net, 1).into_iter().filter(|(mark, _)| mark.height == height) {
        assert!(logged.contains(&signature), "{mark} left without being in the WAL");
    }
}

#[test]
fn a_truncated_wal_makes_the_validator_abstain_through_that_height() {
    let mut net = Net::new(32, 4, 0);
    net.start_all();
    net.run_to(3, 6_000);
    net.crash(1);
    let through = net.height(1) + 1;
    net.nodes[1].truncated = true;
    net.start(1);
    assert_eq!(net.engine(1).signer_state(), SignerState::Abstaining { through });
    net.run_to(through + 4, 20_000);
    let signed = own(&net, 1);
    assert!(signed.iter().all(|(mark, _)| mark.height > through), "{through}: {signed:?}");
    assert!(!signed.is_empty(), "then it signs again");
    net.assert_no_fork();
}

#[test]
fn torn_wals_of_all_validators_do_not_stop_the_chain() {
    let mut net = Net::new(39, 4, 0);
    net.start_all();
    net.run_to(3, 6_000);
    net.run_ms(230); // Into the next height.
    for i in 0..4 {
        net.crash(i);
        net.nodes[i].truncated = true;
    }
    let highest = (0..4).map(|i| net.height(i)).max().unwrap();
    for i in 0..4 {
        net.start(i);
        let through = net.height(i) + 1;
        assert_eq!(net.engine(i).signer_state(), SignerState::Abstaining { through });
    }
    net.run_ms(800);
    assert!((0..4).all(|i| own(&net, i).is_empty()), "at first they leave the height to the others");
    // Nobody else decides it; no restart is needed.
    net.run_to(highest + 4, 30_000);
    net.assert_no_fork();
    assert!((0..4).all(|i| net.engine(i).signer_state() == SignerState::Active));
}

#[test]
fn a_single_validator_with_a_torn_wal_goes_on() {
    let mut net = Net::new(40, 1, 0);
    net.start_all();
    net.run_to(2, 6_000);
    net.crash(0);
    net.nodes[0].truncated = true;
    net.start(0);
    net.run_to(6, 30_000);
    net.assert_no_fork();
}

/// Our own signatures among WAL entries.
fn own_entries(net: &Net, i: usize) -> Vec<(usize, SignMark)> {
    let (address, disk) = (net.address(i), net.nodes[i].disk.lock().unwrap());
    let own = |bytes: &Bytes| {
        let entry = WalEntry::from_bytes(bytes).unwrap();
        let (who, round, step) = match entry.record {
            Record::Vote(v) => (v.message.address, v.message.round, super::super::context::step_of(v.message.step)),
            Record::Proposal(p) => (p.message.address, p.message.round, Step::Propose),
            _ => return None,
        };
        (who == address).then(|| SignMark { height: entry.height, round: round.as_u32().unwrap(), step })
    };
    disk.wal.iter().enumerate().filter_map(|(at, bytes)| Some((at, own(bytes)?))).collect()
}

/// What a node signed last at the height before.
fn last_precommit(net: &Net, i: usize) -> Option<SignMark> {
    let commit = net.blocks(i).last()?.commit.clone();
    Some(SignMark { height: commit.height.value(), round: commit.round.value(), step: Step::Precommit })
}

/// A crash may come between a timeout's entry and the vote that it led to. The vote is made again while the WAL is replayed, leaves, and must then
/// stand in the WAL: else the next start finds a mark above the WAL, and abstains although nothing is lost.
#[test]
fn a_signature_made_again_at_replay_is_logged_again() {
    let mut net = Net::new(30, 4, 0);
    net.filter = Box::new(|ms, _, _, _| ms < 1_500);
    net.start_all();
    net.run_ms(3_000);
    let height = net.height(0) + 1;
    let (at, last) = own_entries(&net, 0).into_iter().rfind(|(_, mark)| mark.height == height).unwrap();
    net.crash(0);
    {
        let mut disk = net.nodes[0].disk.lock().unwrap();
        disk.wal.truncate(at);
        assert_eq!(
            WalEntry::from_bytes(disk.wal.last().unwrap()).unwrap().height,
            height,
            "there is something to replay"
        );
    }
    let before = own_entries(&net, 0).into_iter().map(|(_, mark)| mark).max().max(last_precommit(&net, 0));
    net.nodes[0].disk.lock().unwrap().mark = before;
    net.start(0);
    net.attend(0);
    net.run_ms(150);
    assert!(own(&net, 0).iter().any(|(mark, _)| *mark == last), "{last} is made again and leaves");
    assert!(own_entries(&net, 0).iter().any(|(_, mark)| *mark == last), "and stands in the WAL");
    net.crash(0);
    net.start(0);
    net.attend(0);
    net.run_ms(150);
    assert_eq!(net.engine(0).signer_state(), SignerState::Active, "so that nothing is missing at the next start");
}

/// What a node signs after its WAL lost everything from some entry on, for every entry: with an honest disk the mark is no higher than what is
/// left, and whatever is signed again has the same bytes; where the mark is higher, nothing is signed at that height.
#[test]
fn whatever_the_wal_lost_nothing_is_signed_twice() {
    let mut net = Net::new(41, 4, 0);
    net.filter = Box::new(|ms, _, _, _| ms < 1_500);
    net.start_all();
    net.run_ms(6_000);
    let (height, all) = (net.height(0) + 1, own_entries(&net, 0));
    let (wal, mark) = {
        let disk = net.nodes[0].disk.lock().unwrap();
        (disk.wal.clone(), disk.mark.unwrap())
    };
    let before = last_precommit(&net, 0);
    assert!(mark.height == height && all.last().map(|(_, mark)| *mark) >= Some(mark));
    let (mut again, mut silent) = (0, 0);
    for cut in 0..=wal.len() {
        let logged = all.iter().rfind(|(at, _)| *at < cut).map(|(_, mark)| *mark);
        for honest in [true, false] {
            net.crash(0);
            {
                let mut disk = net.nodes[0].disk.lock().unwrap();
                disk.wal = wal[..cut].to_vec();
                disk.mark = if honest { logged.max(before) } else { Some(mark) };
            }
            let kept = net.nodes[0].disk.lock().unwrap().mark;
            // Above the mark nothing ever left.
            net.nodes[0].signed.retain(|mark, _| Some(*mark) <= kept);
            net.nodes[0].truncated = true;
            net.start(0);
            net.attend(0);
            // Past the time that is left to the others.
            net.run_ms(2_500);
            // Net::gossip compares every signature that leaves with all before it.
            let signed = own(&net, 0).into_iter().filter(|(mark, _)| mark.height == height).count();
            if honest || logged >= Some(mark) {
                again += usize::from(signed > 0);
            } else {
                assert_eq!(signed, 0, "cut at {cut} below the mark {mark}");
                silent += 1;
            }
        }
    }
    assert!(again > wal.len() / 2 && silent > 1, "{again} and {silent} of {}", wal.len());
}

#[test]
fn a_lost_wal_below_the_mark_makes_the_validator_abstain() {
    let mut net = Net::new(33, 4, 0);
    net.start_all();
    net.run_to(3, 6_000);
    net.filter = Box::new(|_, _, _, _| false);
    net.run_ms(1_000);
    net.crash(1);
    let mark = net.nodes[1].disk.lock().unwrap().mark.unwrap();
    assert_eq!(mark.height, net.height(1) + 1, "it signed at the height under way");
    net.nodes[1].disk.lock().unwrap().wal.clear();
    net.filter = Box::new(|_, _, _, _| true);
    net.start(1);
    net.run_ms(150);
    assert_eq!(net.engine(1).signer_state(), SignerState::Abstaining { through: mark.height });
    net.run_to(mark.height + 3, 30_000);
    assert!(own(&net, 1).iter().all(|(m, _)| m.height > mark.height));
    assert_eq!(net.engine(1).signer_state(), SignerState::Active);
    net.assert_no_fork();
}

#[test]
fn a_restored_backup_is_noticed_and_signs_nothing_until_resumed() {
    let mut net = Net::new(34, 4, 0);
    net.start_all();
    net.run_to(3, 6_000);
    // The backup: blocks, WAL and mark of height 3.
    net.crash(2);
    let (blocks, wal, mark) = {
        let disk = net.nodes[2].disk.lock().unwrap();
        (disk.blocks.clone(), disk.wal.clone(), disk.mark)
    };
    net.start(2);
    net.run_to(20, 20_000);
    net.crash(2);
    {
        let mut disk = net.nodes[2].disk.lock().unwrap();
        (disk.blocks, disk.wal, disk.mark) = (blocks, wal, mark);
    }
    net.run_ms(300);
    net.nodes[2].config.observe_ns = 500 * MS;
    net.start(2);
    net.run_to(23, 20_000);
    assert!(
        matches!(net.engine(2).signer_state(), SignerState::Suspended { .. }),
        "{:?}",
        net.engine(2).signer_state()
    );
    assert_eq!(own(&net, 2), [], "nothing was signed");
    net.step(2, Input::SignerResume);
    let target = net.height(0) + 4;
    net.run_to(target, 20_000);
    assert_eq!(net.engine(2).signer_state(), SignerState::Active);
    assert!(!own(&net, 2).is_empty());
    net.assert_no_fork();
}

#[test]
fn a_second_process_with_the_same_key_suspends_the_first() {
    let mut net = Net::new(35, 4, 0);
    net.start_all();
    net.run_to(3, 6_000);
    let foreign = net.forge_vote(1, Step::Prevote, net.height(1) + 40, 0, None);
    net.inject(0, 1, foreign);
    net.run_ms(100);
    assert!(matches!(net.engine(1).signer_state(), SignerState::Suspended { .. }));
    net.run_ms(300);
    net.nodes[1].sent.clear();
    let height = net.height(0);
    net.run_to(height + 4, 20_000);
    assert_eq!(own(&net, 1), []);
    net.assert_no_fork();
    net.step(1, Input::SignerResume);
    assert!(matches!(net.engine(1).signer_state(), SignerState::Abstaining { .. }), "through the height that was seen");
}

#[test]
fn a_resumed_signer_signs_again_behind_the_height_that_was_seen() {
    let mut net = Net::new(39, 4, 0);
    net.start_all();
    net.run_to(3, 6_000);
    let foreign = net.forge_vote(1, Step::Precommit, net.height(1) + 1, 0, None);
    net.inject(0, 1, foreign);
    net.run_ms(100);
    assert!(matches!(net.engine(1).signer_state(), SignerState::Suspended { .. }));
    net.step(1, Input::SignerResume);
    net.nodes[1].sent.clear();
    let target = net.height(0) + 6;
    net.run_to(target, 20_000);
    assert_eq!(net.engine(1).signer_state(), SignerState::Active);
    assert!(!own(&net, 1).is_empty());
    net.assert_no_fork();
}

#[test]
fn who_decides_alone_stands_at_a_height_that_it_gave_up_until_it_is_started_again() {
    let mut net = Net::new(40, 1, 0);
    net.start_all();
    net.run_to(3, 6_000);
    let height = net.height(0) + 1;
    let foreign = net.forge_vote(0, Step::Prevote, height, 5, None);
    net.inject(0, 0, foreign);
    net.run_ms(20);
    net.step(0, Input::SignerResume);
    net.run_ms(5_000);
    assert_eq!(net.engine(0).signer_state(), SignerState::Abstaining { through: height });
    assert_eq!(net.height(0) + 1, height, "nobody else decides it");
    // What was seen is in the WAL: it is sent again as it is, and nothing new is signed at or below it.
    net.crash(0);
    net.nodes[0].sent.clear();
    net.start(0);
    net.run_ms(5_000);
    assert!(net.height(0) > height);
    let seen = SignMark { height, round: 5, step: Step::Prevote };
    let sent = own(&net, 0);
    assert!(sent.iter().all(|(mark, _)| *mark >= seen));
    assert_eq!(sent.iter().filter(|(mark, _)| *mark == seen).count(), 1);
}

#[test]
fn an_invented_signature_suspends_nobody() {
    let mut net = Net::new(36, 4, 0);
    net.start_all();
    net.run_to(2, 6_000);
    let real = net.forge_vote(1, Step::Prevote, 50, 0, None);
    let mut message = WireMessage::from_bytes(&real).unwrap();
    let Body::Vote(vote) = &mut message.body else { panic!() };
    vote.signature.0[5] ^= 1;
    net.inject(0, 1, message.to_bytes().into());
    net.run_ms(100);
    assert_eq!(net.engine(1).signer_state(), SignerState::Active);
}

#[test]
fn evidence_survives_a_crash() {
    let mut net = Net::new(37, 4, 0);
    net.start_all();
    net.run_to(2, 6_000);
    // Only node 0 sees the double vote, and loses the network at once, so that nobody else hears of it.
    let height = net.height(0) + 1;
    for value in [None, Some(crate::block::testing::value_id(7, 7, 7))] {
        let vote = net.forge_vote(3, Step::Prevote, height, 0, value);
        net.inject(3, 0, vote);
    }
    net.filter = Box::new(|_, from, _, bytes| {
        let evidence = matches!(WireMessage::from_bytes(bytes).map(|m| m.body), Ok(Body::Evidence(_)));
        !(from == 0 && evidence)
    });
    let seen = |net: &Net| count_reports(&net.nodes[0], |r| matches!(r, Report::Equivocation { .. })) > 0;
    for _ in 0..200 {
        net.run_ms(5);
        if seen(&net) {
            break;
        }
    }
    assert!(seen(&net));
    let punished = |net: &Net| net.engine(1).app().punished.len();
    net.run_ms(210);
    if punished(&net) == 0 {
        net.crash(0);
        net.start(0);
    }
    net.run_to(height + 8, 30_000);
    assert_eq!(punished(&net), 1, "{:?}", net.nodes[0].reports);
    net.assert_no_fork();
}

#[test]
fn recovery_is_deterministic_and_damage_is_refused() {
    let mut net = Net::new(38, 4, 0);
    net.start_all();
    net.run_to(2, 6_000);
    net.run_ms(60);
    net.crash(0);
    net.nodes[0].disk.lock().unwrap().wal.push(Bytes::from_static(b"\x01\x09garbage"));
    let disk = net.nodes[0].disk.clone();
    let recover = || {
        let disk = disk.lock().unwrap();
        crate::engine::Engine::recover(crate::engine::Recovery {
            config: EngineConfig::DEFAULTS,
            chain: (*disk.blocks.last().unwrap().chain).clone(),
            app: super::net::TestApp::new(),
            txs: Box::new(crate::application::NoTxs),
            history: Box::new(crate::engine::NoHistory),
            signer: None,
            wal: crate::engine::WalRecovery { entries: disk.wal.clone(), truncated: false },
            mark: None,
            number: 1,
        })
        .err()
    };
    let index = disk.lock().unwrap().wal.len() - 1;
    assert!(matches!(recover(), Some(crate::error::EngineError::Wal { index: i, .. }) if i == index));
    disk.lock().unwrap().wal.pop();
    assert!(
        matches!(recover(), Some(crate::error::EngineError::Chain(_))),
        "without the last commit it cannot propose"
    );
}
