use crate::light::{
    LightBlock, LightClient, LightError, LightOptions, Mode, Provider,
    testkit::{TestBlock, TestChain, TestVote, validators},
};
use pyralog_crypto::Hash;
use std::{cell::Cell, time::Duration};

fn options() -> LightOptions {
    LightOptions { trusting_period: Duration::from_secs(3600), ..LightOptions::default() }
}

fn constant(height: u64) -> TestChain {
    let mut chain = TestChain::new("pyralog-dev-1", &[(1, 10), (2, 10), (3, 10), (4, 10)]);
    chain.push_empty(height);
    chain
}

/// One validator of four is replaced every five heights: no signature reaches further than some fifteen heights.
fn rotating(height: u8) -> TestChain {
    let mut chain = TestChain::new("pyralog-dev-1", &[(1, 10), (2, 10), (3, 10), (4, 10)]);
    for h in 1..=height {
        let n = 1 + h / 5;
        let change = (h % 5 == 0).then(|| validators(&[(n, 10), (n + 1, 10), (n + 2, 10), (n + 3, 10)]));
        chain.push_with(vec![], Hash([h; 32]), change, 0, |_| TestVote::Commit);
    }
    chain
}

fn client(chain: &TestChain) -> LightClient {
    LightClient::from_genesis(&chain.chain_id, chain.genesis_time, chain.genesis.clone(), 1).unwrap()
}

fn serve(chain: &TestChain, height: Option<u64>) -> Result<LightBlock, String> {
    let height = height.unwrap_or(chain.height());
    if height > chain.height() { Err("no such height".into()) } else { Ok(chain.at(height).light_block()) }
}

fn node<'a>(name: &str, chain: &'a TestChain) -> Provider<'a> {
    Provider::new(name, |height| serve(chain, height))
}

/// A node that shows `fork` from its height on.
fn forked<'a>(name: &str, chain: &'a TestChain, fork: &'a TestBlock) -> Provider<'a> {
    Provider::new(name, move |height| {
        let height = height.unwrap_or(chain.height());
        if height == fork.header.height.value() { Ok(fork.light_block()) } else { serve(chain, Some(height)) }
    })
}

#[test]
fn sequential_and_skipping_reach_the_same_header() {
    for chain in [constant(40), rotating(60)] {
        let mut reports = Vec::new();
        for mode in [Mode::Sequential, Mode::Skipping] {
            let mut client = client(&chain);
            let report = client.sync(None, mode, &options(), chain.now(), &mut node("a", &chain), &mut []).unwrap();
            assert_eq!((report.height, report.hash), (chain.height(), chain.at(chain.height()).hash()));
            assert_eq!(client.latest().hash, Some(report.hash));
            assert_eq!(client.light_block(report.height).unwrap().hash().unwrap(), report.hash);
            reports.push(report);
        }
        assert_eq!(reports[0].fetched as u64, chain.height());
        assert!(reports[1].fetched < reports[0].fetched / 2, "{}", reports[1].fetched);
    }
}

#[test]
fn a_constant_set_is_skipped_in_one_step_and_a_rotating_one_bisected() {
    let constant = constant(1000);
    let mut one = client(&constant);
    let report =
        one.sync(None, Mode::Skipping, &options(), constant.now(), &mut node("a", &constant), &mut []).unwrap();
    assert_eq!(report.fetched, 1);

    let rotating = rotating(60);
    let mut many = client(&rotating);
    let report =
        many.sync(None, Mode::Skipping, &options(), rotating.now(), &mut node("a", &rotating), &mut []).unwrap();
    assert!((4..=20).contains(&report.fetched), "{}", report.fetched);
    // A threshold of 1 never lets a header be skipped.
    let strict = LightOptions { trust_threshold: (1, 1), ..options() };
    let mut all = client(&rotating);
    let report = all.sync(None, Mode::Skipping, &strict, rotating.now(), &mut node("a", &rotating), &mut []).unwrap();
    assert_eq!(report.fetched, 60);
}

