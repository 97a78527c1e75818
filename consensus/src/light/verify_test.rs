use super::{LightOptions, TrustedState, Verdict, verify};
use crate::light::testkit::{TestBlock, TestChain, TestVote, validators};
use proptest::prelude::*;
use pyralog_crypto::Hash;
use std::{sync::LazyLock, time::Duration};
use tendermint::{Time, trust_threshold::TrustThresholdFraction};
use tendermint_light_client_verifier::{
    ProdVerifier, Verdict as TheirVerdict, Verifier, options::Options, types::LightBlock as TheirBlock,
};

fn options() -> LightOptions {
    LightOptions { trusting_period: Duration::from_secs(3600), ..LightOptions::default() }
}

fn theirs(block: &TestBlock) -> TheirBlock {
    let set = |v: &crate::light::Validators| {
        let info = |v: &crate::light::ValidatorEntry| {
            let key = tendermint::PublicKey::from_raw_ed25519(&v.public_key.0).unwrap();
            tendermint::validator::Info::new(key, v.power.try_into().unwrap())
        };
        tendermint::validator::Set::without_proposer(v.0.iter().map(info).collect())
    };
    let signed =
        tendermint::block::signed_header::SignedHeader::new(block.header.clone(), block.commit.clone()).unwrap();
    TheirBlock::new(signed, set(&block.validators), set(&block.next_validators), tendermint::node::Id::new([1; 20]))
}

#[derive(Debug, PartialEq)]
enum Kind {
    Verified,
    NotEnoughTrust,
    Invalid,
}

fn ours(block: &TestBlock, trusted: &TestBlock, options: &LightOptions, now: Time) -> Kind {
    match verify(&block.light_block(), &TrustedState::of(&trusted.light_block(), trusted.hash()), options, now) {
        Verdict::Verified(state) => {
            assert_eq!(state.hash, Some(block.hash()));
            Kind::Verified
        }
        Verdict::NotEnoughTrust { .. } => Kind::NotEnoughTrust,
        Verdict::Foreign(_) | Verdict::Invalid(_) => Kind::Invalid,
    }
}

fn tendermints(block: &TestBlock, trusted: &TestBlock, options: &LightOptions, now: Time) -> Kind {
    let (num, den) = options.trust_threshold;
    let their_options = Options {
        trust_threshold: TrustThresholdFraction::new(num, den).unwrap(),
        trusting_period: options.trusting_period,
        clock_drift: options.clock_drift,
    };
    let (block, trusted) = (theirs(block), theirs(trusted));
    let (untrusted, trusted) = (block.as_untrusted_state(), trusted.as_trusted_state());
    match ProdVerifier::default().verify_update_header(untrusted, trusted, &their_options, now) {
        TheirVerdict::Success => Kind::Verified,
        TheirVerdict::NotEnoughTrust(_) => Kind::NotEnoughTrust,
        TheirVerdict::Invalid(_) => Kind::Invalid,
    }
}

/// A chain whose set changes every few heights, with absent and nil votes.
fn changing() -> TestChain {
    let mut chain = TestChain::new("pyralog-dev-1", &[(1, 10), (2, 10), (3, 10), (4, 10)]);
    for height in 1..=30_u8 {
        let change = (height % 4 == 0).then(|| {
            let first = 1 + height / 4;
            validators(&[(first, 10), (first + 1, 10 + u64::from(height)), (first + 2, 10), (first + 3, 10)])
        });
        let votes = |i: usize| match (usize::from(height) + i) % 9 {
            0 => TestVote::Nil,
            5 => TestVote::Absent,
            _ => TestVote::Commit,
        };
        let quiet = |i: usize| if i == 0 { TestVote::Commit } else { votes(i) };
        chain.push_with(vec![vec![height]], Hash([height; 32]), change, 0, quiet);
    }
    chain
}

#[test]
fn verdicts_on_every_pair_of_blocks_are_those_of_tendermint() {
    let chain = changing();
    let now = chain.now();
    let (mut verified, mut lacking, mut invalid) = (0, 0, 0);
    for threshold in [(1, 3), (1, 2), (2, 3), (1, 1)] {
        let options = LightOptions { trust_threshold: threshold, ..options() };
        for trusted in &chain.blocks {
            for block in &chain.blocks {
                let verdict = ours(block, trusted, &options, now);
                let theirs = tendermints(block, trusted, &options, now);
                let (from, to) = (trusted.header.height, block.header.height);
                assert_eq!(verdict, theirs, "{from} to {to} at {threshold:?}");
                match verdict {
                    Kind::Verified => verified += 1,
                    Kind::NotEnoughTrust => lacking += 1,
                    Kind::Invalid => invalid += 1,
                }
            }
        }
    }
    assert!(verified > 100 && lacking > 100 && invalid > 100, "{verified} {lacking} {invalid}");
}

#[test]
fn times_are_judged_as_tendermint_does() {
    let chain = changing();
    let (trusted, block) = (chain.at(3), chain.at(9));
    let second = Duration::from_secs(1);
    let end = trusted.header.time.checked_add(options().trusting_period).unwrap();
    let drift = block.header.time.checked_sub(options().clock_drift).unwrap();
    for at in [end, drift] {
        for now in [at.checked_sub(second).unwrap(), at, at.checked_add(Duration::from_nanos(1)).unwrap()] {
            assert_eq!(ours(block, trusted, &options(), now), tendermints(block, trusted, &options(), now), "{now}");
        }
    }
    assert_eq!(ours(block, trusted, &options(), end), Kind::Invalid);
    assert_eq!(ours(block, trusted, &options(), drift), Kind::Invalid);
}

