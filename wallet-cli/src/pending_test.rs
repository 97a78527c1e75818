use pyralog_consensus::receipt::testkit::ReceiptMaker;
use pyralog_consensus::receipt::{NotarySubject, ReceiptFormat, pending};
use pyralog_crypto::{Blake3, DocumentDigest, MemoryTree, MerkleHash, Sha256};

use super::*;

fn subject(text: &str) -> NotarySubject {
    NotarySubject::new(&DocumentDigest::of(text.as_bytes()))
}

#[test]
fn receipts_of_one_batch_are_one_submission_and_others_are_their_own() {
    let mut maker = ReceiptMaker::new("pyralog-dev-group", &[(1, 10)]);
    let subjects: Vec<_> = ["a", "b", "c"].into_iter().map(subject).collect();
    let leaves: Vec<_> = subjects.iter().map(NotarySubject::leaf).collect();
    let (members, _) = maker.append_batch(&leaves);
    let mut groups = BTreeMap::new();
    for (subject, member) in subjects.into_iter().zip(members) {
        let receipt = pending("pyralog-dev-group", subject, Some(member), None);
        gather(&mut groups, Path::new("r"), Path::new("r.json"), receipt).unwrap();
    }
    gather(&mut groups, Path::new("d"), Path::new("d.json"), pending("pyralog-dev-group", subject("d"), None, None))
        .unwrap();
    gather(&mut groups, Path::new("e"), Path::new("e.json"), pending("pyralog-dev-other", subject("d"), None, None))
        .unwrap();
    let mut sizes: Vec<_> = groups.values().map(|group| group.job.members.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 3]);
}

#[test]
fn a_promise_in_any_receipt_of_a_batch_serves_all_of_them() {
    let mut maker = ReceiptMaker::new("pyralog-dev-group", &[(1, 10)]);
    let subject = subject("a");
    let index = maker.append(&subject.leaf());
    let promised = maker.pending(subject.clone(), index);
    let mut groups = BTreeMap::new();
    gather(&mut groups, Path::new("one"), Path::new("one.json"), pending("pyralog-dev-group", subject, None, None))
        .unwrap();
    gather(&mut groups, Path::new("two"), Path::new("two.json"), promised).unwrap();
    assert_eq!(groups.len(), 1);
    let group = groups.into_values().next().unwrap();
    assert_eq!(group.promise.map(|promise| promise.index), Some(index));
}

#[test]
fn a_batch_path_that_fits_nothing_is_an_invalid_receipt() {
    let mut blake3 = MemoryTree::<Blake3>::new();
    let mut sha256 = MemoryTree::<Sha256>::new();
    for leaf in [b"a", b"b", b"c"] {
        blake3.push_hash(Blake3::leaf(leaf));
        sha256.push_hash(Sha256::leaf(leaf));
    }
    let mut batch =
        pyralog_consensus::receipt::BatchMembership::new(blake3.inclusion(1).unwrap(), sha256.inclusion(1).unwrap())
            .unwrap();
    batch.count = 900;
    let receipt = pending("pyralog-dev-group", subject("a"), Some(batch), None);
    let failure = gather(&mut BTreeMap::new(), Path::new("r"), Path::new("r.json"), receipt).unwrap_err();
    assert_eq!(failure.code(), 3);
    assert!(failure.to_string().contains("r.json"), "{failure}");
}

#[test]
fn pending_receipts_are_found_below_a_directory_by_what_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: Vec<u8>| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let waiting = |text: &str| pending("pyralog-dev-group", subject(text), None, None);
    write("b/own name.json", waiting("b").to_json().unwrap().into_bytes());
    write("a.receipt.cbor", waiting("a").to_cbor().unwrap());
    write("done.receipt.json", {
        let mut maker = ReceiptMaker::new("pyralog-dev-group", &[(1, 10)]);
        maker.notarize(subject("done")).to_json().unwrap().into_bytes()
    });
    write("data.json", b"{}".to_vec());
    write("copy.txt", waiting("c").to_json().unwrap().into_bytes());
    std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
    let found = below(dir.path());
    let names: Vec<_> = found.pending.iter().map(|(path, _)| path.strip_prefix(dir.path()).unwrap()).collect();
    assert_eq!(names, [Path::new("a.receipt.cbor"), Path::new("b/own name.json")]);
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    assert_eq!(below(&dir.path().join("gone")).problems.len(), 1);
}

#[test]
fn a_proposed_command_names_few_receipts_and_else_their_directories() {
    let command = |paths: &[String]| fetch_command(paths.iter().map(Path::new), " --node http://h:1");
    let many = |dirs: u32| -> Vec<String> { (0..40).map(|n| format!("docs/{}/{n} x.json", n % dirs)).collect() };
    assert_eq!(command(&["a b.json".to_owned()]), "pyralog receipt fetch 'a b.json' --node http://h:1");
    assert_eq!(command(&many(2)), "pyralog receipt fetch docs/0 docs/1 --node http://h:1");
    assert_eq!(command(&many(20)), "pyralog receipt fetch docs --node http://h:1");
    let here: Vec<String> = (0..40).map(|n| format!("{n}.json")).collect();
    assert_eq!(command(&here), "pyralog receipt fetch . --node http://h:1");
    let nested: Vec<String> = many(20).into_iter().chain(["docs/x.json".to_owned()]).collect();
    assert_eq!(command(&nested), "pyralog receipt fetch docs --node http://h:1");
    let apart: Vec<String> = (0..40).map(|n| format!("/{}/{n}.json", n % 20)).collect();
    assert!(!command(&apart).contains("fetch / "), "{}", command(&apart));
}