#[test]
fn a_given_header_is_a_root() {
    let chain = rotating(60);
    let mut client = LightClient::from_header(20, chain.at(20).hash(), &mut node("a", &chain)).unwrap();
    assert_eq!(client.latest().height, 20);
    let report =
        client.sync(Some(50), Mode::Skipping, &options(), chain.now(), &mut node("a", &chain), &mut []).unwrap();
    assert_eq!(report.hash, chain.at(50).hash());
    // Between two trusted headers the way starts at the lower one; below the root there is none.
    let report =
        client.sync(Some(30), Mode::Sequential, &options(), chain.now(), &mut node("a", &chain), &mut []).unwrap();
    assert_eq!(report.hash, chain.at(30).hash());
    let below = client.sync(Some(19), Mode::Skipping, &options(), chain.now(), &mut node("a", &chain), &mut []);
    assert!(matches!(below, Err(LightError::Options(_))));
    let wrong = LightClient::from_header(20, Hash([9; 32]), &mut node("a", &chain));
    assert!(matches!(wrong, Err(LightError::Root { height: 20, trusted: Hash([9, ..]), .. })));
}

#[test]
fn a_root_that_is_its_own_target_is_put_to_the_witnesses_too() {
    let chain = constant(10);
    let ask = |witness: Provider<'_>| {
        let mut client = LightClient::from_header(10, chain.at(10).hash(), &mut node("a", &chain)).unwrap();
        let now = chain.now();
        let result = client.sync(None, Mode::Skipping, &options(), now, &mut node("a", &chain), &mut [witness]);
        // What a sync leaves behind can be read again.
        LightClient::from_bytes(&client.to_bytes().unwrap()).unwrap();
        result
    };
    assert_eq!(ask(node("w", &chain)).unwrap().confirmed_by, ["w"]);
    let silent = ask(Provider::new("w", |_| Err("connection refused".into())));
    assert!(matches!(silent, Err(LightError::Unconfirmed { height: 10, .. })), "{silent:?}");
    // The same validators signed another header of the height.
    let fork = chain.fork(10, Hash([7; 32]));
    let Err(LightError::Divergence(divergence)) = ask(forked("liar", &chain, &fork)) else { panic!("two headers") };
    assert_eq!((divergence.common_height, divergence.witness_block.hash().unwrap()), (9, fork.hash()));
    assert_eq!(divergence.primary_block.hash().unwrap(), chain.at(10).hash());
    // What others signed accuses nobody.
    let mut foreign = TestChain::new("pyralog-dev-1", &[(91, 10), (92, 10)]);
    foreign.push_empty(10);
    let Err(LightError::Unconfirmed { reasons, .. }) = ask(node("stranger", &foreign)) else { panic!("confirmed") };
    assert!(reasons[0].contains("not those of the trusted header"), "{reasons:?}");
    // Nor does a header with too few signatures.
    let mut unsigned = fork.clone();
    unsigned.commit = chain.sign(&fork.header, &fork.validators, 0, |place| match place {
        0 => TestVote::Commit,
        _ => TestVote::Absent,
    });
    let forged = ask(forked("liar", &chain, &unsigned));
    assert!(matches!(forged, Err(LightError::Unconfirmed { .. })), "{forged:?}");
}

#[test]
fn a_height_already_trusted_must_be_shown_again_as_it_was() {
    let chain = constant(10);
    let mut client = client(&chain);
    let again = |client: &mut LightClient, provider: &mut Provider<'_>| {
        client.sync(Some(10), Mode::Skipping, &options(), chain.now(), provider, &mut [])
    };
    let first = again(&mut client, &mut node("a", &chain)).unwrap();
    assert_eq!(again(&mut client, &mut node("a", &chain)).unwrap().hash, first.hash);
    let fork = chain.fork(10, Hash([7; 32]));
    assert!(matches!(again(&mut client, &mut forked("b", &chain, &fork)), Err(LightError::Invalid { .. })));
}

