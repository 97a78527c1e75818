//! Signed transactions: kind 1.

use pyralog_crypto::{
    Address, CodecError, PublicKey, Signature, Signer, SignerError,
    chain_id::{MAX_CHAIN_ID, check_chain_id},
    codec::{Decode, Encode, Reader, Writer},
};

use super::{MAX_MESSAGES, MAX_SIGNERS, MAX_TX_BYTES, Message, TX_DOMAIN, TX_VERSION, envelope::KIND_SIGNED};

/// See [`TxBody::sign_bytes`]; `prefix` is the transaction up to the authorizations.
pub(super) fn sign_bytes(chain_id: &str, prefix: &[u8]) -> Vec<u8> {
    let mut out = Writer::signing(TX_DOMAIN, chain_id);
    out.raw(prefix);
    out.into_bytes()
}

/// Most proof attachments the format has room for; none is active.
const MAX_PROOFS: usize = 4;

/// A signed transaction: a body and one authorization per signer, in the order of the signers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTx {
    /// What is signed.
    pub body: TxBody,
    /// One per signer, in their order.
    pub authorizations: Vec<Authorization>,
}

/// All of a signed transaction that its signatures cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxBody {
    /// The only chain on which it counts.
    pub chain_id: String,
    /// 1 to 16, executed in order, all or none.
    pub messages: Vec<Message>,
    /// 1 to 8, distinct. The first one pays.
    pub signers: Vec<TxSigner>,
    /// What is paid for inclusion.
    pub payment: Payment,
    /// The last height whose block may hold the transaction.
    pub expiry_height: u64,
    /// Reserved: must be empty today.
    pub proofs: Vec<ProofAttachment>,
}

/// Who signs, and the sequence number of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxSigner {
    /// Key or policy; the account's address is its hash.
    pub authority: Authority,
    /// Must equal the account's nonce, which then grows by one.
    pub nonce: u64,
}

/// What stands behind an address: type byte and preimage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// Type 1: an ed25519 key.
    Key(PublicKey),
    /// Type 2, reserved: an encoded multisig policy.
    Policy(Vec<u8>),
}

/// How inclusion is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payment {
    /// Type 1: a fee in upyra from the first signer to the community pool.
    Fee(u64),
    /// Type 2, reserved: a proof-of-work stamp.
    Stamp(Vec<u8>),
}

/// Reserved: a zero-knowledge proof with the id of its system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofAttachment {
    /// Which proof system.
    pub system: u16,
    /// Its bytes.
    pub proof: Vec<u8>,
}

/// What a signer gives to authorize the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// Type 1: an ed25519 signature over [`TxBody::sign_bytes`].
    Signature(Signature),
    /// Type 2, reserved: what satisfies a policy.
    Policy(Vec<u8>),
}

impl TxBody {
    /// What each signer signs: text [`TX_DOMAIN`], text chain id, then the transaction's bytes from the version up to
    /// the authorizations.
    pub fn sign_bytes(&self) -> Vec<u8> {
        sign_bytes(&self.chain_id, self.prefix().as_bytes())
    }

    /// Signs with one signer per entry of `signers`, in their order.
    ///
    /// # Errors
    /// Whatever a signer reports.
    pub fn sign(self, keys: &[&dyn Signer]) -> Result<SignedTx, SignerError> {
        let message = self.sign_bytes();
        let authorizations =
            keys.iter().map(|key| key.sign(&message).map(Authorization::Signature)).collect::<Result<_, _>>()?;
        Ok(SignedTx { body: self, authorizations })
    }

    fn prefix(&self) -> Writer {
        let mut w = Writer::new();
        w.u8(TX_VERSION).u8(KIND_SIGNED).put(self);
        w
    }
}

