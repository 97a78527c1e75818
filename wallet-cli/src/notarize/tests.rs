use pyralog_crypto::DocumentDigest;

use super::*;

#[test]
fn unreadable_documents_are_collected_while_the_others_are_digested() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("good"), "good").unwrap();
    let source = |name: &str| Source { path: Some(dir.path().join(name)), receipt: Some(dir.path().join("r")) };
    let mut problems = Vec::new();
    let sources = [source("gone"), source("good")];
    let asked = Asked { metadata: None, hidden: false };
    let members = digest(&sources, asked, &Destination::default(), &mut problems).unwrap();
    assert_eq!(members[0].subject.digest(), DocumentDigest::of(b"good"));
    assert!(problems[0].0.ends_with("gone"), "{problems:?}");
}

#[test]
fn the_directories_of_the_receipts_are_made_only_where_they_were_named() {
    let dir = tempfile::tempdir().unwrap();
    let subject = prepare::subject(&DocumentDigest::of(b"a"), None, false).unwrap();
    let receipt = dir.path().join("out/a/a.receipt.json");
    let members = [Member { file: "a".into(), receipt, subject, batch: None }];
    make_room(&members, &Destination::default()).unwrap();
    assert!(!dir.path().join("out").exists());
    let to = Destination { out_dir: Some(dir.path().join("out")), ..Destination::default() };
    make_room(&members, &to).unwrap();
    assert!(dir.path().join("out/a").is_dir());
}

#[test]
fn skipped_receipts_are_one_line_with_their_count() {
    let mut skipped: Vec<(PathBuf, &'static str)> = (0..2_000).map(|i| (format!("{i}").into(), RECEIPT)).collect();
    skipped.push(("loop".into(), "a link to a directory"));
    assert_eq!(skipped_lines(&skipped), ["skipped loop: a link to a directory", "skipped 2000 receipts"]);
    assert_eq!(skipped_lines(&skipped[..1]), ["skipped 1 receipt"]);
    assert!(skipped_lines(&[]).is_empty());
}
