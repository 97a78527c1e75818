//! crypto: proofs, signed statements, leaves, keystores, texts.

use std::fmt::Display;
use std::str::FromStr;

use pyralog_crypto::{
    Address, Blake3, ConsistencyProof, DocumentDigest, Frontier, Hash, InclusionProof, MAX_LEAF_BYTES, MerkleHash,
    Metadata, NotaryLeaf, PublicKey, Salt, Sha256, Signature, SignedCheckpoint, SignedPromise, check_chain_id,
    check_log_name, keystore, leaf_hashes,
};

use super::canonical;
use crate::fuzz::chain::{CHAIN, key};

pub fn frontier(bytes: &[u8]) -> bool {
    grown::<Blake3>(bytes) | grown::<Sha256>(bytes)
}

fn grown<H: MerkleHash>(bytes: &[u8]) -> bool {
    let Some(mut frontier) = canonical::<Frontier<H>>(bytes) else { return false };
    let peaks: Vec<Hash> = frontier.peaks().collect();
    let rebuilt = Frontier::<H>::from_parts(frontier.size(), &peaks);
    assert_eq!(rebuilt.map(|f| f.root()), Ok(frontier.root()));
    let (size, root) = (frontier.size(), frontier.root());
    frontier.append(H::leaf(b"next"));
    assert_eq!(frontier.size(), size + 1);
    assert_ne!(frontier.root(), root);
    true
}

pub fn inclusion_proof(bytes: &[u8]) -> bool {
    let Some(proof) = canonical::<InclusionProof>(bytes) else { return false };
    let leaf = Sha256::leaf(b"leaf");
    if let Ok(root) = proof.root_from::<Sha256>(&leaf) {
        assert!(proof.index < proof.size);
        assert_eq!(InclusionProof::path_length(proof.index, proof.size), Ok(proof.path.len()));
        assert!(proof.verify::<Sha256>(&leaf, &root).is_ok());
        assert!(proof.verify::<Sha256>(&Sha256::leaf(b"other"), &root).is_err());
        assert!(proof.verify::<Sha256>(&leaf, &Hash([1; 32])).is_err());
    }
    true
}

pub fn consistency_proof(bytes: &[u8]) -> bool {
    let Some(proof) = canonical::<ConsistencyProof>(bytes) else { return false };
    let roots = [Sha256::empty(), Sha256::leaf(b"a"), proof.path.first().copied().unwrap_or_default()];
    for old in &roots {
        for new in &roots {
            if proof.verify::<Sha256>(old, new).is_ok() {
                assert!(proof.old_size <= proof.new_size);
                assert_eq!(ConsistencyProof::path_length(proof.old_size, proof.new_size), Ok(proof.path.len()));
                assert!(proof.old_size != proof.new_size || old == new, "one size, two roots");
            }
        }
    }
    true
}

pub fn signed_checkpoint(bytes: &[u8]) -> bool {
    let Some(signed) = canonical::<SignedCheckpoint>(bytes) else { return false };
    let owner = key(200).public_key();
    if signed.verify(CHAIN, &owner).is_ok() {
        assert!(signed.verify("pyralog-dev-other", &owner).is_err());
        assert!(signed.verify(CHAIN, &key(201).public_key()).is_err());
    }
    true
}

pub fn signed_promise(bytes: &[u8]) -> bool {
    let Some(signed) = canonical::<SignedPromise>(bytes) else { return false };
    let owner = key(200).public_key();
    if signed.verify(CHAIN, &owner).is_ok() {
        assert!(signed.verify("pyralog-dev-other", &owner).is_err());
    }
    true
}

pub fn notary_leaf(bytes: &[u8]) -> bool {
    let Some(leaf) = canonical::<NotaryLeaf>(bytes) else { return false };
    assert!(bytes.len() <= MAX_LEAF_BYTES);
    assert_eq!(leaf.leaf_hashes(), leaf_hashes(bytes));
    true
}

pub fn metadata(bytes: &[u8]) -> bool {
    let Some(metadata) = canonical::<Metadata>(bytes) else { return false };
    assert!(metadata.len() <= Metadata::MAX_PAIRS);
    assert_eq!(Metadata::new(metadata.iter()).as_ref(), Ok(&metadata));
    assert_ne!(metadata.commitment(&Salt([0; 32])), metadata.commitment(&Salt([1; 32])));
    true
}

pub fn document_digest(bytes: &[u8]) -> bool {
    canonical::<DocumentDigest>(bytes).is_some()
}

/// Opens it too where that is cheap.
pub fn keystore(bytes: &[u8]) -> bool {
    let Ok(info) = keystore::inspect(bytes) else { return false };
    assert_eq!(info.address, Address::from_key(&info.public_key));
    if info.params == pyralog_crypto::KdfParams::CHEAPEST {
        assert!(keystore::open(bytes, b"wrong").is_err());
        if let Ok(key) = keystore::open(bytes, b"fuzz") {
            assert_eq!(key.public_key(), info.public_key);
        }
    }
    true
}

/// What is written as text: one value has one spelling.
pub fn text(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let peer = pyralog_p2p::parse_peer_address(text).is_ok();
    let names = check_chain_id(text).is_ok() | check_log_name(text).is_ok();
    peer | names
        | one_spelling::<Address>(text)
        | one_spelling::<Hash>(text)
        | one_spelling::<PublicKey>(text)
        | one_spelling::<Signature>(text)
}

fn one_spelling<T: FromStr + Display>(text: &str) -> bool {
    let Ok(value) = text.parse::<T>() else { return false };
    assert_eq!(value.to_string(), text);
    true
}