impl SignedTx {
    /// The transaction's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = self.body.prefix();
        w.list(&self.authorizations, |w, a| {
            w.put(a);
        });
        w.into_bytes()
    }

    /// Decodes what follows version and kind; also returns how many bytes the authorizations take at the end.
    pub(super) fn decode(r: &mut Reader<'_>) -> Result<(Self, usize), CodecError> {
        let body = TxBody::decode(r)?;
        let tail = r.remaining();
        let authorizations = r.list(MAX_SIGNERS, Authorization::decode)?;
        if authorizations.len() != body.signers.len() {
            return Err(CodecError::Invalid { what: "authorizations", why: "there must be one per signer" });
        }
        for (signer, authorization) in body.signers.iter().zip(&authorizations) {
            let fits = matches!(
                (&signer.authority, authorization),
                (Authority::Key(_), Authorization::Signature(_)) | (Authority::Policy(_), Authorization::Policy(_))
            );
            if !fits {
                return Err(CodecError::Invalid { what: "authorization", why: "its type differs from its signer's" });
            }
        }
        Ok((Self { body, authorizations }, tail))
    }
}

impl Authority {
    /// The account that it controls; `None` for a policy, which is reserved.
    pub fn address(&self) -> Option<Address> {
        match self {
            Self::Key(key) => Some(Address::from_key(key)),
            Self::Policy(_) => None,
        }
    }
}

impl Encode for TxBody {
    fn encode(&self, w: &mut Writer) {
        w.text(&self.chain_id);
        w.list(&self.messages, |w, m| {
            w.put(m);
        });
        w.list(&self.signers, |w, s| {
            w.put(s);
        });
        match &self.payment {
            Payment::Fee(fee) => w.u8(1).u64(*fee),
            Payment::Stamp(stamp) => w.u8(2).bytes(stamp),
        };
        w.u64(self.expiry_height);
        w.list(&self.proofs, |w, p| {
            w.u16(p.system).bytes(&p.proof);
        });
    }
}

impl Decode for TxBody {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let chain_id = r.text(MAX_CHAIN_ID)?;
        let why = "not 1 to 50 characters of a-z A-Z 0-9 . _ -";
        check_chain_id(chain_id).map_err(|_| CodecError::Invalid { what: "chain id", why })?;
        let chain_id = chain_id.to_owned();
        let messages = r.list(MAX_MESSAGES, Reader::get)?;
        let signers = r.list(MAX_SIGNERS, Reader::get)?;
        if messages.is_empty() || signers.is_empty() {
            let what = if signers.is_empty() { "signers" } else { "messages" };
            return Err(CodecError::Invalid { what, why: "there must be at least one" });
        }
        let payment = match r.u8()? {
            1 => Payment::Fee(r.u64()?),
            2 => Payment::Stamp(r.bytes(MAX_TX_BYTES)?.to_vec()),
            found => return Err(CodecError::Tag { what: "payment type", found: found.into() }),
        };
        let expiry_height = r.u64()?;
        let proofs =
            r.list(MAX_PROOFS, |r| Ok(ProofAttachment { system: r.u16()?, proof: r.bytes(MAX_TX_BYTES)?.to_vec() }))?;
        Ok(Self { chain_id, messages, signers, payment, expiry_height, proofs })
    }
}

impl Encode for TxSigner {
    fn encode(&self, w: &mut Writer) {
        match &self.authority {
            Authority::Key(key) => w.u8(1).put(key),
            Authority::Policy(policy) => w.u8(2).bytes(policy),
        };
        w.u64(self.nonce);
    }
}

impl Decode for TxSigner {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        let authority = match r.u8()? {
            1 => Authority::Key(r.get()?),
            2 => Authority::Policy(r.bytes(MAX_TX_BYTES)?.to_vec()),
            found => return Err(CodecError::Tag { what: "signer type", found: found.into() }),
        };
        Ok(Self { authority, nonce: r.u64()? })
    }
}

impl Encode for Authorization {
    fn encode(&self, w: &mut Writer) {
        match self {
            Self::Signature(signature) => w.u8(1).put(signature),
            Self::Policy(bytes) => w.u8(2).bytes(bytes),
        };
    }
}

impl Decode for Authorization {
    fn decode(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        match r.u8()? {
            1 => r.get().map(Self::Signature),
            2 => Ok(Self::Policy(r.bytes(MAX_TX_BYTES)?.to_vec())),
            found => Err(CodecError::Tag { what: "authorization type", found: found.into() }),
        }
    }
}
