//! Refusals of form, signatures, nonces and fees: each at `check_tx`, in `process_proposal` (alone and behind another
//! transaction) and dropped by `prepare_proposal`; see `TestChain::refusal`.

use bytes::Bytes;
use pyralog_crypto::{Encode, Signature};

use crate::{
    ledger::{LedgerParams, MAX_NONCE_AHEAD, testkit::*},
    tx::{Authority, Authorization, MAX_TX_BYTES, Message, Payment, ProofAttachment, TxError},
};

fn send(amount: u64) -> Message {
    Message::Transfer { signer: 0, to: address(1), amount }
}

#[test]
fn bytes_that_are_no_transaction() {
    let mut chain = TestChain::new();
    let good = chain.transfer(0, 1, 5);
    for bytes in [vec![], vec![1], vec![1, 1, 0], good[..good.len() - 1].to_vec(), [&good[..], &[0]].concat()] {
        assert_eq!(chain.refusal(&[bytes.into()]).code(), 1);
    }
    let mut version = good.to_vec();
    version[0] = 2;
    assert_eq!(chain.refusal(&[version.into()]), TxError::UnknownVersion { version: 2 });
    let mut kind = good.to_vec();
    kind[1] = 4;
    assert_eq!(chain.refusal(&[kind.into()]), TxError::UnknownKind { kind: 4 });
    let large = Bytes::from(vec![1; MAX_TX_BYTES + 1]);
    assert_eq!(chain.refusal(&[large]), TxError::TooLarge { size: MAX_TX_BYTES + 1, max: MAX_TX_BYTES });
}

#[test]
fn reserved_parts() {
    let mut chain = TestChain::new();
    let mut draft = chain.draft(&[0], vec![send(5)]);
    draft.body.payment = Payment::Stamp(vec![7; 40]);
    assert_eq!(chain.refusal(&[draft.bytes()]), TxError::StampReserved);

    let mut draft = chain.draft(&[0], vec![send(5)]);
    draft.body.proofs.push(ProofAttachment { system: 1, proof: vec![1, 2, 3] });
    assert_eq!(chain.refusal(&[draft.bytes()]), TxError::ProofReserved);

    let mut tx = chain.draft(&[0], vec![send(5)]).sign();
    tx.body.signers[0].authority = Authority::Policy(vec![2; 70]);
    tx.authorizations[0] = Authorization::Policy(vec![3; 128]);
    assert_eq!(chain.refusal(&[tx.to_bytes().into()]), TxError::PolicyReserved);
}

#[test]
fn signers_and_amounts() {
    let mut chain = TestChain::new();
    let twice = chain.draft(&[0, 1, 0], vec![send(5)]).bytes();
    assert_eq!(chain.refusal(&[twice]), TxError::DuplicateSigner { index: 2 });

    let outside = chain.tx(&[0], vec![send(1), Message::Transfer { signer: 1, to: address(1), amount: 5 }]);
    assert_eq!(chain.refusal(&[outside]), TxError::SignerIndex { message: 1, index: 1, signers: 1 });

    let zero = chain.tx(&[0], vec![send(0)]);
    assert_eq!(chain.refusal(&[zero]), TxError::ZeroAmount { message: 0 });

    let overflow = chain.tx(&[0], vec![send(u64::MAX - 10), send(11)]);
    assert_eq!(chain.refusal(&[overflow]), TxError::Overflow { signer: address(0) });
    let with_fee = chain.tx(&[0], vec![send(u64::MAX)]);
    assert_eq!(chain.refusal(&[with_fee]), TxError::Overflow { signer: address(0) });
}

#[test]
fn another_chain() {
    let mut chain = TestChain::new();
    let mut draft = chain.draft(&[0], vec![send(5)]);
    draft.body.chain_id = "pyralog-dev-other".into();
    let expected = TxError::WrongChain { expected: CHAIN.into(), got: "pyralog-dev-other".into() };
    assert_eq!(chain.refusal(&[draft.bytes()]), expected);
}

#[test]
fn bad_signatures() {
    let mut chain = TestChain::new();
    let mut tx = chain.draft(&[0, 1], vec![send(5)]).sign();
    tx.authorizations[1] = Authorization::Signature(Signature([7; 64]));
    assert_eq!(chain.refusal(&[tx.to_bytes().into()]), TxError::BadSignature { index: 1 });

    // The signature of another key.
    let mut draft = chain.draft(&[0], vec![send(5)]);
    draft.keys = vec![1];
    assert_eq!(chain.refusal(&[draft.bytes()]), TxError::BadSignature { index: 0 });

    // Any change behind the signature.
    let mut tx = chain.draft(&[0], vec![send(5)]).sign();
    tx.body.messages = vec![send(6)];
    assert_eq!(chain.refusal(&[tx.to_bytes().into()]), TxError::BadSignature { index: 0 });

    // The signatures swapped.
    let mut tx = chain.draft(&[0, 1], vec![send(5)]).sign();
    tx.authorizations.swap(0, 1);
    assert_eq!(chain.refusal(&[tx.to_bytes().into()]), TxError::BadSignature { index: 0 });
}

