use super::*;

fn plan(genesis: NewGenesis) -> InitPlan {
    InitPlan {
        genesis,
        settings: BTreeMap::from([("rpc.listen", "127.0.0.1:0".to_owned())]),
        moniker: "alone".into(),
        generate_password: true,
        cheap_kdf: true,
        password_file: PathBuf::new(),
        log_name: "notary".into(),
    }
}

fn single_plan() -> InitPlan {
    plan(NewGenesis::Single { chain_id: None, funds: Vec::new() })
}

#[test]
fn a_new_home_holds_keys_genesis_and_settings_that_load() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(&dir.path().join("home"));
    let made = run(&home, &single_plan()).unwrap();
    let genesis = read_genesis(&home.genesis()).unwrap();
    assert!(genesis.chain_id().starts_with("pyralog-dev-"));
    assert_eq!(genesis.log_ids(), vec![made.log.unwrap()]);
    assert_eq!(genesis.powers(), vec![(made.keys.validator, 100)]);
    assert_eq!(made.peer_id.len(), 52);

    let text = std::fs::read_to_string(home.config()).unwrap();
    let file = Some((home.config(), text.clone()));
    let config = Resolved::load(&Sources { file, env: &|_| None, flags: BTreeMap::new() }).unwrap().config;
    assert_eq!(config.rpc.listen.addr().port(), 0);
    assert_eq!(config.keys.password_file, PathBuf::from("keys/password"));
    assert!(text.contains("# max_batch = 100"), "defaults are shown as comments:\n{text}");

    let secret = passphrase(&made.password_file.unwrap(), false).unwrap();
    assert_eq!(NodeKeys::load(&home, &secret).unwrap().public(), made.keys);
}

#[test]
fn a_home_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(dir.path());
    let made = run(&home, &single_plan()).unwrap();
    let message = run(&home, &single_plan()).unwrap_err().to_string();
    assert!(message.contains("made already"), "{message}");
    assert_eq!(PublicKeys::load(&home).unwrap(), made.keys);
}

#[test]
fn joining_copies_the_genesis_and_a_bad_one_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let first = Home::new(&dir.path().join("first"));
    run(&first, &single_plan()).unwrap();
    let second = Home::new(&dir.path().join("second"));
    let made = run(&second, &plan(NewGenesis::Copy(first.genesis()))).unwrap();
    assert_eq!(std::fs::read(first.genesis()).unwrap(), std::fs::read(second.genesis()).unwrap());
    assert_eq!(made.chain_id, Some(read_genesis(&first.genesis()).unwrap().chain_id().to_owned()));

    let bad = dir.path().join("bad.json");
    std::fs::write(&bad, "{}").unwrap();
    let third = Home::new(&dir.path().join("third"));
    assert!(run(&third, &plan(NewGenesis::Copy(bad))).is_err());
    assert!(!third.validator_key().exists() && !third.config().exists());
}

#[test]
fn keys_only_leaves_the_genesis_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(dir.path());
    let made = run(&home, &plan(NewGenesis::Later)).unwrap();
    assert_eq!(made.chain_id, None);
    assert!(home.validator_key().exists() && !home.genesis().exists());
}
