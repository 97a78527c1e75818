//! Proofs that a name has a value, or none, under an `app_hash`.

use pyralog_crypto::{
    CodecError, Hash, MerkleHash, Sha256,
    codec::{Decode, Encode, Reader, Writer},
};

/// Longest value in the state, bytes.
pub const MAX_STATE_VALUE: usize = 4 << 20;
/// Hash of an empty subtree.
pub(crate) const PLACEHOLDER: Hash = Hash(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__");
/// Deepest leaf: one level per bit of the hashed name.
const MAX_DEPTH: usize = 256;

/// A proof about one name. It does not say for which name it stands: the verifier brings name and root.
///
/// Encoding: version 1; a kind byte: 0 = no value, the place is empty; 1 = no value, another leaf is the only one there
/// (its key hash, 32, and value hash, 32, follow); 2 = the value follows (byte string). Then the count of siblings (u16),
/// a bit for each, deepest first, most significant bit first, padded with zeros to whole bytes: 1 = its hash follows,
/// 0 = empty subtree; then the hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateProof {
    subject: Subject,
    /// Deepest first; [`PLACEHOLDER`] for an empty subtree.
    siblings: Vec<Hash>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Empty,
    Other { key: Hash, value: Hash },
    Value(Vec<u8>),
}

/// Why a state proof fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateProofError {
    /// It leads to another root.
    #[error("the state proof does not lead to this app hash; ask for a proof at the height of the trusted header")]
    Root,
    /// It speaks of the absence of another name.
    #[error("the state proof is about another name")]
    OtherName,
}

impl StateProof {
    pub(crate) fn from_parts(value: Option<Vec<u8>>, leaf: Option<(Hash, Hash)>, siblings: Vec<Hash>) -> Self {
        let subject = match (value, leaf) {
            (Some(value), _) => Subject::Value(value),
            (None, Some((key, value))) => Subject::Other { key, value },
            (None, None) => Subject::Empty,
        };
        Self { subject, siblings }
    }

    /// Checks the proof for `name` under `app_hash`; gives the value, or `None` where the name has none.
    ///
    /// # Errors
    /// [`StateProofError`] says which check failed.
    pub fn verify(&self, app_hash: &Hash, name: &[u8]) -> Result<Option<&[u8]>, StateProofError> {
        let key = Sha256::digest(name);
        let (start, value) = match &self.subject {
            Subject::Value(value) => (Self::leaf_hash(&key, &Sha256::digest(value)), Some(value.as_slice())),
            Subject::Other { key: other, value } => {
                // The other leaf must stand where this name would: same path down to the depth of the proof.
                if *other == key || common_bits(other, &key) < self.siblings.len() {
                    return Err(StateProofError::OtherName);
                }
                (Self::leaf_hash(other, value), None)
            }
            Subject::Empty => (PLACEHOLDER, None),
        };
        let depth = self.siblings.len();
        let root = self.siblings.iter().enumerate().fold(start, |hash, (i, sibling)| {
            if bit(&key, depth - 1 - i) { Self::inner_hash(sibling, &hash) } else { Self::inner_hash(&hash, sibling) }
        });
        if root == *app_hash { Ok(value) } else { Err(StateProofError::Root) }
    }

    pub(crate) fn leaf_hash(key: &Hash, value: &Hash) -> Hash {
        hash_parts(b"JMT::LeafNode", key, value)
    }

    pub(crate) fn inner_hash(left: &Hash, right: &Hash) -> Hash {
        hash_parts(b"JMT::IntrnalNode", left, right)
    }
}

fn hash_parts(domain: &[u8], a: &Hash, b: &Hash) -> Hash {
    let mut preimage = Vec::with_capacity(80);
    preimage.extend_from_slice(domain);
    preimage.extend_from_slice(&a.0);
    preimage.extend_from_slice(&b.0);
    Sha256::digest(&preimage)
}

/// Bit `i` from the most significant one; callers keep `i` below 256.
fn bit(hash: &Hash, i: usize) -> bool {
    hash.0[i / 8] & (0x80 >> (i % 8)) != 0
}

fn common_bits(a: &Hash, b: &Hash) -> usize {
    (0..MAX_DEPTH).take_while(|&i| bit(a, i) == bit(b, i)).count()
}

impl Encode for StateProof {
    fn encode(&self, w: &mut Writer) {
        w.u8(1);
        match &self.subject {
            Subject::Empty => w.u8(0),
            Subject::Other { key, value } => w.u8(1).put(key).put(value),
            Subject::Value(value) => w.u8(2).bytes(value),
        };
        // A proof has at most 256 siblings.
        w.u16(self.siblings.len() as u16);
        for eight in self.siblings.chunks(8) {
            let bits = eight.iter().enumerate().map(|(i, s)| if *s == PLACEHOLDER { 0 } else { 0x80u8 >> i });
            w.u8(bits.fold(0, |a, b| a | b));
        }
        for sibling in self.siblings.iter().filter(|s| **s != PLACEHOLDER) {
            w.put(sibling);
        }
    }
}

impl Decode for StateProof {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.version("state proof", 1)?;
        let subject = match r.u8()? {
            0 => Subject::Empty,
            1 => Subject::Other { key: r.get()?, value: r.get()? },
            2 => Subject::Value(r.bytes(MAX_STATE_VALUE)?.to_vec()),
            found => return Err(CodecError::Tag { what: "state proof kind", found: found.into() }),
        };
        let count = usize::from(r.u16()?);
        if count > MAX_DEPTH {
            return Err(CodecError::TooLong { what: "state proof siblings", max: MAX_DEPTH, found: count });
        }
        let bits = r.raw(count.div_ceil(8))?;
        let set = |i: usize| bits[i / 8] & (0x80 >> (i % 8)) != 0;
        if (count..bits.len() * 8).any(set) {
            return Err(CodecError::Invalid { what: "state proof bitmap", why: "padding is not zero" });
        }
        let mut siblings = Vec::with_capacity(count);
        for i in 0..count {
            siblings.push(if set(i) { r.get()? } else { PLACEHOLDER });
            if set(i) && siblings[i] == PLACEHOLDER {
                return Err(CodecError::Invalid { what: "state proof sibling", why: "an empty subtree is bit 0" });
            }
        }
        Ok(Self { subject, siblings })
    }
}
