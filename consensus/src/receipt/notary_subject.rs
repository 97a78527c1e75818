//! What a receipt is about: a document, and what is needed to open the leaf that commits to it.

use crate::light::{Fault, fields};
use pyralog_crypto::{
    Blake3, DocumentDigest, Encode, Hash, InclusionProof, MerkleHash, Metadata, NotaryLeaf, Roots, Salt, Sha256,
};
use serde::{Deserialize, Serialize};

/// The document by its digests, with metadata and salts where the leaf commits to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotarySubject {
    /// BLAKE3 digest of the document.
    pub blake3: Hash,
    /// SHA-256 digest of the document.
    pub sha256: Hash,
    /// Size of the document in bytes.
    #[serde(with = "fields::decimal")]
    pub size: u64,
    /// Metadata the leaf commits to.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "fields::present")]
    pub metadata: Option<SubjectMetadata>,
    /// Salt of a hidden leaf; absent where the leaf shows the digests.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "fields::present")]
    pub hidden_salt: Option<Salt>,
}

/// Metadata and the salt of its commitment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectMetadata {
    /// Key/value texts.
    pub values: Metadata,
    /// 32 bytes.
    pub salt: Salt,
}

impl NotarySubject {
    /// An open subject without metadata.
    pub fn new(digest: &DocumentDigest) -> Self {
        Self { blake3: digest.blake3, sha256: digest.sha256, size: digest.size, metadata: None, hidden_salt: None }
    }

    /// Adds metadata, committed to under `salt`.
    #[must_use]
    pub fn with_metadata(mut self, values: Metadata, salt: Salt) -> Self {
        self.metadata = Some(SubjectMetadata { values, salt });
        self
    }

    /// Hides the leaf under `salt`, which must not be the metadata's.
    #[must_use]
    pub fn hidden(mut self, salt: Salt) -> Self {
        self.hidden_salt = Some(salt);
        self
    }

    /// The digests and the size.
    pub fn digest(&self) -> DocumentDigest {
        DocumentDigest { blake3: self.blake3, sha256: self.sha256, size: self.size }
    }

    /// The leaf that commits to this subject.
    pub fn leaf(&self) -> NotaryLeaf {
        let metadata = self.metadata.as_ref().map(|m| m.values.commitment(&m.salt));
        let open = NotaryLeaf::Document { digest: self.digest(), metadata };
        match &self.hidden_salt {
            Some(salt) => NotaryLeaf::hidden(&open, salt),
            None => open,
        }
    }

    /// Compares with the digest of the document at hand.
    ///
    /// # Errors
    /// Names the first value that differs.
    pub(crate) fn check_document(&self, document: &DocumentDigest) -> Result<(), Fault> {
        let differs = |field: &str, what: &str, receipt: String, found: String| {
            Err(Fault::new(field, format!("is {receipt}, but the document's {what} is {found}: not the same document")))
        };
        if self.size != document.size {
            return differs("size", "size", self.size.to_string(), document.size.to_string());
        }
        if self.blake3 != document.blake3 {
            return differs("blake3", "BLAKE3 digest", self.blake3.to_string(), document.blake3.to_string());
        }
        if self.sha256 != document.sha256 {
            return differs("sha256", "SHA-256 digest", self.sha256.to_string(), document.sha256.to_string());
        }
        Ok(())
    }
}

/// Membership in a batch: the logged leaf is the root of a tree over member leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchMembership {
    /// The member's index, from 0.
    #[serde(with = "fields::decimal")]
    pub index: u64,
    /// Number of members.
    #[serde(with = "fields::decimal")]
    pub count: u64,
    /// Inclusion path in the BLAKE3 tree over the members.
    pub blake3_path: Vec<Hash>,
    /// Inclusion path in the SHA-256 tree over the members.
    pub sha256_path: Vec<Hash>,
}

impl BatchMembership {
    /// Membership from the proofs of both trees.
    ///
    /// # Errors
    /// Proofs of different members or sizes.
    pub fn new(blake3: InclusionProof, sha256: InclusionProof) -> Result<Self, Fault> {
        if (blake3.index, blake3.size) != (sha256.index, sha256.size) {
            return Err(Fault::new("batch", "the BLAKE3 and SHA-256 proofs are of different members"));
        }
        Ok(Self { index: blake3.index, count: blake3.size, blake3_path: blake3.path, sha256_path: sha256.path })
    }

    /// The batch leaf that this member's leaf leads to. The roots are computed, so index, count and paths are all bound by
    /// the leaf's hash.
    pub(crate) fn leaf(&self, member: &NotaryLeaf) -> Result<NotaryLeaf, Fault> {
        let bytes = member.to_bytes();
        let proof = |path: &[Hash]| InclusionProof { index: self.index, size: self.count, path: path.to_vec() };
        let blake3 = proof(&self.blake3_path)
            .root_from::<Blake3>(&Blake3::leaf(&bytes))
            .map_err(|e| Fault::new("blake3_path", e.to_string()))?;
        let sha256 = proof(&self.sha256_path)
            .root_from::<Sha256>(&Sha256::leaf(&bytes))
            .map_err(|e| Fault::new("sha256_path", e.to_string()))?;
        Ok(NotaryLeaf::Batch { count: self.count, roots: Roots { blake3, sha256 } })
    }
}

/// The leaf in the notary log: the batch's where there is one, else the subject's own.
pub(crate) fn logged_leaf(subject: &NotarySubject, batch: Option<&BatchMembership>) -> Result<NotaryLeaf, Fault> {
    let leaf = subject.leaf();
    batch.map_or(Ok(leaf.clone()), |b| b.leaf(&leaf).map_err(|f| f.within("batch")))
}

#[cfg(test)]
#[path = "notary_subject_test.rs"]
mod tests;
