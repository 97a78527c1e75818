use std::path::Path;

use clap::ArgMatches;
use serde_json::json;

use super::*;

fn parse(line: &[&str]) -> ArgMatches {
    command().try_get_matches_from(std::iter::once("pyralogd").chain(line.iter().copied())).unwrap()
}

#[test]
fn init_makes_a_home_whose_configuration_shows_its_origins() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let home_text = home.to_str().unwrap();
    let line = ["init", "--home", home_text, "--generate-password", "--cheap-kdf", "--json", "--rpc-max-batch", "9"];
    run(&parse(&line)).unwrap();
    let resolved = resolve(&Home::new(&home), BTreeMap::from([("api.max_wait_ms", "5".to_owned())])).unwrap();
    assert_eq!(resolved.config.rpc.max_batch, 9);
    assert_eq!(resolved.config.keys.password_file, home.join("keys/password"), "relative to the home");
    let shown = resolved.show(true);
    assert!(shown.contains("max_wait_ms = 5  # flag --api-max-wait-ms"), "{shown}");
    assert!(
        shown.lines().any(|line| line.starts_with("max_batch = 9  # ") && line.contains("pyralog.toml:")),
        "{shown}"
    );
    run(&parse(&["config", "show", "--origin", "--home", home_text])).unwrap();
    let again = run(&parse(&line)).unwrap_err().to_string();
    assert!(again.contains("made already"), "{again}");
}

#[test]
fn a_wrong_line_of_the_file_stops_every_command_that_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pyralog.toml"), "[rpc]\n\nlissten = 1\n").unwrap();
    let home = dir.path().to_str().unwrap();
    for line in [&["config", "show", "--home", home][..], &["start", "--home", home]] {
        let message = run(&parse(line)).unwrap_err().to_string();
        assert!(message.contains("pyralog.toml:3: unknown key \"rpc.lissten\""), "{message}");
    }
}

#[test]
fn commands_to_a_node_that_does_not_run_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().to_str().unwrap();
    for line in [&["status", "--home", home][..], &["signer", "resume", "--home", home]] {
        let message = run(&parse(line)).unwrap_err().to_string();
        assert!(message.contains("no node runs on"), "{message}");
    }
    let message = format!("{:#}", run(&parse(&["status", "--node", "http://127.0.0.1:1"])).unwrap_err());
    assert!(message.contains("is the node running?"), "{message}");
}

#[test]
fn funds_are_addresses_with_amounts() {
    let address = pyralog_crypto::Address::from_key(&pyralog_crypto::SigningKey::from_seed([3; 32]).public_key());
    assert_eq!(funds(&[format!("{address}=7")]).unwrap(), vec![(address, 7)]);
    for bad in ["", "x=1", &format!("{address}"), &format!("{address}=-1")] {
        assert!(funds(&[bad.to_owned()]).is_err(), "{bad}");
    }
}

#[test]
fn documents_are_lines_for_people() {
    let mut text = String::new();
    lines(&json!({"a": 1, "b": {"c": "x", "d": null}}), "", &mut text);
    assert_eq!(text, "a: 1\nb.c: x\n");
}

#[test]
fn versions_and_completions_print() {
    run(&parse(&["version"])).unwrap();
    run(&parse(&["version", "--json"])).unwrap();
    let mut script = Vec::new();
    clap_complete::generate(clap_complete::Shell::Bash, &mut command(), "pyralogd", &mut script);
    let script = String::from_utf8(script).unwrap();
    assert!(script.contains("--rpc-listen") && script.contains("signer"), "every flag is completed");
}

#[test]
fn a_relative_password_file_in_the_file_stands_in_the_home_and_in_a_flag_does_not() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("pyralog.toml"), "[keys]\npassword_file = \"p\"\n").unwrap();
    let home = Home::new(dir.path());
    assert_eq!(resolve(&home, BTreeMap::new()).unwrap().config.keys.password_file, dir.path().join("p"));
    let flags = BTreeMap::from([("keys.password_file", "q".to_owned())]);
    assert_eq!(resolve(&home, flags).unwrap().config.keys.password_file, std::path::Path::new("q"));
}

#[test]
fn a_relative_password_file_that_is_typed_is_kept_as_it_was_meant() {
    let typed = |file: &str| super::super::join::settings_of(BTreeMap::from([("keys.password_file", file.to_owned())]));
    let here = std::env::current_dir().unwrap();
    assert_eq!(typed("a/p").unwrap()["keys.password_file"], here.join("a/p").to_str().unwrap());
    assert_eq!(typed("/a/p").unwrap()["keys.password_file"], "/a/p");
    assert_eq!(typed("").unwrap()["keys.password_file"], "", "it is asked for");

    let dir = tempfile::Builder::new().tempdir_in(".").unwrap();
    let (home, file) = (dir.path().join("home"), dir.path().join("password"));
    std::fs::write(&file, "secret\n").unwrap();
    let relative = Path::new(file.parent().unwrap().file_name().unwrap()).join("password");
    run(&parse(&[
        "init",
        "--home",
        home.to_str().unwrap(),
        "--cheap-kdf",
        "--json",
        "--password-file",
        relative.to_str().unwrap(),
    ]))
    .unwrap();
    let kept = resolve(&Home::new(&home), BTreeMap::new()).unwrap().config.keys.password_file;
    assert_eq!(kept, here.join(relative), "where it was typed, and not below the home");
}

#[test]
fn servers_of_ids_are_refused_what_would_repeat_ids_or_serve_strangers() {
    let dir = tempfile::tempdir().unwrap();
    let ids = dir.path().join("ids");
    let obelisk = ["obelisk", "--dir", ids.to_str().unwrap(), "--node"];
    let refused = |more: &[&str]| run(&parse(&[&obelisk[..], more].concat())).unwrap_err().to_string();
    assert!(refused(&["1", "--listen", "0.0.0.0:1"]).contains("--without-tls"));
    assert!(refused(&["1", "--log-format", "xml"]).contains("neither"));
    assert!(!ids.exists(), "nothing is made before the flags are right");
    let too_large = command().try_get_matches_from(["pyralogd", "obelisk", "--dir", "d", "--node", "1024"]);
    assert!(too_large.unwrap_err().to_string().contains("0 to 1023"));

    let draw = |more: &[&str]| run(&parse(&[&["ids", "--count", "1"], more].concat())).unwrap_err().to_string();
    assert!(draw(&["--from", "http://127.0.0.1:1,http://127.0.0.1:2", "--counter"]).contains("name one"));
    let dead = draw(&["--from", "http://127.0.0.1:1,http://127.0.0.1:2"]);
    assert!(dead.contains("http://127.0.0.1:1: connection refused") && dead.contains("127.0.0.1:2: "), "{dead}");
    assert!(command().try_get_matches_from(["pyralogd", "ids", "--from", "http://a", "--count", "0"]).is_err());
}
