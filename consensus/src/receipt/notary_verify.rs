//! `verify`: a document and a receipt against a root of trust. No clock, no network, no files.

use super::{
    chain,
    error::ReceiptError,
    notary_codec::{ReceiptFile, ReceiptFormat},
    notary_receipt::{Algorithms, NotaryProof, NotaryReceipt, PendingReceipt, VERSION},
    notary_subject::logged_leaf,
    trust::{Trust, Verified, VerifyOptions},
    tx_path,
};
use crate::{
    light::{Fault, SignatureBatch},
    tx::AnchorTx,
};
use pyralog_crypto::{
    Blake3, DocumentDigest, Hash, InclusionProof, MerkleHash, NotaryLeaf, Promise, Sha256, SignedPromise,
    check_chain_id,
};

/// Verifies a receipt file of any kind.
///
/// # Errors
/// [`ReceiptError`]; always [`ReceiptError::Pending`] for a sound pending receipt.
pub fn verify_file(
    document: &DocumentDigest,
    file: &ReceiptFile,
    trust: &Trust,
    options: &VerifyOptions,
) -> Result<Verified, ReceiptError> {
    match file {
        ReceiptFile::Complete(receipt) => receipt.verify(document, trust, options),
        ReceiptFile::Pending(receipt) => Err(receipt.verify(document, trust)),
    }
}

impl NotaryReceipt {
    /// Verifies this receipt for a document.
    ///
    /// Everything the receipt says is checked against itself first, so that a changed value is
    /// [`ReceiptError::Invalid`]; only then the root of trust is asked, so that a sound receipt of another chain is
    /// [`ReceiptError::Untrusted`].
    ///
    /// # Errors
    /// [`ReceiptError`], with the field and a sentence.
    pub fn verify(
        &self,
        document: &DocumentDigest,
        trust: &Trust,
        options: &VerifyOptions,
    ) -> Result<Verified, ReceiptError> {
        check_head::<Self>(&self.kind, self.version, &self.algorithms, &self.chain_id)?;
        self.subject.check_document(document).map_err(|f| f.within("subject"))?;
        let leaf = logged_leaf(&self.subject, self.batch.as_ref())?;
        self.proof.check_leaf(&leaf).map_err(|f| f.within("proof"))?;
        self.proof.check_anchor().map_err(|f| f.within("proof"))?;

        let mut batch = SignatureBatch::default();
        let NotaryProof { bridge, block, .. } = &self.proof;
        let mut links = chain::links(&self.chain_id, "proof", bridge, block, &mut batch)?;
        let refreshed = match &self.refresh {
            None => None,
            Some(refresh) => {
                let first = links.len();
                let anchored = &links[first - 1];
                let later = refresh.check(&self.chain_id, anchored, &mut batch)?;
                links.extend(later);
                Some(first)
            }
        };
        batch.verify()?;

        let assumptions = chain::anchor_in_trust(&self.chain_id, &links, refreshed, trust, options.max_root_age)?;
        Ok(Verified {
            chain_id: self.chain_id.clone(),
            existed_no_later_than: block.header.time,
            height: block.header.height,
            header_hash: links[bridge.len()].hash,
            log: self.proof.log,
            index: self.proof.leaf.index,
            batch_index: self.batch.as_ref().map(|b| b.index),
            hidden: self.subject.hidden_salt.is_some(),
            assumptions,
        })
    }
}

impl PendingReceipt {
    /// Why this receipt proves nothing yet: [`ReceiptError::Pending`] where all it says holds for the document.
    pub fn verify(&self, document: &DocumentDigest, trust: &Trust) -> ReceiptError {
        if let Err(error) = self.check(document) {
            return error;
        }
        if let Trust::Genesis(genesis) = trust
            && genesis.chain_id != self.chain_id
        {
            let (theirs, ours) = (&self.chain_id, &genesis.chain_id);
            return ReceiptError::Untrusted(format!("it is of chain {theirs}, the genesis file of chain {ours}"));
        }
        ReceiptError::Pending(match &self.promise {
            Some(p) => format!(
                "log {} promised to anchor leaf {} by height {}; fetch the receipt (pyralog receipt fetch)",
                p.log, p.index, p.anchor_by
            ),
            None => "no node has acknowledged the leaf; submit it again (pyralog receipt fetch)".to_owned(),
        })
    }

