//! The documents say what the code does: the vectors printed in `docs/protocol.md` are what it makes, all of them and no
//! other, and the tests named in `docs/threat-model.md` exist.

use super::{NotarySubject, ReceiptFormat, Trust, VerifyOptions, testkit::ReceiptMaker};
use crate::{
    block::{
        ConsensusParams, DuplicateVote, PartSet, Step, ValidatorSet, ValueId, duplicate_vote, encode_commit,
        encode_evidence, proposal_sign_bytes, vote_sign_bytes,
    },
    engine::WireMessage,
    genesis::{Genesis, GenesisLog, GenesisParts, GenesisValidator},
    ledger::{LedgerParams, state_key},
    light::{HeaderFields, testkit::validator_key},
    tx::{AnchorTx, Authority, CompanionTx, LogName, Message, Payment, TxBody, TxSigner, tx_hash},
};
use pyralog_crypto::{
    Address, Blake3, Checkpoint, ConsistencyProof, Decode, DocumentDigest, Encode, Frontier, LogId, MemoryTree,
    MerkleHash, Metadata, NotaryLeaf, Promise, RangePromise, Roots, Salt, Sha256, SignedCheckpoint, SignedPromise,
    SignedRangePromise, Writer,
};
use std::{collections::BTreeMap, fs, path::Path};

pub(super) const CHAIN: &str = "pyralog-dev-vectors";

pub(super) type Vectors = BTreeMap<String, String>;

pub(super) fn put(out: &mut Vectors, name: &str, bytes: impl AsRef<[u8]>) {
    assert!(out.insert(name.to_owned(), hex::encode(bytes)).is_none(), "{name} twice");
}

fn trees(out: &mut Vectors) {
    let leaves: Vec<Vec<u8>> = (0..7_u8).map(|i| vec![i; usize::from(i)]).collect();
    for size in [0, 1, 2, 3, 5, 7] {
        put(out, &format!("tree.{size}.blake3"), MemoryTree::<Blake3>::from_leaves(&leaves[..size]).root());
        put(out, &format!("tree.{size}.sha256"), MemoryTree::<Sha256>::from_leaves(&leaves[..size]).root());
    }
    let tree = MemoryTree::<Sha256>::from_leaves(&leaves);
    put(out, "tree.7.sha256.inclusion.5", tree.inclusion(5).unwrap().path.concat_bytes());
    put(out, "tree.7.sha256.consistency.3", tree.consistency(3).unwrap().path.concat_bytes());
    let mut frontier = Frontier::<Sha256>::new();
    leaves.iter().for_each(|leaf| {
        frontier.append(Sha256::leaf(leaf));
    });
    put(out, "tree.7.sha256.frontier", frontier.to_bytes());
}

trait ConcatBytes {
    fn concat_bytes(&self) -> Vec<u8>;
}

impl ConcatBytes for Vec<pyralog_crypto::Hash> {
    fn concat_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|h| h.0).collect()
    }
}

fn leaves(out: &mut Vectors) {
    let digest = DocumentDigest::of(b"hello");
    let metadata = Metadata::new([("title", "Greeting"), ("author", "Ada")]).unwrap();
    put(out, "metadata", metadata.to_bytes());
    put(out, "metadata.commitment", metadata.commitment(&Salt([0x11; 32])).to_bytes());
    let open = NotarySubject::new(&digest);
    let described = open.clone().with_metadata(metadata, Salt([0x11; 32]));
    let hidden = described.clone().hidden(Salt([0x22; 32]));
    let (blake3, sha256) = (MemoryTree::<Blake3>::new(), MemoryTree::<Sha256>::new());
    let (mut blake3, mut sha256) = (blake3, sha256);
    for subject in [&open, &described, &hidden] {
        blake3.push(&subject.leaf().to_bytes());
        sha256.push(&subject.leaf().to_bytes());
    }
    let batch = NotaryLeaf::Batch { count: 3, roots: Roots { blake3: blake3.root(), sha256: sha256.root() } };
    for (name, leaf) in
        [("document", open.leaf()), ("described", described.leaf()), ("hidden", hidden.leaf()), ("batch", batch)]
    {
        put(out, &format!("leaf.{name}"), leaf.to_bytes());
        put(out, &format!("leaf.{name}.blake3"), leaf.leaf_hashes().blake3);
        put(out, &format!("leaf.{name}.sha256"), leaf.leaf_hashes().sha256);
    }
}

