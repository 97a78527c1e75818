//! Signatures verified beside the ledger that uses them.

use pyralog_crypto::Signature;

use crate::{
    application::Application,
    ledger::{Ledger, LedgerOptions, VerifiedSignatures, signatures::VerifiedId, testkit::*},
    tx::{Authorization, Message, TxError, tx_hash},
};

fn beside(chain: &TestChain, signatures: &VerifiedSignatures) -> Ledger {
    Ledger::open(Box::new(chain.store.clone()), CHAIN, LedgerOptions::default()).unwrap().sharing(signatures)
}

fn knows(signatures: &VerifiedSignatures, tx: &[u8]) -> bool {
    signatures.0.is_verified(&VerifiedId::signed(tx_hash(tx)))
}

#[test]
fn what_is_verified_ahead_is_known_to_a_ledger_that_shares_the_memory_and_to_no_other() {
    let chain = TestChain::new();
    let (shared, other) = (VerifiedSignatures::default(), VerifiedSignatures::default());
    let txs = [chain.transfer(0, 1, 5), chain.transfer(2, 1, 5)];
    let views: Vec<&[u8]> = txs.iter().map(AsRef::as_ref).collect();
    assert_eq!(beside(&chain, &shared).verify_ahead(&views), [Ok(()), Ok(())]);
    for tx in &txs {
        assert!(knows(&shared, tx) && !knows(&other, tx));
    }
    assert!(beside(&chain, &shared).check_tx(&txs[0]).is_ok());
}

#[test]
fn a_bad_signature_is_named_and_never_remembered() {
    let chain = TestChain::new();
    let shared = VerifiedSignatures::default();
    let good = chain.transfer(2, 1, 5);
    let mut bad = chain.draft(&[0, 3], vec![Message::Transfer { signer: 0, to: address(1), amount: 5 }]).sign();
    bad.authorizations[1] = Authorization::Signature(Signature([7; 64]));
    let bad = bad.to_bytes();
    let ledger = beside(&chain, &shared);
    for _ in 0..2 {
        let answers = ledger.verify_ahead(&[&bad, &good, &bad, b"garbage"]);
        assert_eq!(
            answers[..3],
            [Err(TxError::BadSignature { index: 1 }), Ok(()), Err(TxError::BadSignature { index: 1 })]
        );
        assert!(answers[3].is_err());
        assert!(!knows(&shared, &bad) && knows(&shared, &good));
    }
    assert_eq!(ledger.check_tx(&bad), Err(TxError::BadSignature { index: 1 }));
}

#[test]
fn what_the_state_refuses_is_left_to_the_check_and_costs_no_verification() {
    let chain = TestChain::new();
    let shared = VerifiedSignatures::default();
    let poor = chain.transfer(0, 1, RICH * 2);
    let mut ahead = chain.draft(&[0], vec![Message::Transfer { signer: 0, to: address(1), amount: 5 }]);
    ahead.body.signers[0].nonce = 5_000;
    for tx in [poor, ahead.bytes()] {
        assert_eq!(beside(&chain, &shared).verify_ahead(&[&tx]), [Ok(())]);
        assert!(!knows(&shared, &tx));
        assert!(beside(&chain, &shared).check_tx(&tx).is_err());
    }
}

#[test]
fn a_block_executes_to_the_same_bytes_whether_its_signatures_were_known() {
    let (mut cold, mut warm) = (TestChain::new(), TestChain::new());
    let shared = VerifiedSignatures::default();
    warm.ledger = beside(&warm, &shared);
    let txs = [cold.transfer(0, 1, 5), cold.transfer(2, 1, 5), cold.transfer(3, 0, 7)];
    let views: Vec<&[u8]> = txs.iter().map(AsRef::as_ref).collect();
    assert!(beside(&warm, &shared).verify_ahead(&views).iter().all(Result::is_ok));
    assert_eq!(cold.block(&txs), warm.block(&txs));
    assert_eq!(cold.store.snapshot(), warm.store.snapshot());
}
