//! Encodings that the wire and the WAL share.

use malachitebft_core_types::{
    NilOrVal, PolkaSignature, Round, RoundCertificateType, RoundSignature, SignedMessage, VoteType,
};
use pyralog_crypto::{
    Signature,
    codec::{Reader, Writer},
    error::CodecError,
};

use super::context::{Height, PolkaCertificate, Proposal, RoundCertificate, SignedProposal, SignedVote, Vote};
use crate::block::{MAX_VALIDATORS, ValidatorAddress, ValueId, get_block_id, get_time, put_block_id, put_time};

/// Rounds are `int32` in CometBFT's messages; staying one below keeps `round + 1` inside.
pub(super) const MAX_ROUND: u32 = i32::MAX as u32 - 1;

pub(super) fn put_round(w: &mut Writer, round: Round) {
    w.u32(round.as_u32().unwrap_or(0));
}

pub(super) fn get_round(r: &mut Reader<'_>) -> Result<Round, CodecError> {
    let round = r.u32()?;
    if round > MAX_ROUND {
        return Err(CodecError::Invalid { what: "round", why: "out of range" });
    }
    Ok(Round::new(round))
}

pub(super) fn put_pol_round(w: &mut Writer, round: Round) {
    w.option(round.as_u32().as_ref(), |w, round| {
        w.u32(*round);
    });
}

pub(super) fn get_pol_round(r: &mut Reader<'_>) -> Result<Round, CodecError> {
    Ok(r.option(get_round)?.unwrap_or(Round::Nil))
}

pub(super) fn get_height(r: &mut Reader<'_>) -> Result<Height, CodecError> {
    let height = r.u64()?;
    if height == 0 || height > i64::MAX as u64 {
        return Err(CodecError::Invalid { what: "height", why: "out of range" });
    }
    Ok(Height(height))
}

pub(super) fn put_value(w: &mut Writer, value: &ValueId) {
    put_block_id(w, &value.block_id);
    put_time(w, value.time);
}

pub(super) fn get_value(r: &mut Reader<'_>) -> Result<ValueId, CodecError> {
    let (block_id, time) = (get_block_id(r)?, get_time(r)?);
    ValueId::new(block_id, time).ok_or(CodecError::Invalid { what: "value", why: "the part set is out of bounds" })
}

fn put_nil_or_value(w: &mut Writer, value: &NilOrVal<ValueId>) {
    let value = match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(value) => Some(value),
    };
    w.option(value, put_value);
}

fn get_nil_or_value(r: &mut Reader<'_>) -> Result<NilOrVal<ValueId>, CodecError> {
    Ok(r.option(get_value)?.map_or(NilOrVal::Nil, NilOrVal::Val))
}

fn put_vote_type(w: &mut Writer, kind: VoteType) {
    w.u8(super::context::step_of(kind) as u8);
}

fn get_vote_type(r: &mut Reader<'_>) -> Result<VoteType, CodecError> {
    match r.u8()? {
        2 => Ok(VoteType::Prevote),
        3 => Ok(VoteType::Precommit),
        other => Err(CodecError::Tag { what: "vote type", found: other.into() }),
    }
}

pub(super) fn put_vote(w: &mut Writer, vote: &SignedVote) {
    put_vote_type(w, vote.message.step);
    w.u64(vote.message.height.0);
    put_round(w, vote.message.round);
    put_nil_or_value(w, &vote.message.value);
    w.raw(&vote.message.address.0).raw(&vote.signature.0);
}

pub(super) fn get_vote(r: &mut Reader<'_>) -> Result<SignedVote, CodecError> {
    let step = get_vote_type(r)?;
    let (height, round, value) = (get_height(r)?, get_round(r)?, get_nil_or_value(r)?);
    let address = ValidatorAddress(r.array()?);
    Ok(SignedMessage::new(Vote { step, height, round, value, address }, Signature(r.array()?)))
}

pub(super) fn put_proposal(w: &mut Writer, proposal: &SignedProposal) {
    w.u64(proposal.message.height.0);
    put_round(w, proposal.message.round);
    put_pol_round(w, proposal.message.pol_round);
    put_value(w, &proposal.message.value);
    w.raw(&proposal.message.address.0).raw(&proposal.signature.0);
}

pub(super) fn get_proposal(r: &mut Reader<'_>) -> Result<SignedProposal, CodecError> {
    let (height, round, pol_round) = (get_height(r)?, get_round(r)?, get_pol_round(r)?);
    if pol_round >= round {
        return Err(CodecError::Invalid { what: "proposal", why: "the proof-of-lock round is not below its round" });
    }
    let (value, address) = (get_value(r)?, ValidatorAddress(r.array()?));
    Ok(SignedMessage::new(Proposal { height, round, value, pol_round, address }, Signature(r.array()?)))
}

pub(super) fn put_polka(w: &mut Writer, polka: &PolkaCertificate) {
    w.u64(polka.height.0);
    put_round(w, polka.round);
    put_value(w, &polka.value_id);
    w.list(&polka.polka_signatures, |w, s| {
        w.raw(&s.address.0).raw(&s.signature.0);
    });
}

pub(super) fn get_polka(r: &mut Reader<'_>) -> Result<PolkaCertificate, CodecError> {
    let (height, round, value_id) = (get_height(r)?, get_round(r)?, get_value(r)?);
    let signature = |r: &mut Reader<'_>| {
        Ok(PolkaSignature { address: ValidatorAddress(r.array()?), signature: Signature(r.array()?) })
    };
    Ok(PolkaCertificate { height, round, value_id, polka_signatures: r.list(MAX_VALIDATORS, signature)? })
}

pub(super) fn put_round_certificate(w: &mut Writer, certificate: &RoundCertificate) {
    w.u64(certificate.height.0);
    put_round(w, certificate.round);
    w.u8(match certificate.cert_type {
        RoundCertificateType::Skip => 1,
        RoundCertificateType::Precommit => 2,
    });
    w.list(&certificate.round_signatures, |w, s| {
        put_vote_type(w, s.vote_type);
        put_nil_or_value(w, &s.value_id);
        w.raw(&s.address.0).raw(&s.signature.0);
    });
}

pub(super) fn get_round_certificate(r: &mut Reader<'_>) -> Result<RoundCertificate, CodecError> {
    let (height, round) = (get_height(r)?, get_round(r)?);
    let cert_type = match r.u8()? {
        1 => RoundCertificateType::Skip,
        2 => RoundCertificateType::Precommit,
        other => return Err(CodecError::Tag { what: "round certificate type", found: other.into() }),
    };
    let signature = |r: &mut Reader<'_>| {
        let (vote_type, value_id) = (get_vote_type(r)?, get_nil_or_value(r)?);
        Ok(RoundSignature {
            vote_type,
            value_id,
            address: ValidatorAddress(r.array()?),
            signature: Signature(r.array()?),
        })
    };
    Ok(RoundCertificate { height, round, cert_type, round_signatures: r.list(MAX_VALIDATORS, signature)? })
}
