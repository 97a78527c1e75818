//! Signatures gathered from any number of commits and verified together.

use super::fault::Fault;
use pyralog_crypto::{PublicKey, Signature, verify_batch};

/// Signatures to verify, each with the field it stands in. Sign bytes are kept once per commit: all precommits for one
/// block sign the same bytes, since their time is the header's.
#[derive(Debug, Default)]
pub(crate) struct SignatureBatch {
    messages: Vec<Vec<u8>>,
    items: Vec<Item>,
}

#[derive(Debug)]
struct Item {
    public_key: PublicKey,
    message: usize,
    signature: Signature,
    field: String,
}

impl SignatureBatch {
    /// Adds sign bytes; the number returned names them in [`SignatureBatch::push`].
    pub(crate) fn message(&mut self, bytes: Vec<u8>) -> usize {
        self.messages.push(bytes);
        self.messages.len() - 1
    }

    /// Adds a signature over message number `message`.
    pub(crate) fn push(&mut self, public_key: PublicKey, message: usize, signature: Signature, field: String) {
        self.items.push(Item { public_key, message, signature, field });
    }

    /// Verifies all of them.
    ///
    /// # Errors
    /// Names the first signature that does not verify.
    pub(crate) fn verify(&self) -> Result<(), Fault> {
        let items: Vec<(PublicKey, &[u8], Signature)> =
            self.items.iter().map(|i| (i.public_key, self.messages[i.message].as_slice(), i.signature)).collect();
        let verdicts = verify_batch(&items);
        match self.items.iter().zip(verdicts).find(|(_, ok)| !ok) {
            None => Ok(()),
            Some((item, _)) => Err(Fault::new(
                item.field.clone(),
                format!("does not verify under the validator key {}", item.public_key),
            )),
        }
    }
}
