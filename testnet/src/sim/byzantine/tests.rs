use std::collections::BTreeSet;

use super::super::audit::Audit;
use super::super::disk::Disk;
use super::super::setting::{all_accounts, genesis};
use super::*;

const PEERS: [usize; 3] = [0, 2, 3];

struct Rig {
    byzantine: Byzantine,
    chain: ChainState,
    disk: SharedDisk,
}

impl Rig {
    fn new(mischief: Mischief) -> Self {
        let plan = Plan { byzantine: Some((1, mischief)), ..Plan::calm(5) };
        let genesis = genesis(&plan).unwrap();
        let chain = Audit::new(&genesis, all_accounts(4)).unwrap().chain.as_ref().clone();
        Self {
            byzantine: Byzantine::new(&plan).unwrap(),
            chain,
            disk: SharedDisk::new(Disk::with_state(genesis.state())),
        }
    }

    fn own(&mut self, step: Step, value: Option<ValueId>) -> Bytes {
        let address = self.byzantine.address;
        let signature = Signature([0; 64]);
        let statement = Statement { address, height: 1, round: 0, step, value, pol_round: None, signature };
        WireMessage::of(&self.byzantine.sign(statement), 0).unwrap().to_bytes().into()
    }

    fn twist(&mut self, bytes: &Bytes, arsenal: &[Bytes]) -> Vec<Sent> {
        self.byzantine.twist(bytes.clone(), &PEERS, &self.chain, &self.disk, arsenal)
    }
}

/// What is said in messages; all of it in its own name and rightly signed.
fn said(rig: &Rig, sent: &[Sent]) -> BTreeSet<(u64, u32, u8, Option<ValueId>)> {
    let key = node_key(1).public_key();
    let mut said = BTreeSet::new();
    for (_, bytes) in sent {
        let Ok(message) = WireMessage::from_bytes(bytes) else { continue };
        for statement in message.statements() {
            assert_eq!(statement.address, rig.byzantine.address, "it cannot speak for others");
            key.verify(&statement.sign_bytes(CHAIN), &statement.signature).unwrap();
            said.insert((statement.height, statement.round, statement.step as u8, statement.value));
        }
    }
    said
}

#[test]
fn without_mischief_it_is_honest() {
    let mut rig = Rig::new(Mischief::default());
    let value = rig.byzantine.fake_value(7);
    for (step, value) in [(Step::Prevote, None), (Step::Precommit, value), (Step::Propose, value)] {
        let message = rig.own(step, value);
        assert_eq!(rig.twist(&message, &[]), to_all(&PEERS, &message));
    }
    assert!(rig.byzantine.tick(&PEERS, 1, 5).is_empty());
    assert_eq!(rig.byzantine.claim(9), 9);
    let block = vec![(Bytes::from_static(b"block"), Bytes::from_static(b"commit"))];
    assert_eq!(rig.byzantine.answer(block.clone()), block);
}

#[test]
fn it_signs_two_votes_for_one_position() {
    let mut rig = Rig::new(Mischief { votes: true, ..Mischief::default() });
    let value = rig.byzantine.fake_value(7);
    let vote = rig.own(Step::Prevote, value);
    let sent: Vec<_> = (0..20).flat_map(|_| rig.twist(&vote, &[])).collect();
    assert_eq!(said(&rig, &sent).len(), 2, "the value and nil, at one height, round and step");
    assert!(PEERS.iter().all(|peer| sent.iter().any(|(to, _)| to == peer)));
}

#[test]
fn it_proposes_two_whole_blocks_for_one_round_or_one_with_bad_transactions() {
    for mischief in
        [Mischief { proposals: true, ..Mischief::default() }, Mischief { bad_blocks: true, ..Mischief::default() }]
    {
        let mut rig = Rig::new(mischief);
        let value = rig.byzantine.fake_value(7);
        let proposal = rig.own(Step::Propose, value);
        let arsenal = [Bytes::from_static(b"no transaction")];
        let sent: Vec<_> = (0..20).flat_map(|_| rig.twist(&proposal, &arsenal)).collect();
        let values: BTreeSet<_> = said(&rig, &sent).into_iter().map(|(.., value)| value).collect();
        assert_eq!(values.len(), 2, "{mischief:?}");
        let is_part = |bytes: &Bytes| WireMessage::from_bytes(bytes).is_ok_and(|message| message.is_part());
        assert!(sent.iter().any(|(_, bytes)| is_part(bytes)), "its parts come along");
    }
}

#[test]
fn garbage_floods_and_lies_are_what_they_say() {
    let mut rig = Rig::new(Mischief { garbage: true, ..Mischief::default() });
    let vote = rig.own(Step::Prevote, None);
    let sent: Vec<_> = (0..50).flat_map(|_| rig.twist(&vote, &[])).collect();
    assert!(sent.iter().any(|(_, bytes)| WireMessage::from_bytes(bytes).is_err()));

    let mut rig = Rig::new(Mischief { flood: true, ..Mischief::default() });
    let flood = rig.byzantine.tick(&PEERS, 4, 5);
    assert!(flood.len() >= 15 && said(&rig, &flood).len() > 5);

    let mut rig = Rig::new(Mischief { lie: true, ..Mischief::default() });
    assert!((0..50).any(|_| rig.byzantine.claim(9) > 9));
    let block = vec![(Bytes::from_static(b"block"), Bytes::from_static(b"commit"))];
    assert!((0..50).any(|_| rig.byzantine.answer(block.clone()) != block));

    let mut rig = Rig::new(Mischief { silence: true, ..Mischief::default() });
    let silent = (0..50).any(|_| {
        rig.byzantine.tick(&PEERS, 4, 5);
        rig.twist(&vote, &[]).is_empty()
    });
    assert!(silent);
}

#[test]
fn what_is_about_it_does_not_reach_its_own_engine() {
    let mut rig = Rig::new(Mischief::default());
    let own = rig.own(Step::Prevote, None);
    assert!(rig.byzantine.is_about_me(&own));
    assert!(!rig.byzantine.is_about_me(&Bytes::from_static(b"noise")));
}
