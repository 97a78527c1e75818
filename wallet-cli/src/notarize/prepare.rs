//! From documents to leaves: subjects with their salts, and the sub-tree of a batch.

use std::path::PathBuf;

use pyralog_consensus::receipt::{BatchMembership, NotarySubject};
use pyralog_crypto::{Blake3, DocumentDigest, Encode, MemoryTree, Metadata, NotaryLeaf, Roots, Salt, Sha256};

use crate::error::{Context, Failure, Result};
use crate::keys::random;
use crate::output::shown;
use crate::receipt_file::{STDIN, is_stdin};

/// One document with the receipt that will be written for it.
#[derive(Debug, Clone)]
pub struct Member {
    /// The document: - is standard input.
    pub file: PathBuf,
    /// Where its receipt goes.
    pub receipt: PathBuf,
    /// What the leaf commits to.
    pub subject: NotarySubject,
    /// Its place in the batch.
    pub batch: Option<BatchMembership>,
}

/// One submission: a leaf, and the documents that it stands for.
#[derive(Debug, Clone)]
pub struct Job {
    /// What is logged.
    pub leaf: NotaryLeaf,
    /// At least one.
    pub members: Vec<Member>,
}

/// Reads `key=value` options.
pub fn parse_metadata(pairs: &[String]) -> Result<Option<Metadata>> {
    if pairs.is_empty() {
        return Ok(None);
    }
    let mut metadata = Metadata::default();
    for pair in pairs {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("--metadata {pair:?} has no '='; write --metadata key=value")))?;
        metadata
            .insert(key.to_owned(), value.to_owned())
            .map_err(|error| Failure::usage(format!("--metadata {pair:?}: {error}")))?;
    }
    Ok(Some(metadata))
}

/// The subject of one document. Every commitment gets a salt of its own: opening one must not help to guess another.
pub fn subject(digest: &DocumentDigest, metadata: Option<&Metadata>, hidden: bool) -> Result<NotarySubject> {
    let mut subject = NotarySubject::new(digest);
    if let Some(metadata) = metadata {
        subject = subject.with_metadata(metadata.clone(), fresh_salt()?);
    }
    if hidden {
        subject = subject.hidden(fresh_salt()?);
    }
    Ok(subject)
}

impl Member {
    /// How the document is called in messages.
    pub fn name(&self) -> String {
        if is_stdin(&self.file) { STDIN.to_owned() } else { shown(&self.file) }
    }
}

impl Job {
    /// A job for one document that is logged by itself.
    pub fn single(member: Member) -> Self {
        Self { leaf: member.subject.leaf(), members: vec![member] }
    }

    /// A job for documents that become one sub-tree: the leaf holds its roots, each member gets its paths.
    pub fn batch(mut members: Vec<Member>) -> Result<Self> {
        let mut blake3 = MemoryTree::<Blake3>::new();
        let mut sha256 = MemoryTree::<Sha256>::new();
        for member in &members {
            let leaf = member.subject.leaf().to_bytes();
            blake3.push(&leaf);
            sha256.push(&leaf);
        }
        let broken = || "cannot build the batch".to_owned();
        for (index, member) in (0u64..).zip(&mut members) {
            let membership = BatchMembership::new(
                blake3.inclusion(index).context(broken)?,
                sha256.inclusion(index).context(broken)?,
            );
            member.batch = Some(membership.context(broken)?);
        }
        let leaf =
            NotaryLeaf::Batch { count: blake3.size(), roots: Roots { blake3: blake3.root(), sha256: sha256.root() } };
        Ok(Self { leaf, members })
    }
}

fn fresh_salt() -> Result<Salt> {
    let mut bytes = [0; 32];
    random(&mut bytes)?;
    Ok(Salt(bytes))
}

#[cfg(test)]
mod tests {
    use pyralog_crypto::{InclusionProof, MerkleHash};

    use super::*;