#[test]
fn nonces() {
    let mut chain = TestChain::new();
    let first = chain.transfer(0, 1, 5);
    chain.block(std::slice::from_ref(&first));
    let expected = TxError::NonceReplayed { signer: address(0), expected: 1, got: 0 };
    assert_eq!(chain.refusal(&[first]), expected);

    let mut gap = chain.draft(&[0], vec![send(5)]);
    gap.body.signers[0].nonce = 3;
    let gap = gap.bytes();
    assert_eq!(chain.check(&gap), Ok(()), "it may wait in the mempool for nonces 1 and 2");
    assert_eq!(chain.block_refusal(&[gap]), TxError::NonceGap { signer: address(0), expected: 1, got: 3 });

    let mut far = chain.draft(&[0], vec![send(5)]);
    far.body.signers[0].nonce = 2 + MAX_NONCE_AHEAD;
    let got = 2 + MAX_NONCE_AHEAD;
    assert_eq!(chain.refusal(&[far.bytes()]), TxError::NonceGap { signer: address(0), expected: 1, got });

    // The same transaction twice in one block.
    let once = chain.transfer(0, 1, 5);
    let error = chain.block_refusal(&[once.clone(), once]);
    assert_eq!(error, TxError::NonceReplayed { signer: address(0), expected: 2, got: 1 });

    // Every signer's nonce counts.
    let mut second = chain.draft(&[2, 0], vec![send(5)]);
    second.body.signers[1].nonce = 0;
    let expected = TxError::NonceReplayed { signer: address(0), expected: 1, got: 0 };
    assert_eq!(chain.refusal(&[second.bytes()]), expected);
}

#[test]
fn expiry() {
    let mut chain = TestChain::new();
    chain.blocks(4);
    let at = |chain: &TestChain, expiry| {
        let mut draft = chain.draft(&[0], vec![send(5)]);
        draft.body.expiry_height = expiry;
        draft.bytes()
    };
    let expired = at(&chain, 4);
    assert_eq!(chain.refusal(&[expired]), TxError::Expired { expiry: 4, height: 5 });
    assert_eq!(chain.check(&at(&chain, 5)), Ok(()), "the expiry height itself is good");
    let latest = 5 + LedgerParams::DEFAULTS.max_expiry_blocks;
    assert_eq!(chain.check(&at(&chain, latest)), Ok(()));
    for expiry in [latest + 1, u64::MAX] {
        let far = at(&chain, expiry);
        assert_eq!(chain.refusal(&[far]), TxError::ExpiryTooFar { expiry, height: 5, latest });
    }
}

#[test]
fn fees_and_funds() {
    let mut chain = TestChain::new();
    let exact = chain.transfer(0, 1, 5);
    let required = LedgerParams::DEFAULTS.required_fee(exact.len(), 0);
    assert_eq!(required, 100 + exact.len() as u64);
    let mut low = chain.draft(&[0], vec![send(5)]);
    low.fee = Some(required - 1);
    assert_eq!(chain.refusal(&[low.bytes()]), TxError::FeeTooLow { required, got: required - 1 });

    let all = chain.tx(&[0], vec![send(RICH - required)]);
    assert_eq!(chain.check(&all), Ok(()), "fee and amount together are exactly the balance");
    let more = chain.tx(&[0], vec![send(RICH - required + 1)]);
    let error = chain.ledger_refusal(&more);
    assert_eq!(error.code(), 27, "{error}");

    // An account that does not exist cannot pay.
    let poor = chain.tx(&[50], vec![send(1)]);
    assert_eq!(chain.ledger_refusal(&poor).code(), 27);

    // Two transactions that can be paid one by one but not together.
    let one = chain.tx(&[0], vec![send(RICH - 1000)]);
    let mut two = chain.draft(&[0], vec![send(RICH - 1000)]);
    two.body.signers[0].nonce = 1;
    assert_eq!(chain.block_refusal(&[one, two.bytes()]).code(), 27);
}

#[test]
fn a_bundle_has_one_shape() {
    let mut chain = TestChain::new();
    let one = chain.transfer(0, 1, 5);
    let other = chain.transfer(2, 1, 5);
    use crate::application::Application;
    assert_eq!(chain.ledger.check_bundle(&[]), Err(TxError::BundleShape { count: 0 }));
    assert_eq!(chain.ledger.check_bundle(&[one.clone(), other.clone()]), Err(TxError::BundleShape { count: 2 }));
    assert_eq!(chain.ledger.check_bundle(&[one.clone(), other, one]), Err(TxError::BundleShape { count: 3 }));
    chain.block(&[]);
}

impl TestChain {
    /// A refusal for lack of funds: the check names the whole need, execution the step that fails, so only codes agree.
    fn ledger_refusal(&mut self, tx: &Bytes) -> TxError {
        let checked = self.check(tx).expect_err("check_tx must refuse");
        assert_eq!(checked.code(), self.block_refusal(std::slice::from_ref(tx)).code());
        checked
    }
}

#[test]
fn every_refusal_names_what_to_do() {
    let signed = TxError::WrongChain { expected: "a".into(), got: "b".into() };
    assert_eq!(signed.to_string(), "the transaction is for chain b, this chain is a; sign it again with chain id a");
    let replayed = TxError::NonceReplayed { signer: address(0), expected: 9, got: 4 };
    assert!(replayed.to_string().ends_with("sign again with nonce 9"));
    // What a policy signer would have to encode has its place in the format.
    assert_eq!(Authorization::Policy(vec![1]).to_bytes(), [2, 0, 0, 0, 1, 1]);
}