fn signed(out: &mut Vectors) {
    let owner = validator_key(7);
    let log = LogId::derive(CHAIN, &owner.public_key(), "main");
    put(out, "log.owner", owner.public_key());
    put(out, "log.id", log);
    let leaf = NotarySubject::new(&DocumentDigest::of(b"hello")).leaf();
    let checkpoint = Checkpoint { log, size: 1, roots: leaf.leaf_hashes() };
    put(out, "checkpoint.sign_bytes", checkpoint.sign_bytes(CHAIN));
    let signed = SignedCheckpoint::sign(checkpoint, CHAIN, &owner).unwrap();
    put(out, "checkpoint.signature", signed.signature);
    put(out, "checkpoint", signed.to_bytes());
    let promise = Promise { log, index: 0, leaf: leaf.leaf_hashes(), anchor_by: 12 };
    put(out, "promise.sign_bytes", promise.sign_bytes(CHAIN));
    put(out, "promise", SignedPromise::sign(promise, CHAIN, &owner).unwrap().to_bytes());
    let described = NotarySubject::new(&DocumentDigest::of(b"hello"))
        .with_metadata(Metadata::new([("title", "Greeting"), ("author", "Ada")]).unwrap(), Salt([0x11; 32]))
        .leaf();
    let roots = RangePromise::roots_of(&[leaf.leaf_hashes(), described.leaf_hashes()]);
    let range = RangePromise { log, first: 0, count: 2, roots, anchor_by: 12 };
    put(out, "range_promise.sign_bytes", range.sign_bytes(CHAIN));
    let range = SignedRangePromise::sign(range, CHAIN, &owner).unwrap();
    range.verify(CHAIN, &owner.public_key()).unwrap();
    put(out, "range_promise", range.to_bytes());

    let anchor = AnchorTx { checkpoint: signed }.to_bytes();
    put(out, "tx.anchor", &anchor);
    put(out, "tx.anchor.hash", tx_hash(&anchor));
    let grown = |path| ConsistencyProof { old_size: 0, new_size: 1, path };
    put(out, "tx.companion", CompanionTx::new(log, grown(vec![]), grown(vec![])).to_bytes());

    let (from, to) = (validator_key(1), validator_key(2));
    let address = Address::from_key(&to.public_key());
    put(out, "address", address.0);
    out.insert("address.text".into(), address.to_string());
    let body = TxBody {
        chain_id: CHAIN.into(),
        messages: vec![Message::Transfer { signer: 0, to: address, amount: 1_500_000 }],
        signers: vec![TxSigner { authority: Authority::Key(from.public_key()), nonce: 3 }],
        payment: Payment::Fee(2_000),
        expiry_height: 100,
        proofs: vec![],
    };
    put(out, "tx.transfer.sign_bytes", body.sign_bytes());
    put(out, "tx.transfer", body.sign(&[&from]).unwrap().to_bytes());
}

/// A block with an anchor, and the receipt, served proof and pending receipt that belong to it.
fn maker() -> ReceiptMaker {
    let mut maker = ReceiptMaker::new(CHAIN, &[(1, 10), (2, 10), (3, 10), (4, 10)]);
    maker.fill(2);
    maker
}

