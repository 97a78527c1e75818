//! Random histories: money is never made or lost, nonces never go back, two runs give the same bytes.

use bytes::Bytes;
use proptest::prelude::*;

use crate::{
    application::{Application, Misbehavior},
    ledger::{Ledger, LedgerOptions, POWER_UNIT, testkit::*},
    tx::{LogName, Message},
};

/// What somebody tries; most of it is wrong in some state.
#[derive(Clone, Debug)]
enum Attempt {
    Transfer { from: u8, to: u8, amount: u64, nonce_off: u64, fee: Option<u64> },
    Bond { owner: u8, validator: u8, amount: u64 },
    Unbond { owner: u8, validator: u8, amount: u64 },
    Register { payer: u8, owner: u8 },
    Rotate { signer: u8, log: u8, to: u8 },
    Anchor { log: u8, grow: u64, old_off: u64 },
    Garbage(Vec<u8>),
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let who = 0u8..6;
    let amount = prop_oneof![1u64..5000, Just(RICH), Just(RICH / 2), Just(u64::MAX), Just(0)];
    let stake = prop_oneof![Just(1u64), Just(POWER_UNIT), (1u64..12 * POWER_UNIT)];
    prop_oneof![
        6 => (who.clone(), 0u8..20, amount, prop_oneof![9 => Just(0u64), 1 => 1u64..3], proptest::option::weighted(0.1, 0u64..9000))
            .prop_map(|(from, to, amount, nonce_off, fee)| Attempt::Transfer { from, to, amount, nonce_off, fee }),
        2 => (who.clone(), 100u8..105, stake.clone()).prop_map(|(owner, validator, amount)| Attempt::Bond { owner, validator, amount }),
        2 => (who.clone(), 100u8..105, stake).prop_map(|(owner, validator, amount)| Attempt::Unbond { owner, validator, amount }),
        1 => (who.clone(), 200u8..205).prop_map(|(payer, owner)| Attempt::Register { payer, owner }),
        1 => (200u8..205, 200u8..203, 200u8..205).prop_map(|(signer, log, to)| Attempt::Rotate { signer, log, to }),
        3 => (200u8..203, 1u64..6, prop_oneof![4 => Just(0u64), 1 => 1u64..3]).prop_map(|(log, grow, old_off)| Attempt::Anchor { log, grow, old_off }),
        1 => prop::collection::vec(any::<u8>(), 0..80).prop_map(Attempt::Garbage),
    ]
}

fn bundle(chain: &TestChain, logs: &mut [TestLog], attempt: &Attempt) -> Vec<Bytes> {
    match attempt {
        Attempt::Transfer { from, to, amount, nonce_off, fee } => {
            let mut draft =
                chain.draft(&[*from], vec![Message::Transfer { signer: 0, to: address(*to), amount: *amount }]);
            draft.body.signers[0].nonce += nonce_off;
            draft.fee = *fee;
            vec![draft.bytes()]
        }
        Attempt::Bond { owner, validator, amount } => vec![chain.bond(*owner, *validator, *amount)],
        Attempt::Unbond { owner, validator, amount } => vec![chain.unbond(*owner, *validator, *amount)],
        Attempt::Register { payer, owner } => {
            let name = LogName::new("notary").unwrap();
            vec![chain.tx(&[*payer], vec![Message::RegisterLog { owner: public(*owner), name }])]
        }
        Attempt::Rotate { signer, log, to } => {
            let rotate = Message::RotateLogKey { signer: 1, log: log_id(*log), new_owner: public(*to) };
            vec![chain.tx(&[0, *signer], vec![rotate])]
        }
        Attempt::Anchor { log, grow, old_off } => {
            let log = &mut logs[usize::from(*log) - 200];
            log.grow(*grow);
            let old = chain.ledger.log(&log.id).unwrap().map_or(0, |record| record.size);
            let size = log.blake3.size();
            log.bundle((old + old_off).min(size), size)
        }
        Attempt::Garbage(bytes) => vec![bytes.clone().into()],
    }
}

type Step = (Vec<Attempt>, Option<u8>);

fn history() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((prop::collection::vec(attempt(), 0..12), proptest::option::weighted(0.1, 100u8..103)), 1..10)
}

fn evidence(chain: &TestChain, against: Option<u8>) -> Vec<Misbehavior> {
    let height = chain.state.height;
    against.filter(|_| height > 0).map(|v| double_sign(chain, v, height)).into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn random_histories(history in history()) {
        let mut chain = TestChain::new();
        let mut twin = TestChain::new();
        let mut logs: Vec<_> = (200u8..205).map(TestLog::new).collect();
        let mut nonces = [0u64; 6];
        for (attempts, against) in &history {
            let evidence = evidence(&chain, *against);
            let candidates: Vec<Bytes> = attempts.iter().flat_map(|a| bundle(&chain, &mut logs, a)).collect();
            // Whatever is refused as a block must be dropped by prepare_proposal, and the rest must pass.
            let ctx = chain.ctx();
            let alone = chain.ledger.process_proposal(&ctx, &candidates, &[]).is_ok();
            chain.ledger.executed.clear();
            let mut chosen = chain.ledger.prepare_proposal(&ctx, candidates.clone(), 1 << 20);
            prop_assert_eq!(alone, chosen == candidates);
            if !evidence.is_empty() && chain.ledger.process_proposal(&ctx, &chosen, &evidence).is_err() {
                // Evidence runs first and may take what a transaction of the block needs.
                chosen.clear();
            }
            chain.ledger.executed.clear();
            // Supply and counters are checked after each block by the test kit.
            let one = chain.try_block(&chosen, &evidence).unwrap();
            // The twin never prepares, checks or caches, and is opened anew.
            twin.ledger = Ledger::open(Box::new(twin.store.clone()), CHAIN, LedgerOptions::default()).unwrap();
            let ctx = twin.ctx();
            let two = twin.ledger.finalize_block(&ctx, &chosen, &evidence).unwrap();
            prop_assert_eq!(&one, &two);
            twin.adopt(&ctx, &two);
            for n in 0..6u8 {
                let nonce = chain.nonce(n);
                prop_assert!(nonce >= nonces[usize::from(n)]);
                nonces[usize::from(n)] = nonce;
            }
        }
        prop_assert_eq!(chain.store.snapshot(), twin.store.snapshot());
        prop_assert_eq!(chain.app_hashes, twin.app_hashes);
    }

    /// What the check accepts of a next transaction, a block accepts, and the other way round.
    #[test]
    fn check_and_process_agree(attempts in prop::collection::vec(attempt(), 1..20)) {
        let mut chain = TestChain::new();
        chain.blocks(1);
        let mut logs: Vec<_> = (200u8..205).map(TestLog::new).collect();
        for attempt in &attempts {
            if matches!(attempt, Attempt::Transfer { nonce_off, .. } if *nonce_off > 0) {
                continue;
            }
            let bundle = bundle(&chain, &mut logs, attempt);
            let checked = chain.ledger.check_bundle(&bundle);
            let ctx = chain.ctx();
            let processed = chain.ledger.process_proposal(&ctx, &bundle, &[]);
            prop_assert_eq!(checked.is_ok(), processed.is_ok(), "{:?} {:?}", checked, processed);
            chain.ledger.executed.clear();
        }
    }
}
