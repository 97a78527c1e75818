use pyralog_consensus::light::Fault;
use pyralog_consensus::light::testkit::{TestChain, validators};

use super::*;

fn root(chain: &TestChain) -> genesis::Root {
    genesis::Root {
        chain_id: chain.chain_id.clone(),
        time: chain.genesis_time,
        validators: chain.genesis.clone(),
        initial_height: 1,
        log_owners: Vec::new(),
        file_hash: Hash([0; 32]),
    }
}

fn stored(chain: &TestChain) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("light/chain.trusted");
    let client = LightClient::from_genesis(&chain.chain_id, chain.genesis_time, chain.genesis.clone(), 1).unwrap();
    save(&path, &client).unwrap();
    (dir, path)
}

fn args() -> SyncArgs {
    SyncArgs {
        genesis: None,
        trusted_header: None,
        witness: Vec::new(),
        height: None,
        sequential: false,
        trusting_period: Duration::from_secs(1),
        reset: false,
        node: NodeArgs::default(),
    }
}

#[test]
fn a_store_is_read_back_unless_it_is_to_be_forgotten() {
    let chain = TestChain::new("pyralog-dev-light", &[(1, 10), (2, 10)]);
    let (_dir, path) = stored(&chain);
    assert_eq!(load(&path, &args()).unwrap().unwrap().latest().chain_id, chain.chain_id);
    assert!(load(&path, &SyncArgs { reset: true, ..args() }).unwrap().is_none());
    assert!(load(Path::new("/nowhere/at.all"), &args()).unwrap().is_none());
    std::fs::write(&path, b"damage").unwrap();
    let failure = load(&path, &args()).unwrap_err();
    assert_eq!(failure.code(), 1);
    assert!(failure.report().next.as_ref().unwrap().contains("--reset"));
}

fn refused(client: &LightClient, genesis: Option<&genesis::Root>, header: Option<(u64, Hash)>) -> Failure {
    let failure = check_same_root(Path::new("/s"), client, genesis, header).unwrap_err();
    assert_eq!(failure.code(), 5);
    assert!(failure.report().next.as_ref().unwrap().contains("--reset"));
    failure
}

#[test]
fn a_store_that_began_elsewhere_is_not_followed_as_if_it_had_not() {
    let chain = TestChain::new("pyralog-dev-light", &[(1, 10), (2, 10)]);
    let (_dir, path) = stored(&chain);
    let client = load(&path, &args()).unwrap().unwrap();
    check_same_root(&path, &client, None, None).unwrap();
    check_same_root(&path, &client, Some(&root(&chain)), None).unwrap();
    let mut others = [root(&chain), root(&chain), root(&chain), root(&chain)];
    others[0].chain_id = "pyralog-dev-else".to_owned();
    others[1].validators = validators(&[(1, 10), (3, 10)]);
    others[2].time = chain.genesis_time.checked_add(Duration::from_secs(1)).unwrap();
    others[3].initial_height = 2;
    for other in others {
        refused(&client, Some(&other), None);
    }
}

#[test]
fn a_header_that_the_store_did_not_verify_is_another_root() {
    let mut chain = TestChain::new("pyralog-dev-light", &[(1, 10), (2, 10)]);
    chain.push_empty(6);
    let serve = |height: Option<u64>| Ok(chain.at(height.unwrap_or(6)).light_block());
    let mut client = LightClient::from_header(2, chain.at(2).hash(), &mut Provider::new("p", serve)).unwrap();
    let options = LightOptions { trusting_period: Duration::from_secs(3600), ..LightOptions::default() };
    let mut primary = Provider::new("p", serve);
    client.sync(Some(5), Mode::Skipping, &options, chain.now(), &mut primary, &mut []).unwrap();
    for height in [2, 5] {
        let header = (height, chain.at(height).hash());
        check_same_root(Path::new("/s"), &client, None, Some(header)).unwrap();
    }
    for header in [(2, Hash([9; 32])), (5, Hash([9; 32])), (4, chain.at(4).hash())] {
        let failure = refused(&client, None, Some(header));
        let message = failure.to_string();
        assert!(message.contains(&format!("began from the header 2:{}", chain.at(2).hash())), "{message}");
        assert!(message.contains(&format!("not from the header {}:{}", header.0, header.1)), "{message}");
    }
    refused(&client, Some(&root(&chain)), None);
}

#[test]
fn the_report_gives_the_header_as_verify_takes_it() {
    let chain = TestChain::new("pyralog-dev-light", &[(1, 10)]);
    let report = SyncReport {
        height: 7,
        hash: Hash([0xab; 32]),
        time: chain.genesis_time,
        fetched: 3,
        confirmed_by: vec!["http://w:1".to_owned()],
        useless: vec![("http://x:1".to_owned(), "dead".to_owned())],
    };
    let output = described(&chain.chain_id, Path::new("/s"), &report);
    let header = output.document["trusted_header"].as_str().unwrap();
    assert_eq!(parse_header(header).unwrap(), (7, Hash([0xab; 32])));
    assert!(output.text.contains("1 of 2 witnesses"), "{}", output.text);
    assert_eq!(output.document["useless_witnesses"][0]["why"], "dead");
}

#[test]
fn a_divergence_leaves_its_evidence_beside_the_store() {
    let mut chain = TestChain::new("pyralog-dev-light", &[(1, 10), (2, 10), (3, 10)]);
    chain.push_empty(3);
    let fork = chain.fork(3, Hash([9; 32]));
    let divergence = pyralog_consensus::light::Divergence {
        primary: "http://p:1".to_owned(),
        witness: "http://w:1".to_owned(),
        common_height: 2,
        primary_block: chain.at(3).light_block(),
        witness_block: fork.light_block(),
    };
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("light/pyralog-dev-light.trusted");
    let failure = failure(LightError::Divergence(Box::new(divergence.clone())), &store);
    assert_eq!(failure.code(), 3);
    let file = dir.path().join("light/pyralog-dev-light.divergence-3.json");
    let kept: pyralog_consensus::light::Divergence = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(kept, divergence);
}

#[test]
fn errors_keep_their_blame() {
    let path = Path::new("/nowhere/x.trusted");
    let time = tendermint::Time::unix_epoch();
    let cases = [
        (LightError::Expired { height: 1, time }, 5),
        (LightError::Unconfirmed { height: 1, reasons: vec!["dead".to_owned()] }, 5),
        (LightError::Root { provider: "p".to_owned(), height: 1, found: Hash([1; 32]), trusted: Hash([2; 32]) }, 5),
        (LightError::Genesis { provider: "p".to_owned(), height: 1, fault: Fault::new("header.time", "is early") }, 5),
        (LightError::Options("no".to_owned()), 2),
        (LightError::Store("torn".to_owned()), 1),
        (LightError::Fetch { provider: "p".to_owned(), height: 1, reason: "gone".to_owned() }, 1),
        (LightError::TooMuchWork { provider: "p".to_owned(), limit: 1 }, 1),
    ];
    for (error, code) in cases {
        let text = error.to_string();
        assert_eq!(failure(error, path).code(), code, "{text}");
    }
}