fn receipts(out: &mut Vectors, json: &mut Vectors) {
    let mut maker = maker();
    let subject = NotarySubject::new(&DocumentDigest::of(b"hello"));
    let index = maker.append(&subject.leaf());
    let pending = maker.pending(subject.clone(), index);
    maker.anchor(1, 1);
    let receipt = maker.proof(index).attach(subject, None);
    maker.advance(3);
    let refreshed = maker.refresh(&receipt);

    let block = maker.chain.at(1);
    let header = HeaderFields::from_tendermint(&block.header).unwrap();
    put(out, "header.hash", header.hash(CHAIN).unwrap());
    put(out, "header.validators_hash", header.validators_hash);
    put(out, "header.data_hash", header.data_hash);
    put(out, "validator.1.public_key", validator_key(1).public_key());
    put(out, "validator.1.address", crate::block::ValidatorAddress::of(&validator_key(1).public_key()).0);
    let value = ValueId::new(block.commit.block_id, block.header.time).unwrap();
    put(out, "precommit.block.sign_bytes", vote_sign_bytes(CHAIN, Step::Precommit, 1, 0, Some(&value)));
    put(out, "precommit.nil.sign_bytes", vote_sign_bytes(CHAIN, Step::Precommit, 1, 0, None));
    put(out, "prevote.block.sign_bytes", vote_sign_bytes(CHAIN, Step::Prevote, 1, 0, Some(&value)));
    put(out, "proposal.sign_bytes", proposal_sign_bytes(CHAIN, 1, 0, None, &value));

    let options = VerifyOptions::default();
    let document = DocumentDigest::of(b"hello");
    for trust in [maker.genesis(), maker.header(1)] {
        receipt.verify(&document, &trust, &options).unwrap();
        refreshed.verify(&document, &trust, &options).unwrap();
    }
    let later = maker.header(3);
    assert!(matches!(later, Trust::Header { height: 3, .. }));
    refreshed.verify(&document, &later, &options).unwrap();

    let refresh = refreshed.refresh.as_ref().unwrap();
    put(out, "refresh.state_name", state_key::HEADERS);
    put(out, "refresh.state_proof", &refresh.state_proof);
    put(out, "refresh.app_hash", refresh.block.header.app_hash);
    put(out, "receipt.cbor", receipt.to_cbor().unwrap());
    put(out, "refreshed.cbor.sha256", Sha256::digest(&refreshed.to_cbor().unwrap()));
    put(out, "pending.cbor", pending.to_cbor().unwrap());
    json.insert("receipt".into(), receipt.to_json().unwrap());
    json.insert("pending".into(), pending.to_json().unwrap());
    json.insert("refresh".into(), serde_json::to_string_pretty(refresh).unwrap() + "\n");
}

/// The genesis that the document prints.
fn genesis(out: &mut Vectors) -> Genesis {
    let validators = [1, 2, 3, 4].map(|n| {
        let key = validator_key(n).public_key();
        GenesisValidator { key, name: format!("v{n}"), owner: Address::from_key(&key), stake: 10_000_000 }
    });
    let genesis = Genesis::new(GenesisParts {
        chain_id: CHAIN.into(),
        genesis_time: "2026-02-03T04:05:06Z".parse().unwrap(),
        consensus_params: ConsensusParams::DEFAULTS,
        validators: validators.to_vec(),
        accounts: vec![(Address::from_key(&validator_key(1).public_key()), 5_000_000)],
        logs: vec![GenesisLog { owner: validator_key(7).public_key(), name: LogName::new("main").unwrap() }],
        params: LedgerParams::DEFAULTS,
    })
    .unwrap();
    put(out, "genesis.hash", genesis.hash());
    put(out, "genesis.app_hash", genesis.app_hash());
    put(out, "genesis.consensus_hash", ConsensusParams::DEFAULTS.hash());
    genesis
}

