use super::{CommitFields, CommitVote, is_quorum};
use crate::light::{
    HeaderFields, cbor,
    signature_batch::SignatureBatch,
    testkit::{TestBlock, TestChain, TestVote, commit_fields, validators},
};
use pyralog_crypto::{Hash, Signature};
use tendermint::block::CommitSig;

fn block(votes: &[TestVote]) -> TestBlock {
    let members: Vec<(u8, u64)> = (1..=votes.len() as u8).map(|n| (n, 10)).collect();
    let mut chain = TestChain::new("pyralog-dev-1", &members);
    chain.push_with(vec![], Hash([1; 32]), None, 3, |i| votes[i]).clone()
}

const MIXED: [TestVote; 5] = [TestVote::Commit, TestVote::Nil, TestVote::Commit, TestVote::Absent, TestVote::Commit];

fn verify(block: &TestBlock, commit: &CommitFields) -> Result<u64, String> {
    let header = HeaderFields::from_tendermint(&block.header).unwrap();
    let hash = header.hash("pyralog-dev-1").unwrap();
    let mut batch = SignatureBatch::default();
    let power = commit
        .collect("pyralog-dev-1", &header, &hash, &block.validators, "commit", &mut batch)
        .map_err(|f| f.to_string())?;
    batch.verify().map_err(|f| f.to_string())?;
    Ok(power)
}

#[test]
fn cometbft_form_and_back() {
    let block = block(&MIXED);
    let commit = commit_fields(&block);
    let header = HeaderFields::from_tendermint(&block.header).unwrap();
    assert_eq!(commit.to_tendermint("pyralog-dev-1", &header, &block.validators).unwrap(), block.commit);
    assert_eq!(verify(&block, &commit), Ok(30));
}

#[test]
fn every_listed_signature_is_verified_nil_ones_too() {
    let block = block(&MIXED);
    for i in [0, 1, 2, 4] {
        let mut commit = commit_fields(&block);
        match &mut commit.signatures[i] {
            CommitVote::Commit(s) | CommitVote::Nil(s) => s.0[40] ^= 1,
            CommitVote::Absent => unreachable!(),
        }
        let error = verify(&block, &commit).unwrap_err();
        assert!(error.starts_with(&format!("commit.signatures[{i}]: does not verify")), "{error}");
    }
    let swap = |a: usize, b: usize| {
        let mut commit = commit_fields(&block);
        commit.signatures.swap(a, b);
        verify(&block, &commit)
    };
    assert!(swap(0, 2).is_err() && swap(2, 3).is_err());
    let mut turned = commit_fields(&block);
    let CommitVote::Nil(nil) = turned.signatures[1] else { panic!() };
    turned.signatures[1] = CommitVote::Commit(nil);
    assert!(verify(&block, &turned).is_err());
}

#[test]
fn shape_and_ranges_are_checked() {
    let block = block(&MIXED);
    let changes: Vec<fn(&mut CommitFields)> = vec![
        |c| c.signatures.truncate(4),
        |c| c.signatures.push(CommitVote::Absent),
        |c| c.round += 1,
        |c| c.round = u32::MAX,
        |c| c.parts.total = 0,
        |c| c.parts.total += 1,
        |c| c.parts.total = u32::MAX,
        |c| c.parts.hash.0[3] ^= 1,
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut commit = commit_fields(&block);
        change(&mut commit);
        assert!(verify(&block, &commit).is_err(), "change {i}");
    }
}

#[test]
fn only_derived_timestamps_are_taken_over() {
    for at in [0, 1] {
        let block = block(&MIXED);
        let mut commit = block.commit.clone();
        let (CommitSig::BlockIdFlagCommit { timestamp, .. } | CommitSig::BlockIdFlagNil { timestamp, .. }) =
            &mut commit.signatures[at]
        else {
            panic!()
        };
        *timestamp = timestamp.checked_add(std::time::Duration::from_nanos(1)).unwrap();
        let error = CommitFields::from_tendermint(&commit, &block.header, &block.validators).unwrap_err();
        assert!(error.reason.contains("timestamp"), "{error}");
    }
    let block = block(&MIXED);
    let mut other = block.commit.clone();
    other.signatures.swap(0, 2);
    assert!(CommitFields::from_tendermint(&other, &block.header, &block.validators).is_err());
    let mut other = block.header.clone();
    other.height = 2_u32.into();
    assert!(CommitFields::from_tendermint(&block.commit, &other, &block.validators).is_err());
}