    fn check(&self, document: &DocumentDigest) -> Result<(), ReceiptError> {
        check_head::<Self>(&self.kind, self.version, &self.algorithms, &self.chain_id)?;
        self.subject.check_document(document).map_err(|f| f.within("subject"))?;
        let leaf = logged_leaf(&self.subject, self.batch.as_ref())?;
        let Some(pending) = &self.promise else { return Ok(()) };
        let promise =
            Promise { log: pending.log, index: pending.index, leaf: leaf.leaf_hashes(), anchor_by: pending.anchor_by };
        SignedPromise { promise, signature: pending.signature }.verify(&self.chain_id, &pending.owner).map_err(|_| {
            let reason = "does not verify under promise.owner for this document's leaf, log, index and height";
            ReceiptError::invalid("promise.signature", reason)
        })
    }
}

impl NotaryProof {
    /// The leaf stands at its index in both trees.
    pub(crate) fn check_leaf(&self, leaf: &NotaryLeaf) -> Result<(), Fault> {
        let hashes = leaf.leaf_hashes();
        let (position, checkpoint) = (&self.leaf, &self.checkpoint);
        included::<Blake3>(position.index, checkpoint.size, &position.blake3_path, &hashes.blake3, &checkpoint.blake3)
            .map_err(|reason| Fault::new("leaf.blake3_path", reason))?;
        included::<Sha256>(position.index, checkpoint.size, &position.sha256_path, &hashes.sha256, &checkpoint.sha256)
            .map_err(|reason| Fault::new("leaf.sha256_path", reason))
    }

    /// The anchor transaction, whose bytes follow from log and checkpoint, stands under the block's `data_hash`.
    pub(crate) fn check_anchor(&self) -> Result<(), Fault> {
        let tx = AnchorTx { checkpoint: self.checkpoint.signed(self.log) }.to_bytes();
        let root = tx_path::root(&tx, &self.anchor_path).map_err(|f| f.within("anchor_path"))?;
        if root == self.block.header.data_hash {
            return Ok(());
        }
        let reason = format!(
            "leads the anchor of log {} with size {} to {root}, not to block.header.data_hash",
            self.log, self.checkpoint.size
        );
        Err(Fault::new("anchor_path", reason))
    }
}

fn included<H: MerkleHash>(index: u64, size: u64, path: &[Hash], leaf: &Hash, root: &Hash) -> Result<(), String> {
    InclusionProof { index, size, path: path.to_vec() }
        .verify::<H>(leaf, root)
        .map_err(|e| format!("does not lead this document's leaf to the checkpoint's root: {e}"))
}

/// Type, version, algorithms and the form of the chain id.
pub(crate) fn check_head<T: ReceiptFormat>(
    kind: &str,
    version: u8,
    algorithms: &Algorithms,
    chain_id: &str,
) -> Result<(), ReceiptError> {
    if kind != T::TYPE {
        return Err(ReceiptError::invalid("type", format!("is not `{}`", T::TYPE)));
    }
    if version != VERSION {
        return Err(ReceiptError::invalid("version", format!("is {version}; this verifier knows {VERSION}")));
    }
    let known = Algorithms::default();
    for (field, found, known) in [
        ("log_hashes", format!("{:?}", algorithms.log_hashes), format!("{:?}", known.log_hashes)),
        ("chain_hash", algorithms.chain_hash.clone(), known.chain_hash),
        ("signature", algorithms.signature.clone(), known.signature),
    ] {
        if found != known {
            return Err(ReceiptError::invalid(format!("algorithms.{field}"), format!("is not {known}")));
        }
    }
    check_chain_id(chain_id).map_err(|e| ReceiptError::invalid("chain_id", e.to_string()))
}

#[cfg(test)]
#[path = "notary_verify_test.rs"]
mod tests;