/// Messages put together by hand as section 14 says; the engine's decoder takes them and writes them again.
fn gossip(out: &mut Vectors) {
    let maker = {
        let mut maker = maker();
        maker.anchor(1, 1);
        maker
    };
    let block = maker.chain.at(1);
    let value = ValueId::new(block.commit.block_id, block.header.time).unwrap();
    let id = crate::light::BlockId::from_tendermint(&value.block_id).unwrap();
    let key = validator_key(1);
    let address = crate::block::ValidatorAddress::of(&key.public_key());
    let put_value = |w: &mut Writer| {
        let nanos = u64::try_from(value.time.unix_timestamp_nanos()).unwrap();
        w.put(&id.hash).u32(id.parts.total).put(&id.parts.hash).u64(nanos);
    };
    let signature = key.sign(&vote_sign_bytes(CHAIN, Step::Precommit, 1, 0, Some(&value)));
    let mut vote = Writer::new();
    vote.u8(1).u8(1).u32(2).u8(3).u64(1).u32(0).u8(1);
    put_value(&mut vote);
    vote.raw(&address.0).put(&signature);
    let signature = key.sign(&proposal_sign_bytes(CHAIN, 1, 0, None, &value));
    let mut proposal = Writer::new();
    proposal.u8(1).u8(2).u32(0).u64(1).u32(0).u8(0);
    put_value(&mut proposal);
    proposal.raw(&address.0).put(&signature);
    let mut want = Writer::new();
    want.u8(1).u8(6).u32(7).u64(1);
    put_value(&mut want);
    want.u32(1).u32(0);
    let members = [1, 2, 3, 4].map(|n| (validator_key(n).public_key(), 10));
    let set = ValidatorSet::new(&members).unwrap();
    let signers =
        [1, 2, 3].map(|n| (crate::block::ValidatorAddress::of(&validator_key(n).public_key()), validator_key(n)));
    let mut polka = Writer::new();
    polka.u8(1).u8(3).u32(0).u64(1).u32(0);
    put_value(&mut polka);
    polka.u32(3);
    for (address, key) in &signers {
        let signature = key.sign(&vote_sign_bytes(CHAIN, Step::Prevote, 1, 0, Some(&value)));
        polka.raw(&address.0).put(&signature);
    }
    let mut round = Writer::new();
    round.u8(1).u8(4).u32(0).u64(1).u32(0).u8(2).u32(3);
    for (place, (address, key)) in signers.iter().enumerate() {
        let target = (place == 0).then_some(&value);
        round.u8(3);
        match target {
            Some(_) => put_value(round.u8(1)),
            None => {
                round.u8(0);
            }
        }
        round.raw(&address.0).put(&key.sign(&vote_sign_bytes(CHAIN, Step::Precommit, 1, 0, target)));
    }
    // A block of five bytes is none, but splits and is proposed like one.
    let parts = PartSet::split(&b"block".as_slice().into());
    let proposed = tendermint::block::Id { hash: value.block_id.hash, part_set_header: *parts.header() };
    let proposed = ValueId::new(proposed, value.time).unwrap();
    let mut part = Writer::new();
    part.u8(1).u8(5).u32(0).u64(1).u32(0).u8(0).put(&id.hash).u32(1).raw(parts.header().hash.as_bytes());
    part.u64(u64::try_from(value.time.unix_timestamp_nanos()).unwrap());
    part.raw(&address.0).put(&key.sign(&proposal_sign_bytes(CHAIN, 1, 0, None, &proposed)));
    part.u32(0).bytes(b"block").u32(0);
    let votes = [Some(value), None].map(|v| (v, key.sign(&vote_sign_bytes(CHAIN, Step::Precommit, 1, 0, v.as_ref()))));
    let pair = DuplicateVote { address, step: Step::Precommit, height: 1, round: 0, votes };
    let protobuf = encode_evidence(&duplicate_vote(&pair, &set, value.time).unwrap());
    let mut evidence = Writer::new();
    evidence.u8(1).u8(7).u32(0).bytes(&protobuf);
    // Validator 1 has just started, asks under a number, and answers validator 2, who did the same, with its prevote.
    let prevote = signers[1].1.sign(&vote_sign_bytes(CHAIN, Step::Prevote, 1, 0, Some(&value)));
    let unsigned = |out: &mut Writer| {
        out.raw(&address.0).u64(1).u8(1).u64(0x0123_4567_89ab_cdef);
        out.u32(1).raw(&signers[1].0.0).u64(0xfedc_ba98_7654_3210);
        out.u8(1).u8(1).u8(2).u64(1).u32(0).u8(1);
        put_value(out);
        out.raw(&signers[1].0.0).put(&prevote);
    };
    let mut signed = Writer::signing("pyralog/presence/v1", CHAIN);
    unsigned(&mut signed);
    let mut presence = Writer::new();
    presence.u8(1).u8(8).u32(3);
    unsigned(&mut presence);
    presence.put(&key.sign(&signed.into_bytes()));
    for (name, bytes) in [
        ("presence", presence),
        ("vote", vote),
        ("proposal", proposal),
        ("want_parts", want),
        ("polka", polka),
        ("round_certificate", round),
        ("part", part),
        ("evidence", evidence),
    ] {
        let bytes = bytes.into_bytes();
        assert_eq!(WireMessage::from_bytes(&bytes).unwrap().to_bytes(), bytes, "{name}");
        put(out, &format!("gossip.{name}"), bytes);
    }
    put(out, "commit.protobuf", encode_commit(&block.commit));
}

