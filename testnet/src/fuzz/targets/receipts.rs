//! consensus: receipts, verified against roots of trust of their own chain and of another.

use std::sync::OnceLock;

use pyralog_consensus::receipt::testkit::ReceiptMaker;
use pyralog_consensus::receipt::{
    ErrorClass, NotaryReceipt, PendingReceipt, ReceiptFile, ReceiptFormat, ServedProof, Trust, VerifyOptions,
    verify_file,
};
use pyralog_crypto::{DocumentDigest, Hash};

/// The chain of the seeds, before its first block.
pub fn maker() -> ReceiptMaker {
    ReceiptMaker::new("pyralog-dev-receipts", &[(1, 10), (2, 10), (3, 10), (4, 10)])
}

fn trusts() -> &'static [Trust; 3] {
    static TRUSTS: OnceLock<[Trust; 3]> = OnceLock::new();
    TRUSTS.get_or_init(|| {
        let other = ReceiptMaker::new("pyralog-dev-other", &[(5, 10)]);
        [maker().genesis(), other.genesis(), Trust::Header { height: 1, hash: Hash([9; 32]) }]
    })
}

pub fn receipt_file(bytes: &[u8]) -> bool {
    let Ok(file) = ReceiptFile::parse(bytes) else { return false };
    let subject = match &file {
        ReceiptFile::Complete(receipt) => receipt.subject.digest(),
        ReceiptFile::Pending(receipt) => receipt.subject.digest(),
    };
    let options = VerifyOptions::default();
    let [own, other, header] = trusts();
    let verdict = verify_file(&subject, &file, own, &options);
    assert!(verify_file(&DocumentDigest::of(b"another document"), &file, own, &options).is_err());
    for trust in [other, header] {
        let refused = verify_file(&subject, &file, trust, &options);
        let class = refused.err().map(|error| error.class());
        assert!(class.is_some(), "verified under a foreign root");
        if verdict.is_ok() {
            assert_eq!(class, Some(ErrorClass::Untrusted), "a sound receipt of another chain");
        }
    }
    if verdict.is_ok() {
        assert!(matches!(file, ReceiptFile::Complete(_)), "a pending receipt proves nothing");
    }
    true
}

pub fn notary_receipt(bytes: &[u8]) -> bool {
    both_forms::<NotaryReceipt>(bytes)
}

pub fn served_proof(bytes: &[u8]) -> bool {
    both_forms::<ServedProof>(bytes)
}

pub fn pending_receipt(bytes: &[u8]) -> bool {
    both_forms::<PendingReceipt>(bytes)
}

/// What is read is written in both forms and read again; CBOR has one form only.
#[allow(clippy::panic, reason = "this is the check")]
fn both_forms<T: ReceiptFormat + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> bool {
    let Ok(value) = T::from_slice(bytes) else { return false };
    let (Ok(json), Ok(cbor)) = (value.to_json(), value.to_cbor()) else { panic!("cannot be written: {value:?}") };
    assert_eq!(T::from_slice(json.as_bytes()).as_ref(), Ok(&value));
    assert_eq!(T::from_slice(&cbor).as_ref(), Ok(&value));
    if T::from_cbor(bytes).is_ok() {
        assert_eq!(cbor, bytes, "another CBOR encoding of the same value was accepted");
    }
    true
}