    fn member(text: &str) -> Member {
        let digest = DocumentDigest::of(text.as_bytes());
        let subject = subject(&digest, None, false).unwrap();
        Member { file: text.into(), receipt: text.into(), subject, batch: None }
    }

    #[test]
    fn metadata_is_split_at_the_first_equals_sign() {
        let pairs = ["author=Ada".to_owned(), "formula=a=b".to_owned(), "empty=".to_owned()];
        let metadata = parse_metadata(&pairs).unwrap().unwrap();
        assert_eq!(metadata.get("formula"), Some("a=b"));
        assert_eq!(metadata.get("empty"), Some(""));
        assert_eq!(parse_metadata(&[]).unwrap(), None);
    }

    #[test]
    fn bad_metadata_is_a_usage_error_that_quotes_it() {
        for bad in [vec!["novalue"], vec!["=x"], vec!["a=1", "a=2"]] {
            let pairs: Vec<String> = bad.iter().map(|pair| (*pair).to_owned()).collect();
            let failure = parse_metadata(&pairs).unwrap_err();
            assert_eq!(failure.code(), 2, "{bad:?}");
            assert!(failure.to_string().contains("--metadata"), "{failure}");
        }
    }

    #[test]
    fn a_hidden_subject_has_fresh_salts_and_another_leaf_each_time() {
        let digest = DocumentDigest::of(b"secret");
        let metadata = parse_metadata(&["k=v".to_owned()]).unwrap();
        let one = subject(&digest, metadata.as_ref(), true).unwrap();
        let two = subject(&digest, metadata.as_ref(), true).unwrap();
        assert_ne!(one.leaf(), two.leaf());
        assert!(matches!(one.leaf(), NotaryLeaf::Hidden { .. }));
        assert!(one.hidden_salt != one.metadata.as_ref().map(|metadata| metadata.salt.clone()));
        assert_eq!(one.digest(), digest);
    }

    #[test]
    fn every_member_of_a_batch_leads_to_the_logged_roots() {
        for count in [1usize, 2, 3, 7, 64, 100] {
            let job = Job::batch((0..count).map(|i| member(&format!("document {i}"))).collect()).unwrap();
            let NotaryLeaf::Batch { count: logged, roots } = &job.leaf else { panic!("not a batch") };
            assert_eq!(*logged, count as u64);
            for (index, member) in (0u64..).zip(&job.members) {
                let leaf = member.subject.leaf().to_bytes();
                let batch = member.batch.clone().unwrap();
                assert_eq!((batch.index, batch.count), (index, count as u64));
                let proof = |path| InclusionProof { index, size: count as u64, path };
                proof(batch.blake3_path).verify::<Blake3>(&Blake3::leaf(&leaf), &roots.blake3).unwrap();
                proof(batch.sha256_path).verify::<Sha256>(&Sha256::leaf(&leaf), &roots.sha256).unwrap();
            }
        }
    }

    #[test]
    fn equal_members_stand_at_places_of_their_own() {
        let job = Job::batch(vec![member("same"), member("same"), member("other"), member("same")]).unwrap();
        let NotaryLeaf::Batch { count: 4, roots } = &job.leaf else { panic!("equal members are not merged") };
        for (index, member) in (0u64..).zip(&job.members) {
            let leaf = Sha256::leaf(&member.subject.leaf().to_bytes());
            let path = member.batch.clone().unwrap().sha256_path;
            for place in 0..4 {
                let proof = InclusionProof { index: place, size: 4, path: path.clone() };
                // The two equal siblings at the beginning can change places, and nothing else can.
                let fits = place == index || (place < 2 && index < 2);
                assert_eq!(proof.verify::<Sha256>(&leaf, &roots.sha256).is_ok(), fits, "{index} at {place}");
            }
        }
    }

    #[test]
    fn a_single_document_is_its_own_leaf() {
        let one = member("x");
        let leaf = one.subject.leaf();
        let job = Job::single(one);
        assert_eq!(job.leaf, leaf);
        assert!(job.members[0].batch.is_none());
    }
}
