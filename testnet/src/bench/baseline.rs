//! What the figures are compared with, measured in the same run: the disk, a hash, a signature.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use pyralog_crypto::{Blake3, MerkleHash, PublicKey, Sha256, Signature, SigningKey, verify_batch};

use super::report::{Figure, Group, Place, Setting};
use super::timing::ns_per_call;

/// Bytes of the record that the raw disk is measured with: about one document leaf.
pub const RAW_RECORD: usize = 100;
/// What a hash of a Merkle node reads, without its prefix.
const NODE: usize = 64;
/// Signatures verified together.
const BATCH: usize = 64;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Baseline {
    /// Appends of [`RAW_RECORD`] bytes each followed by fdatasync, one thread, per second.
    pub syncs_per_s: f64,
    /// Nanoseconds of BLAKE3 over 64 bytes.
    pub blake3_ns: f64,
    /// Nanoseconds of SHA-256 over 64 bytes.
    pub sha256_ns: f64,
    /// Ed25519 signatures verified one by one on one core, per second.
    pub verify_per_s: f64,
    /// The same verified 64 at a time.
    pub verify_batch_per_s: f64,
    /// Ed25519 signatures made on one core, per second.
    pub sign_per_s: f64,
}

impl Baseline {
    /// Measures on the filesystem of `dir`.
    pub fn measure(dir: &Path, quick: bool) -> Result<Self> {
        let time = Duration::from_millis(if quick { 100 } else { 400 });
        let text = [7_u8; NODE];
        let key = SigningKey::from_seed([1; 32]);
        let message = [3_u8; 200];
        let signature = key.sign(&message);
        let public = key.public_key();
        let signed: Vec<(Vec<u8>, PublicKey, Signature)> = (0..BATCH)
            .map(|number| {
                let key = SigningKey::from_seed([number as u8; 32]);
                let message = [number as u8; 200].to_vec();
                let signature = key.sign(&message);
                (message, key.public_key(), signature)
            })
            .collect();
        let items: Vec<_> = signed.iter().map(|(m, key, s)| (*key, m.as_slice(), *s)).collect();
        let per_s = |ns: f64| 1e9 / ns;
        Ok(Self {
            syncs_per_s: raw_syncs(dir, time * 5)?,
            blake3_ns: ns_per_call(time, |_| Blake3::digest(&text)),
            sha256_ns: ns_per_call(time, |_| Sha256::digest(&text)),
            verify_per_s: per_s(ns_per_call(time, |_| public.verify(&message, &signature).is_ok())),
            verify_batch_per_s: per_s(ns_per_call(time, |_| verify_batch(&items)) / BATCH as f64),
            sign_per_s: per_s(ns_per_call(time, |_| key.sign(&message))),
        })
    }

    /// The figures themselves.
    pub fn group(&self) -> Group {
        let mut group = Group::new("baselines", Place::InProcess);
        let plain = |record: usize| Setting { record_bytes: Some(record as u64), ..Setting::default() };
        let raw = Setting {
            durability: Some("fdatasync after each"),
            clients: Some("one thread".into()),
            ..plain(RAW_RECORD)
        };
        group.add(Figure::new("raw append + fdatasync, same directory", self.syncs_per_s, "/s", raw));
        group.add(Figure::new("BLAKE3", self.blake3_ns, "ns", plain(NODE)));
        group.add(Figure::new("SHA-256", self.sha256_ns, "ns", plain(NODE)));
        group.add(Figure::new("Ed25519 verify, one core", self.verify_per_s, "/s", plain(200)));
        let batch = Setting { batch: Some(BATCH as u64), ..plain(200) };
        let what = "Ed25519 verify, one core, batched";
        group.add(
            Figure::new(what, self.verify_batch_per_s, "/s", batch).against(self.verify_per_s, "verified one by one"),
        );
        group.add(Figure::new("Ed25519 sign, one core", self.sign_per_s, "/s", plain(200)));
        group
    }
}

fn raw_syncs(dir: &Path, time: Duration) -> Result<f64> {
    let path = dir.join(format!("pyralog-bench-raw-{}", std::process::id()));
    let measured = (|| -> std::io::Result<f64> {
        let mut file = fs::File::create(&path)?;
        let started = Instant::now();
        let mut writes = 0_u32;
        while started.elapsed() < time {
            file.write_all(&[7; RAW_RECORD])?;
            file.sync_data()?;
            writes += 1;
        }
        Ok(f64::from(writes) / started.elapsed().as_secs_f64())
    })();
    // The file is of no use to anybody; that it cannot be removed is no failure of the measurement.
    let _ = fs::remove_file(&path);
    measured.with_context(|| format!("cannot measure the disk under {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_raw_disk_is_measured_and_cleaned_up() {
        let dir = tempfile::tempdir().unwrap();
        assert!(raw_syncs(dir.path(), Duration::from_millis(5)).unwrap() > 0.0);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let error = raw_syncs(&dir.path().join("missing"), Duration::from_millis(1)).unwrap_err();
        assert!(format!("{error:#}").contains("missing"));
    }
}