#[test]
fn a_height_already_trusted_is_still_put_to_the_witnesses() {
    let chain = constant(10);
    let mut client = client(&chain);
    let again = |client: &mut LightClient, witness: Provider<'_>| {
        client.sync(Some(10), Mode::Skipping, &options(), chain.now(), &mut node("a", &chain), &mut [witness])
    };
    client.sync(Some(10), Mode::Skipping, &options(), chain.now(), &mut node("a", &chain), &mut []).unwrap();
    assert_eq!(again(&mut client, node("w", &chain)).unwrap().confirmed_by, ["w"]);
    let fork = chain.fork(10, Hash([7; 32]));
    let result = again(&mut client, forked("liar", &chain, &fork));
    assert!(matches!(result, Err(LightError::Divergence(_))), "{result:?}");
}

#[test]
fn witnesses_confirm() {
    let chain = rotating(40);
    let mut client = client(&chain);
    let behind = constant(3);
    let mut witnesses = [node("w1", &chain), node("behind", &behind), node("w2", &chain)];
    let report =
        client.sync(None, Mode::Skipping, &options(), chain.now(), &mut node("a", &chain), &mut witnesses).unwrap();
    assert_eq!(report.confirmed_by, ["w1", "w2"]);
    assert_eq!(report.useless.len(), 1);
    assert!(report.useless[0].1.contains("no such height"), "{:?}", report.useless);
}

#[test]
fn witnesses_that_are_all_of_no_use_stop_the_sync() {
    let chain = constant(20);
    let mut client = client(&chain);
    let mut silent = [Provider::new("w", |_| Err("connection refused".into()))];
    let error = client.sync(None, Mode::Skipping, &options(), chain.now(), &mut node("a", &chain), &mut silent);
    assert!(error.unwrap_err().to_string().contains("connection refused"));
    assert_eq!(client.latest().height, 0, "nothing is trusted anew");
}

/// Two thirds signed two blocks of one height: both verify, the client says so and trusts neither.
#[test]
fn a_fork_is_reported_with_both_blocks() {
    for (chain, height) in [(constant(20), 20), (rotating(40), 40), (rotating(40), 23)] {
        let fork = chain.fork(height, Hash([0xee; 32]));
        for primary_lies in [true, false] {
            let (mut honest, mut liar) = (node("honest", &chain), forked("liar", &chain, &fork));
            let mut client = client(&chain);
            let (primary, witness) = if primary_lies { (&mut liar, &mut honest) } else { (&mut honest, &mut liar) };
            let witness = Provider::new(witness.name().to_owned(), |h| match primary_lies {
                true => serve(&chain, h),
                false if h == Some(height) => Ok(fork.light_block()),
                false => serve(&chain, h),
            });
            let result = client.sync(Some(height), Mode::Skipping, &options(), chain.now(), primary, &mut [witness]);
            let Err(LightError::Divergence(evidence)) = result else { panic!("{result:?}") };
            assert_eq!(evidence.primary_block.header.height, height);
            assert_eq!(evidence.witness_block.header.height, height);
            assert_ne!(evidence.primary_block.hash().unwrap(), evidence.witness_block.hash().unwrap());
            assert!(evidence.primary_block.check().is_ok() && evidence.witness_block.check().is_ok());
            assert!(evidence.common_height < height);
            assert_eq!(client.latest().height, 0, "nothing is trusted anew");
            let text = evidence.to_string();
            assert!(text.contains("honest") && text.contains("liar"), "{text}");
            let json = serde_json::to_string(&evidence).unwrap();
            assert_eq!(serde_json::from_str::<crate::light::Divergence>(&json).unwrap(), *evidence);
        }
    }
}

/// A witness that shows something else without the signatures for it is only useless.
#[test]
fn a_witness_with_a_forged_header_is_no_evidence() {
    let chain = constant(20);
    let mut fork = chain.at(20).clone();
    fork.header.app_hash = vec![0xee; 32].try_into().unwrap();
    let keys = validators(&[(201, 10), (202, 10), (203, 10), (204, 10)]);
    fork.commit = chain.sign(&fork.header, &keys, 0, |_| TestVote::Commit);
    fork.validators = keys;
    let mut client = client(&chain);
    let mut witnesses = [forked("forger", &chain, &fork), node("honest", &chain)];
    let report =
        client.sync(None, Mode::Skipping, &options(), chain.now(), &mut node("a", &chain), &mut witnesses).unwrap();
    assert_eq!(report.confirmed_by, ["honest"]);
    assert!(report.useless[0].1.contains("does not verify"), "{:?}", report.useless);
}

