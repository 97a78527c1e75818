use std::os::unix::fs::symlink;

use pyralog_consensus::receipt::testkit::ReceiptMaker;
use pyralog_consensus::receipt::{NotaryReceipt, NotarySubject, ReceiptFormat, pending};
use pyralog_crypto::DocumentDigest;

use super::*;

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("b.txt", "b"), ("a/ünï code.txt", "a"), ("a/.hidden", "h")] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(dir.path().join("old.receipt.json"), receipt().to_json().unwrap()).unwrap();
    dir
}

fn receipt() -> NotaryReceipt {
    let mut maker = ReceiptMaker::new("pyralog-dev-sources", &[(1, 10)]);
    maker.notarize(NotarySubject::new(&DocumentDigest::of(b"old")))
}

fn names(plan: &Plan, root: &Path) -> Vec<String> {
    plan.sources
        .iter()
        .map(|source| source.path.as_ref().unwrap().strip_prefix(root).unwrap().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn one_file_gets_its_receipt_beside_it() {
    let plan = Plan::make(&["/x/my file.pdf".into()], &Destination::default()).unwrap();
    assert!(!plan.batch);
    assert_eq!(plan.sources[0].receipt.as_deref(), Some(Path::new("/x/my file.pdf.receipt.json")));
    let cbor = Destination { cbor: true, ..Destination::default() };
    assert_eq!(
        Plan::make(&["f".into()], &cbor).unwrap().sources[0].receipt.as_deref(),
        Some(Path::new("f.receipt.cbor"))
    );
}

#[test]
fn a_directory_is_walked_in_order_without_receipts_and_linked_directories() {
    let dir = tree();
    symlink(dir.path(), dir.path().join("loop")).unwrap();
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    let plan = Plan::make(&[dir.path().into()], &Destination::default()).unwrap();
    assert!(plan.batch);
    assert_eq!(names(&plan, dir.path()), ["a/.hidden", "a/ünï code.txt", "b.txt"]);
    assert_eq!(plan.skipped.len(), 2, "{:?}", plan.skipped);
    assert_eq!(plan.problems.len(), 1);
    assert!(plan.problems[0].0.ends_with("dangling"));
}

#[test]
fn an_output_directory_keeps_the_shape() {
    let dir = tree();
    let to = Destination { out_dir: Some("/r".into()), ..Destination::default() };
    let plan = Plan::make(&[dir.path().into()], &to).unwrap();
    assert_eq!(plan.sources[1].receipt.as_deref(), Some(Path::new("/r/a/ünï code.txt.receipt.json")));
}

#[test]
fn two_documents_with_one_receipt_are_told_apart() {
    let to = Destination { out_dir: Some("/r".into()), ..Destination::default() };
    let plan = Plan::make(&["/x/same".into(), "/y/same".into(), "/x/other".into()], &to).unwrap();
    assert_eq!(plan.sources.len(), 2);
    assert!(plan.problems[0].1.contains("/x/same"), "{:?}", plan.problems);
}

#[test]
fn a_document_that_is_named_twice_is_done_once() {
    let dir = tree();
    let (file, spelled) = (dir.path().join("b.txt"), dir.path().join("./b.txt"));
    let plan = Plan::make(&[dir.path().into(), file.clone(), spelled], &Destination::default()).unwrap();
    assert_eq!(names(&plan, dir.path()), ["a/.hidden", "a/ünï code.txt", "b.txt"]);
    assert_eq!(plan.skipped.iter().filter(|(_, why)| *why == "it is named twice").count(), 2, "{:?}", plan.skipped);
    assert!(plan.problems.is_empty(), "{:?}", plan.problems);
    let relative = Plan::make(&["f".into(), "./f".into(), "g".into()], &Destination::default()).unwrap();
    assert_eq!(relative.sources.len(), 2);
}

#[test]
fn what_is_no_regular_file_is_refused_by_name_and_the_rest_is_planned() {
    let dir = tree();
    let file = dir.path().join("b.txt");
    let plan = Plan::make(&["/dev/null".into(), file], &Destination::default()).unwrap();
    assert_eq!(names(&plan, dir.path()), ["b.txt"]);
    assert_eq!(plan.problems.len(), 1);
    assert!(plan.problems[0].1.contains("no regular file") && plan.problems[0].1.contains("standard input"));
    let alone = Plan::make(&["/dev/zero".into()], &Destination::default()).unwrap();
    assert!(alone.sources.is_empty() && alone.problems.len() == 1);
}

#[test]
fn files_that_this_program_was_writing_are_passed_over_without_a_word() {
    let dir = tree();
    fs::write(dir.path().join(".pyralog-1-0.tmp"), "x").unwrap();
    fs::write(dir.path().join(".pyralog-notes.tmp"), "x").unwrap();
    let plan = Plan::make(&[dir.path().into()], &Destination::default()).unwrap();
    assert_eq!(names(&plan, dir.path()), [".pyralog-notes.tmp", "a/.hidden", "a/ünï code.txt", "b.txt"]);
    assert!(plan.skipped.iter().all(|(_, why)| *why == RECEIPT), "{:?}", plan.skipped);
}

#[test]
fn one_receipt_name_for_several_documents_is_a_usage_error() {
    let to = Destination { out: Some("r.json".into()), ..Destination::default() };
    assert_eq!(Plan::make(&["a".into(), "b".into()], &to).unwrap_err().code(), 2);
    assert_eq!(Plan::make(&["-".into(), "-".into()], &Destination::default()).unwrap_err().code(), 2);
}

#[test]
fn an_empty_directory_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let failure = Plan::make(&[dir.path().into()], &Destination::default()).unwrap_err();
    assert!(failure.to_string().contains("no files"));
}

#[test]
fn standard_input_is_named_after_its_digest() {
    let plan = Plan::make(&["-".into()], &Destination::default()).unwrap();
    assert_eq!(plan.sources[0], Source { path: None, receipt: None });
    assert_eq!(
        Destination::default().place_stdin("0123456789abcdef0123"),
        Path::new("stdin-0123456789abcdef.receipt.json")
    );
    let out = Destination { out: Some("o.json".into()), ..Destination::default() };
    assert_eq!(out.place_stdin("0123456789abcdef"), Path::new("o.json"));
}

#[test]
fn what_only_has_the_name_of_a_receipt_is_a_document() {
    let dir = tempfile::tempdir().unwrap();
    let subject = NotarySubject::new(&DocumentDigest::of(b"p"));
    let promised = pending("pyralog-dev-sources", subject, None, None).to_json().unwrap();
    for (name, bytes) in [
        ("c.receipt.json", receipt().to_json().unwrap().into_bytes()),
        ("c.receipt.cbor", receipt().to_cbor().unwrap()),
        ("p.receipt.json", promised.into_bytes()),
        ("one.receipt.json", b"1".to_vec()),
        ("empty.receipt.cbor", Vec::new()),
    ] {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    let plan = Plan::make(&[dir.path().into()], &Destination::default()).unwrap();
    assert_eq!(names(&plan, dir.path()), ["empty.receipt.cbor", "one.receipt.json"]);
    assert_eq!(plan.skipped.len(), 3);
    assert!(plan.skipped.iter().all(|(_, why)| *why == RECEIPT), "{:?}", plan.skipped);
}

#[test]
fn a_receipt_never_replaces_a_document_also_by_force() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("one"), "1").unwrap();
    fs::write(dir.path().join("one.receipt.json"), "1").unwrap();
    let force = Destination { force: true, ..Destination::default() };
    let plan = Plan::make(&[dir.path().into()], &force).unwrap();
    assert_eq!(names(&plan, dir.path()), ["one.receipt.json"]);
    assert!(plan.problems[0].1.contains("would replace the document"), "{:?}", plan.problems);
}