#[test]
fn votes_have_one_spelling() {
    let block = block(&MIXED);
    let commit = commit_fields(&block);
    let json = serde_json::to_value(&commit).unwrap();
    assert!(
        json["signatures"][0].is_string()
            && json["signatures"][1]["nil"].is_string()
            && json["signatures"][3].is_null()
    );
    assert_eq!(serde_json::from_value::<CommitFields>(json).unwrap(), commit);
    assert_eq!(cbor::from_slice::<CommitFields>(&cbor::to_vec(&commit).unwrap()).unwrap(), commit);
    let sig = "ab".repeat(64);
    let vote = |text: &str| serde_json::from_str::<CommitVote>(text);
    assert_eq!(vote(&format!("\"{sig}\"")).unwrap(), CommitVote::Commit(Signature([0xab; 64])));
    assert_eq!(vote(&format!("{{\"nil\":\"{sig}\"}}")).unwrap(), CommitVote::Nil(Signature([0xab; 64])));
    for bad in [
        format!("\"{}\"", sig.to_uppercase()),
        format!("\"{}\"", &sig[2..]),
        format!("{{\"commit\":\"{sig}\"}}"),
        format!("{{\"nil\":\"{sig}\",\"nil\":\"{sig}\"}}"),
        format!("{{\"nil\":\"{sig}\",\"x\":1}}"),
        "{}".into(),
        "[]".into(),
        "0".into(),
        "false".into(),
    ] {
        assert!(vote(&bad).is_err(), "{bad}");
    }
}

/// All ways in which seven validators of different power can have signed.
#[test]
fn a_minimal_commit_is_a_quorum_that_cannot_be_thinned_out() {
    let set = validators(&[(1, 40), (2, 20), (3, 10), (4, 10), (5, 9), (6, 5), (7, 5)]);
    let total = set.check().unwrap();
    let power = |c: &CommitFields| -> u64 {
        let signed = c.signatures.iter().zip(&set.0).filter(|(v, _)| **v != CommitVote::Absent);
        signed.map(|(_, v)| v.power).sum()
    };
    let (mut quorums, mut minimal) = (0, 0);
    for mask in 0..1_u32 << 7 {
        let signatures = (0..7)
            .map(|i| if mask >> i & 1 == 1 { CommitVote::Commit(Signature([0; 64])) } else { CommitVote::Absent });
        let parts = crate::light::PartSet { total: 1, hash: Hash::default() };
        let commit = CommitFields { round: 0, parts, signatures: signatures.collect() };
        let quorum = is_quorum(power(&commit), total);
        let thinned = commit.minimal(&set);
        assert!(thinned.is_minimal(&set));
        assert_eq!(is_quorum(power(&thinned), total), quorum);
        quorums += u32::from(quorum);
        if quorum && commit.is_minimal(&set) {
            minimal += 1;
            for i in (0..7).filter(|i| mask >> i & 1 == 1) {
                let mut less = commit.clone();
                less.signatures[i] = CommitVote::Absent;
                assert!(!is_quorum(power(&less), total));
            }
            for i in (0..7).filter(|i| mask >> i & 1 == 0) {
                let mut more = commit.clone();
                more.signatures[i] = CommitVote::Commit(Signature([0; 64]));
                assert!(!more.is_minimal(&set), "one more signature is one too many");
            }
        }
    }
    assert!(quorums > 10 && minimal > 1 && minimal < quorums, "{quorums} {minimal}");
}

#[test]
fn a_quorum_is_strictly_more_than_two_thirds() {
    assert!(!is_quorum(0, 0) && !is_quorum(2, 3) && is_quorum(3, 3) && is_quorum(67, 100) && !is_quorum(66, 99));
    assert!(is_quorum(u64::MAX, u64::MAX) && !is_quorum(u64::MAX / 3 * 2, u64::MAX));
}