/// Two chains of one name: whichever genesis is the older, the other chain does not begin with it.
#[test]
fn a_chain_that_begins_with_another_genesis_is_said_to() {
    let (ours, mut theirs) = (constant(20), TestChain::new("pyralog-dev-1", &[(91, 10), (92, 10)]));
    theirs.push_empty(20);
    let ask = |time, validators, mode, shown: &TestChain| {
        let mut client = LightClient::from_genesis(&ours.chain_id, time, validators, 1).unwrap();
        let result = client.sync(None, mode, &options(), ours.now(), &mut node("a", shown), &mut []);
        assert_eq!(client.latest().height, 0, "nothing is trusted");
        result.unwrap_err()
    };
    for mode in [Mode::Sequential, Mode::Skipping] {
        let error = ask(ours.genesis_time, ours.genesis.clone(), mode, &theirs);
        assert!(matches!(error, LightError::Genesis { height: 1, .. }), "{error}");
        let error = ask(
            ours.at(20).header.time.checked_add(Duration::from_secs(1)).unwrap(),
            theirs.genesis.clone(),
            mode,
            &ours,
        );
        assert!(matches!(error, LightError::Genesis { .. }), "{error}");
        assert!(error.to_string().contains("a: its chain does not begin with this genesis"), "{error}");
    }
    // A witness of that chain accuses nobody.
    let mut witnesses = [node("stranger", &theirs), node("honest", &ours)];
    let report = client(&ours)
        .sync(None, Mode::Skipping, &options(), ours.now(), &mut node("a", &ours), &mut witnesses)
        .unwrap();
    assert_eq!(report.confirmed_by, ["honest"]);
    assert!(report.useless[0].1.contains("does not begin with this genesis"), "{:?}", report.useless);
}

#[test]
fn an_expired_root_is_refused() {
    let chain = constant(20);
    let mut client = client(&chain);
    let short = LightOptions { trusting_period: Duration::from_secs(5), ..options() };
    let error = client.sync(None, Mode::Skipping, &short, chain.now(), &mut node("a", &chain), &mut []).unwrap_err();
    assert!(matches!(error, LightError::Expired { height: 0, .. }));
    assert!(error.to_string().contains("--trusted-header"), "{error}");
}

#[test]
fn work_is_bounded() {
    let chain = rotating(60);
    let calls = Cell::new(0);
    let mut counted = Provider::new("slow", |height| {
        calls.set(calls.get() + 1);
        serve(&chain, height)
    });
    let few = LightOptions { max_fetches: 4, ..options() };
    for mode in [Mode::Sequential, Mode::Skipping] {
        calls.set(0);
        let error = client(&chain).sync(None, mode, &few, chain.now(), &mut counted, &mut []).unwrap_err();
        assert!(matches!(error, LightError::TooMuchWork { limit: 4, .. }), "{error}");
        assert_eq!(calls.get(), 4);
    }
    // A witness that sends the client round in circles costs no more.
    let fork = chain.fork(60, Hash([1; 32]));
    let mut client = client(&chain);
    let report = client.sync(
        None,
        Mode::Sequential,
        &LightOptions { max_fetches: 60, ..options() },
        chain.now(),
        &mut node("a", &chain),
        &mut [forked("w", &chain, &fork), node("b", &chain)],
    );
    assert!(matches!(report, Err(LightError::Divergence(_)) | Ok(_)));
}

#[test]
fn a_provider_that_answers_with_another_height_is_refused() {
    let chain = constant(9);
    let mut odd = Provider::new("odd", |_| serve(&chain, Some(3)));
    let error = client(&chain).sync(Some(5), Mode::Skipping, &options(), chain.now(), &mut odd, &mut []).unwrap_err();
    assert!(error.to_string().contains("answered with height 3"), "{error}");
}
