use std::path::Path;

use pyralog_cluster_core::Core;
use serde_json::Value;

use super::super::args::{HomeArgs, JsonArgs};
use super::*;

fn checked(home: &Path, json: bool) -> (String, Result<()>) {
    let args = FsckArgs { home: HomeArgs { home: Some(home.to_owned()) }, json: JsonArgs { json }, repair: false };
    check(&Home::new(home), &args).unwrap()
}

#[test]
fn a_leaf_that_is_not_its_record_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let store = Home::new(dir.path()).store();
    std::fs::create_dir_all(&store).unwrap();
    crate::notary::made_copies(&store, &["a", "b"], &["a", "x"]).close().unwrap();
    let (document, verdict) = document_of(dir.path());
    assert!(verdict.is_err());
    let finding = &document["findings"][0];
    assert_eq!(
        (&finding["severity"], document["findings"].as_array().unwrap().len()),
        (&json!("damage"), 1),
        "{document}"
    );
    assert!(finding["what"].as_str().unwrap().starts_with("leaf 1 of the notary log"), "{document}");
}

fn document_of(home: &Path) -> (Value, Result<()>) {
    let (text, verdict) = checked(home, true);
    (serde_json::from_str(&text).unwrap(), verdict)
}

#[test]
fn what_is_found_is_said_in_words_and_as_a_document() {
    let dir = tempfile::tempdir().unwrap();
    let store = Home::new(dir.path()).store();
    std::fs::create_dir_all(&store).unwrap();
    let open = || Core::open(&store, Options::default()).unwrap().0;
    open().close().unwrap();
    let (text, verdict) = checked(dir.path(), false);
    assert!(verdict.is_ok() && text.ends_with("clean\n"), "{text}");
    let (document, verdict) = document_of(dir.path());
    assert_eq!((document["clean"].as_bool(), verdict.is_ok()), (Some(true), true));

    let core = open();
    let (document, verdict) = document_of(dir.path());
    assert!(verdict.is_err() && document["error"].as_str().unwrap().contains("in use"), "{document}");
    core.close().unwrap();

    let list = store.join("journal/files");
    let bytes = std::fs::read(&list).unwrap();
    std::fs::remove_file(&list).unwrap();
    let (document, verdict) = document_of(dir.path());
    assert_eq!((document["sound"].as_bool(), &document["findings"][0]["severity"]), (Some(false), &json!("damage")));
    assert!(verdict.unwrap_err().to_string().contains("Restore it from a copy"));
    std::fs::write(&list, bytes).unwrap();

    std::fs::write(store.join("FORMAT"), "pyralog-data 99\n").unwrap();
    let (document, verdict) = document_of(dir.path());
    assert_eq!((document["clean"].as_bool(), document["sound"].as_bool()), (Some(false), Some(false)));
    assert_eq!(document["error"].as_str(), Some(verdict.unwrap_err().to_string().as_str()));
    assert!(checked(dir.path(), false).0.is_empty(), "the error alone says it");
}