#[test]
fn the_first_block_follows_genesis() {
    let chain = changing();
    let genesis = |validators, time| TrustedState {
        chain_id: "pyralog-dev-1".into(),
        height: 0,
        hash: None,
        time,
        next_validators: validators,
    };
    let first = chain.at(1).light_block();
    let good = genesis(chain.genesis.clone(), chain.genesis_time);
    assert!(matches!(verify(&first, &good, &options(), chain.now()), Verdict::Verified(_)));
    // CometBFT's first block carries the genesis time itself.
    let same_time = genesis(chain.genesis.clone(), first.header.time);
    assert!(matches!(verify(&first, &same_time, &options(), chain.now()), Verdict::Verified(_)));
    let others = genesis(validators(&[(1, 10), (2, 10), (3, 10), (5, 10)]), chain.genesis_time);
    assert!(
        matches!(verify(&first, &others, &options(), chain.now()), Verdict::Foreign(f) if f.field == "header.validators_hash")
    );
    let later = genesis(chain.genesis.clone(), chain.at(20).header.time);
    for height in [1, 2, 19] {
        let block = chain.at(height).light_block();
        let verdict = verify(&block, &later, &options(), chain.now());
        assert!(matches!(verdict, Verdict::Foreign(f) if f.field == "header.time"), "{height}");
    }
    // Of a block that does not hold together nobody knows which chain it is of.
    let mut unsound = first.clone();
    unsound.commit.signatures.swap(0, 1);
    for root in [&others, &later] {
        assert!(matches!(verify(&unsound, root, &options(), chain.now()), Verdict::Invalid(_)));
    }
    let other_chain = TrustedState { chain_id: "pyralog-dev-2".into(), ..good };
    assert!(matches!(verify(&first, &other_chain, &options(), chain.now()), Verdict::Invalid(_)));
}

#[test]
fn options_have_ranges() {
    let with = |trust_threshold| LightOptions { trust_threshold, ..options() }.check();
    for good in [(1, 3), (2, 3), (1, 1), (5, 5), (u64::MAX, u64::MAX)] {
        assert!(with(good).is_ok(), "{good:?}");
    }
    for bad in [(0, 1), (1, 0), (0, 0), (3, 10), (4, 3), (u64::MAX / 4, u64::MAX)] {
        assert!(with(bad).is_err(), "{bad:?}");
    }
    assert!(LightOptions { max_fetches: 0, ..options() }.check().is_err());
    assert!(LightOptions { trusting_period: Duration::ZERO, ..options() }.check().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A damaged block: where tendermint refuses, so do we. (We also refuse a bad signature beyond the quorum.)
    #[test]
    fn we_never_accept_what_tendermint_refuses(
        from in 1_u64..29,
        step in 1_u64..8,
        what in 0_u8..9,
        place in 0_usize..4,
        byte in 0_usize..32,
        bit in 0_u8..8,
    ) {
        static CHAIN: LazyLock<TestChain> = LazyLock::new(changing);
        let chain = &*CHAIN;
        let to = (from + step).min(30);
        let trusted = chain.at(from);
        let mut block = chain.at(to).clone();
        let flip = |hash: &mut tendermint::Hash| {
            let mut bytes: [u8; 32] = hash.as_bytes().try_into().unwrap();
            bytes[byte] ^= 1 << bit;
            *hash = tendermint::Hash::Sha256(bytes);
        };
        let mut ours_only = false;
        match what {
            0 => flip(&mut block.header.validators_hash),
            1 => flip(&mut block.header.next_validators_hash),
            2 => flip(block.header.data_hash.as_mut().unwrap()),
            3 => block.header.time = block.header.time.checked_add(Duration::from_nanos(1 << bit)).unwrap(),
            4 => block.validators = chain.at((to + 3).min(30)).validators.clone(),
            5 => block.next_validators = chain.at((to + 5).min(30)).next_validators.clone(),
            6 => block.commit.signatures[place] = tendermint::block::CommitSig::BlockIdFlagAbsent,
            7 => flip(&mut block.commit.block_id.part_set_header.hash),
            _ => {
                use tendermint::block::CommitSig;
                if let CommitSig::BlockIdFlagCommit { signature, .. } | CommitSig::BlockIdFlagNil { signature, .. } =
                    &mut block.commit.signatures[place]
                {
                    let mut bytes = signature.as_ref().unwrap().as_bytes().to_vec();
                    bytes[byte] ^= 1 << bit;
                    *signature = tendermint::Signature::new(bytes).unwrap();
                    ours_only = true;
                }
            }
        }
        let theirs = tendermints(&block, trusted, &options(), chain.now());
        let taken_over = crate::light::LightBlock::from_tendermint(
            &block.header, &block.commit, block.validators.clone(), block.next_validators.clone(),
        );
        let ours = match taken_over {
            Err(_) => Kind::Invalid,
            Ok(light) => {
                let state = TrustedState::of(&trusted.light_block(), trusted.hash());
                match verify(&light, &state, &options(), chain.now()) {
                    Verdict::Verified(_) => Kind::Verified,
                    Verdict::NotEnoughTrust { .. } => Kind::NotEnoughTrust,
                    Verdict::Foreign(_) | Verdict::Invalid(_) => Kind::Invalid,
                }
            }
        };
        prop_assert!(ours != Kind::Verified || theirs == Kind::Verified, "{ours:?} {theirs:?}");
        prop_assert!(theirs != Kind::Verified || ours == Kind::Verified || ours_only, "{ours:?} {theirs:?}");
    }
}
