//! Bytes of a receipt, and the time to verify it: made by the test kit of the receipts themselves, byte for byte what a node
//! and a wallet make.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use pyralog_consensus::receipt::testkit::ReceiptMaker;
use pyralog_consensus::receipt::{NotaryReceipt, NotarySubject, ReceiptError, ReceiptFormat, VerifyOptions};
use pyralog_crypto::DocumentDigest;

use super::baseline::Baseline;
use super::report::{Aim, Figure, Group, Place, Setting};
use super::timing::ns_per_call;
use crate::localnet::interrupt::Interrupt;

/// What a receipt of 7 validators under 10^6 leaves may take, in CBOR.
const AIM_BYTES: f64 = 3.5 * 1024.0;
/// What its verification may take, milliseconds.
const AIM_MS: f64 = 2.0;

/// Measures.
pub fn measure(baseline: &Baseline, quick: bool, interrupt: &Interrupt) -> Result<Group> {
    let mut group = Group::new("receipts", Place::InProcess);
    for (leaves, power) in [(1_000, 3), (1_000_000, 6)] {
        for validators in [4, 7] {
            one(&mut group, baseline, validators, (leaves, power), quick)?;
            if interrupt.count() > 0 {
                bail!("interrupted");
            }
        }
    }
    group.notes.push(
        "all validators signed; the anchor stands among four other transactions; verify includes decoding the CBOR, and is \
         the least of many rounds of at least 1 ms"
            .into(),
    );
    Ok(group)
}

fn one(group: &mut Group, base: &Baseline, validators: u8, (leaves, power): (u64, u32), quick: bool) -> Result<()> {
    let members: Vec<(u8, u64)> = (1..=validators).map(|number| (number, 100)).collect();
    let mut maker = ReceiptMaker::new("pyralog-dev-bench", &members);
    // The subject is the last of all leaves but one third: neither edge of the tree.
    let subject = NotarySubject::new(&DocumentDigest::of(b"a document"));
    maker.fill(leaves / 3);
    let index = maker.append(&subject.leaf());
    maker.fill(leaves);
    maker.anchor(2, 2);
    let receipt = maker.proof(index).attach(subject, None);
    let (json, cbor) = encode(&receipt).map_err(|error| anyhow!("cannot encode a receipt: {error}"))?;
    let compact = serde_json::to_vec(&receipt)?.len();

    let (trust, document) = (maker.genesis(), DocumentDigest::of(b"a document"));
    let verify = |bytes: &[u8]| {
        let receipt = NotaryReceipt::from_cbor(bytes)?;
        receipt.verify(&document, &trust, &VerifyOptions::default())
    };
    verify(&cbor).map_err(|error| anyhow!("a receipt that was just made does not verify: {error}"))?;
    let time = Duration::from_millis(if quick { 100 } else { 400 });
    let ms = ns_per_call(time, |_| verify(&cbor)) / 1e6;

    let name = |what: &str| format!("{what}, {validators} validators, 10^{power} leaves");
    let aimed = validators == 7 && power == 6;
    let with = |figure: Figure, aim: f64| if aimed { figure.aim(Aim::AtMost(aim)) } else { figure };
    let setting = Setting::default;
    group.add(with(Figure::new(name("CBOR"), cbor.len() as f64, "bytes", setting()), AIM_BYTES));
    group.add(
        Figure::new(name("JSON, indented"), json.len() as f64, "bytes", setting())
            .against(cbor.len() as f64, "the same in CBOR"),
    );
    group.add(
        Figure::new(name("JSON, compact"), compact as f64, "bytes", setting())
            .against(cbor.len() as f64, "the same in CBOR"),
    );
    let signatures = f64::from(validators) + 1.0;
    let figure = Figure::new(name("verify"), ms, "ms", setting());
    group.add(with(figure.against(signatures * 1e3 / base.verify_per_s, "its signatures one by one"), AIM_MS));
    Ok(())
}

fn encode(receipt: &NotaryReceipt) -> Result<(String, Vec<u8>), ReceiptError> {
    Ok((receipt.to_json()?, receipt.to_cbor()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_time_of_one_receipt_are_measured_and_only_the_large_one_has_an_aim() {
        let base = Baseline {
            syncs_per_s: 1.0,
            blake3_ns: 1.0,
            sha256_ns: 1.0,
            verify_per_s: 1e6,
            verify_batch_per_s: 1e6,
            sign_per_s: 1e6,
        };
        let mut group = Group::new("receipts", Place::InProcess);
        one(&mut group, &base, 4, (50, 3), true).unwrap();
        assert_eq!(group.figures.len(), 4);
        let [cbor, json, compact, verify] = &group.figures[..] else { panic!("four figures") };
        assert!(cbor.value > 1_000.0 && compact.value > cbor.value && json.value > compact.value);
        assert!(verify.value > 0.0 && verify.aim.is_none());
    }
}
