//! Receipts in every form, and a light client's store.
#![allow(clippy::expect_used, reason = "constant inputs")]

use pyralog_consensus::light::{LightClient, LightOptions, Mode, Provider};
use pyralog_consensus::receipt::testkit::ReceiptMaker;
use pyralog_consensus::receipt::{NotarySubject, ReceiptFormat};
use pyralog_crypto::Metadata;
use pyralog_crypto::{DocumentDigest, Salt};

use super::Out;
use crate::fuzz::targets::receipt_maker;

pub(super) fn put(out: &mut Out) {
    let mut maker = receipt_maker();
    let subject = NotarySubject::new(&DocumentDigest::of(b"hello"));
    let metadata = Metadata::new([("title", "Greeting")]).expect("bounds");
    let described = subject.clone().with_metadata(metadata, Salt([1; 32]));
    let hidden = described.clone().hidden(Salt([2; 32]));

    let plain = maker.notarize(subject.clone());
    let pending = maker.pending(subject.clone(), 0);
    let secret = maker.notarize(hidden);
    let leaves = [subject.leaf(), described.leaf(), NotarySubject::new(&DocumentDigest::of(b"third")).leaf()];
    let (members, index) = maker.append_batch(&leaves);
    maker.anchor(0, 1);
    let member = maker.proof(index).attach(described, Some(members[1].clone()));
    let served = maker.proof(index);
    let top = maker.chain.height() + 3;
    maker.advance(top);
    let refreshed = maker.refresh(&plain);
    for (name, receipt) in [("plain", &plain), ("hidden", &secret), ("member", &member), ("refreshed", &refreshed)] {
        for target in ["receipt_file", "notary_receipt"] {
            out.put(target, format!("{name}.cbor"), receipt.to_cbor().expect("encodes"));
        }
        if name == "plain" {
            out.put("receipt_file", "plain.json", receipt.to_json().expect("encodes"));
            out.put("notary_receipt", "plain.json", receipt.to_json().expect("encodes"));
        }
    }
    out.put("receipt_file", "pending.json", pending.to_json().expect("encodes"));
    out.put("pending_receipt", "pending.json", pending.to_json().expect("encodes"));
    out.put("pending_receipt", "pending.cbor", pending.to_cbor().expect("encodes"));
    out.put("served_proof", "batch.json", served.to_json().expect("encodes"));
    out.put("served_proof", "batch.cbor", served.to_cbor().expect("encodes"));
    store(out, &maker);
}

fn store(out: &mut Out, maker: &ReceiptMaker) {
    let chain = &maker.chain;
    let (id, time, set) = (&chain.chain_id, chain.genesis_time, chain.genesis.clone());
    let mut client = LightClient::from_genesis(id, time, set, 1).expect("a genesis");
    out.put("light_store", "genesis", client.to_bytes().expect("encodes"));
    let fetch = |height: Option<u64>| Ok(chain.at(height.unwrap_or(chain.height())).light_block());
    let mut primary = Provider::new("primary", fetch);
    let options = LightOptions::default();
    client.sync(Some(2), Mode::Sequential, &options, chain.now(), &mut primary, &mut []).expect("follows");
    client.sync(None, Mode::Skipping, &options, chain.now(), &mut primary, &mut []).expect("follows");
    out.put("light_store", "synced", client.to_bytes().expect("encodes"));
}