/// The messages of section 14 whose decoder is the node's: a test there takes the printed ones.
fn requests(out: &mut Vectors) {
    let of = |out: &Vectors, name: &str| hex::decode(&out[name]).unwrap();
    let bundles = [vec![of(out, "tx.transfer")], vec![of(out, "tx.anchor"), of(out, "tx.companion")]];
    let mut txs = Writer::new();
    txs.u8(1).list(&bundles, |w, bundle| {
        w.list(bundle, |w, tx| {
            w.bytes(tx);
        });
    });
    put(out, "gossip.txs", txs.into_bytes());
    put(out, "sync.request.status", [1u8, 0]);
    let mut blocks = Writer::new();
    blocks.u8(1).u8(1).u64(258).u32(16);
    put(out, "sync.request.blocks", blocks.into_bytes());
    put(out, "sync.request.removed", [&[1, 2][..], &3_u64.to_be_bytes()].concat());
    put(out, "sync.answer.removed", [1, 1]);
    let mut status = Writer::new();
    status.u8(1).u64(9).u32(0);
    put(out, "sync.answer.status", status.into_bytes());
    let mut answer = Writer::new();
    answer.u8(1).u64(9).u32(1).bytes(b"block").bytes(b"commit");
    put(out, "sync.answer.blocks", answer.into_bytes());
}

/// Lines `name = value` in blocks fenced as `vectors`, and whole blocks fenced as `json NAME`.
fn printed(text: &str) -> (Vectors, Vectors) {
    let (mut vectors, mut json) = (Vectors::new(), Vectors::new());
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        match (fence, line.strip_prefix("```")) {
            (None, Some(info)) => fence = Some(info),
            (Some(_), Some(_)) => fence = None,
            (Some("vectors"), None) => {
                let (name, value) = line.split_once(" = ").unwrap_or_else(|| panic!("not a vector: {line}"));
                assert!(vectors.insert(name.to_owned(), value.to_owned()).is_none(), "{name} twice");
            }
            (Some(info), None) => {
                if let Some(name) = info.strip_prefix("json ") {
                    let text = json.entry(name.to_owned()).or_default();
                    *text += line;
                    *text += "\n";
                }
            }
            (None, None) => {}
        }
    }
    (vectors, json)
}

#[test]
fn the_document_prints_what_the_code_makes() {
    let (mut vectors, mut json) = (Vectors::new(), Vectors::new());
    trees(&mut vectors);
    leaves(&mut vectors);
    signed(&mut vectors);
    receipts(&mut vectors, &mut json);
    gossip(&mut vectors);
    requests(&mut vectors);
    super::record_vectors_test::records(&mut vectors);
    let made_genesis = genesis(&mut vectors);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let (in_document, mut json_in_document) = printed(&fs::read_to_string(path).unwrap());
    // The layout of a genesis file is free.
    let genesis_in_document = json_in_document.remove("genesis").unwrap_or_default();
    let parsed = Genesis::from_json(genesis_in_document.as_bytes());
    assert_eq!(parsed.as_ref(), Ok(&made_genesis), "{}", made_genesis.to_json());
    let mut wrong = Vec::new();
    for (kind, made, printed) in [("vectors", &vectors, &in_document), ("json", &json, &json_in_document)] {
        for (name, value) in made {
            if printed.get(name) != Some(value) {
                wrong.push(format!("[{kind}] {name} = {value}"));
            }
        }
        wrong.extend(printed.keys().filter(|name| !made.contains_key(*name)).map(|name| format!("unknown: {name}")));
    }
    assert!(wrong.is_empty(), "docs/protocol.md differs; these are right:\n{}", wrong.join("\n"));
    assert!(vectors.len() > 50 && json.len() == 3);
}

/// The text of all Rust files below `folder`.
fn sources(folder: &Path, out: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            *out += &fs::read_to_string(&path).unwrap();
        }
    }
}

#[test]
fn the_threat_model_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let document = fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    let mut code = String::new();
    let rooms = ["crypto", "consensus", "zk", "p2p", "cluster-core", "node", "wallet-cli", "testnet"];
    rooms.iter().for_each(|room| sources(&root.join(room), &mut code));
    let mut named = 0;
    for row in document.lines().filter(|line| line.starts_with("| **") && line.matches(" | ").count() == 3) {
        let (_, tests) = row.rsplit_once(" | ").unwrap();
        for name in tests.split('`').skip(1).step_by(2) {
            assert!(code.contains(&format!("fn {name}(")), "docs/threat-model.md names `{name}`, which is no test");
            named += 1;
        }
    }
    assert!(named > 50, "{named}");
}
