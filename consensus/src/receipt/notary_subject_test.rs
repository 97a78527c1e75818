use super::{BatchMembership, NotarySubject, logged_leaf};
use pyralog_crypto::{Blake3, DocumentDigest, Encode, MemoryTree, Metadata, NotaryLeaf, Roots, Salt, Sha256};

fn subject(text: &str) -> NotarySubject {
    NotarySubject::new(&DocumentDigest::of(text.as_bytes()))
}

fn metadata() -> Metadata {
    Metadata::new([("author", "Ada"), ("title", "Note G")]).unwrap()
}

#[test]
fn each_form_commits_to_another_leaf() {
    let forms = [
        subject("a"),
        subject("b"),
        subject("a").hidden(Salt([1; 32])),
        subject("a").hidden(Salt([2; 32])),
        subject("a").with_metadata(metadata(), Salt([1; 32])),
        subject("a").with_metadata(metadata(), Salt([2; 32])),
        subject("a").with_metadata(Metadata::new([("author", "Ada")]).unwrap(), Salt([1; 32])),
        subject("a").with_metadata(metadata(), Salt([1; 32])).hidden(Salt([3; 32])),
    ];
    for (i, a) in forms.iter().enumerate() {
        for b in &forms[i + 1..] {
            assert_ne!(a.leaf().leaf_hashes(), b.leaf().leaf_hashes(), "{a:?} {b:?}");
        }
    }
}

#[test]
fn a_hidden_leaf_shows_no_digest() {
    let hidden = subject("a").hidden(Salt([7; 32]));
    let bytes = hidden.leaf().to_bytes();
    assert!(!bytes.windows(32).any(|w| w == hidden.blake3.0 || w == hidden.sha256.0));
}

#[test]
fn the_document_is_compared_value_by_value() {
    let a = subject("a");
    assert!(a.check_document(&DocumentDigest::of(b"a")).is_ok());
    let longer = a.check_document(&DocumentDigest::of(b"ab")).unwrap_err();
    assert_eq!(longer.field, "size");
    let other = a.check_document(&DocumentDigest::of(b"b")).unwrap_err();
    assert_eq!(other.field, "blake3");
    assert!(other.reason.contains("not the same document"), "{other}");
    let sha256_only = DocumentDigest { blake3: a.blake3, ..DocumentDigest::of(b"b") };
    assert_eq!(a.check_document(&sha256_only).unwrap_err().field, "sha256");
}

#[test]
fn every_value_of_a_membership_is_bound_by_the_batch_leaf() {
    for count in [1_u64, 2, 3, 7, 8, 13] {
        let leaves: Vec<NotaryLeaf> = (0..count).map(|i| subject(&i.to_string()).leaf()).collect();
        let bytes: Vec<Vec<u8>> = leaves.iter().map(Encode::to_bytes).collect();
        let (blake3, sha256) = (MemoryTree::<Blake3>::from_leaves(&bytes), MemoryTree::<Sha256>::from_leaves(&bytes));
        let roots = Roots { blake3: blake3.root(), sha256: sha256.root() };
        let batch = NotaryLeaf::Batch { count, roots };
        for i in 0..count {
            let member = BatchMembership::new(blake3.inclusion(i).unwrap(), sha256.inclusion(i).unwrap()).unwrap();
            let me = subject(&i.to_string());
            assert_eq!(logged_leaf(&me, Some(&member)).unwrap(), batch);
            for index in (0..count + 2).filter(|j| *j != i) {
                let moved = BatchMembership { index, ..member.clone() };
                assert_ne!(
                    logged_leaf(&me, Some(&moved)).ok(),
                    Some(batch.clone()),
                    "index {index} for {i} of {count}"
                );
            }
            for other in (0..count + 5).filter(|c| *c != count) {
                let resized = BatchMembership { count: other, ..member.clone() };
                assert_ne!(logged_leaf(&me, Some(&resized)).ok(), Some(batch.clone()), "count {other} for {count}");
            }
            let stranger = subject("stranger");
            assert_ne!(logged_leaf(&stranger, Some(&member)).unwrap(), batch);
        }
    }
}

#[test]
fn proofs_of_different_members_make_no_membership() {
    let tree = MemoryTree::<Sha256>::from_leaves([b"a", b"b", b"c"]);
    assert!(BatchMembership::new(tree.inclusion(0).unwrap(), tree.inclusion(1).unwrap()).is_err());
    assert!(BatchMembership::new(tree.inclusion(0).unwrap(), tree.inclusion_at(0, 2).unwrap()).is_err());
}
