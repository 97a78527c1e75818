//! Append and proofs of Merkle trees of 10^3 to 10^7 leaves under both hashes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pyralog_crypto::{Blake3, Frontier, MemoryTree, MerkleHash, Sha256};

use super::baseline::Baseline;
use super::report::{Figure, Group, Place, Setting};
use super::timing::{Times, ns_per_call};
use crate::localnet::interrupt::Interrupt;

/// Bytes of the leaves that are appended: a document leaf without metadata is a few bytes shorter.
const LEAF: usize = 80;
/// Appends that are timed together; divides every size.
const STRETCH: u64 = 500;

/// Measures.
pub fn measure(baseline: &Baseline, quick: bool, interrupt: &Interrupt) -> Result<Group> {
    let mut group = Group::new("Merkle trees", Place::InProcess);
    let largest = if quick { 6 } else { 7 };
    let time = Duration::from_millis(if quick { 20 } else { 100 });
    for power in 3..=largest {
        one::<Blake3>(&mut group, ("BLAKE3", baseline.blake3_ns), power, time)?;
        one::<Sha256>(&mut group, ("SHA-256", baseline.sha256_ns), power, time)?;
        if interrupt.count() > 0 {
            bail!("interrupted");
        }
    }
    group.notes.push(format!(
        "append: hash of a leaf of {LEAF} bytes, then all completed nodes; median of stretches of {STRETCH}. Proofs are of \
         evenly spread indexes and sizes; least of many rounds of 1 ms"
    ));
    Ok(group)
}

fn one<H: MerkleHash>(group: &mut Group, (name, plain): (&str, f64), power: u32, time: Duration) -> Result<()> {
    const HASHES: &str = "one plain hash of 64 bytes";
    let size = 10_u64.pow(power);
    let append = append_ns::<H>(size);

    let mut tree = MemoryTree::<H>::new();
    for number in 0..size {
        tree.push_hash(H::leaf(&number.to_be_bytes()));
    }
    let root = tree.root();
    // A stride that shares no factor with a power of ten visits everything in no order a cache would like.
    let spread = |call: u64| call.wrapping_mul(982_451_653) % size;
    let inclusion = ns_per_call(time, |call| tree.inclusion(spread(call)));
    let consistency = ns_per_call(time, |call| tree.consistency(spread(call) + 1));
    let (proof, old) = (tree.inclusion(size / 3)?, tree.consistency(size / 3)?);
    let leaf = H::leaf(&(size / 3).to_be_bytes());
    let old_root = tree.root_at(size / 3)?;
    proof.verify::<H>(&leaf, &root).context("an inclusion proof that was just made does not verify")?;
    old.verify::<H>(&old_root, &root).context("a consistency proof that was just made does not verify")?;
    let verify = ns_per_call(time, |_| proof.verify::<H>(&leaf, &root));
    let verify_old = ns_per_call(time, |_| old.verify::<H>(&old_root, &root));

    let setting = |sample: String| Setting { sample: Some(sample), ..Setting::default() };
    let bytes = |path: usize| setting(format!("{} bytes of path", path * 32));
    let mut add = |what: &str, value: f64, how: Setting| {
        let what = format!("{name} {what}, 10^{power} leaves");
        group.add(Figure::new(what, value, "ns", how).against(plain, HASHES));
    };
    add("append", append, Setting { record_bytes: Some(LEAF as u64), ..setting(format!("{size} leaves")) });
    add("inclusion proof", inclusion, bytes(proof.path.len()));
    add("inclusion verify", verify, bytes(proof.path.len()));
    add("consistency proof", consistency, bytes(old.path.len()));
    add("consistency verify", verify_old, bytes(old.path.len()));
    Ok(())
}

/// Nanoseconds per append, as the median over stretches: the mean would count what interrupted it.
fn append_ns<H: MerkleHash>(size: u64) -> f64 {
    let mut leaf = [5_u8; LEAF];
    let mut frontier = Frontier::<H>::new();
    let mut stretches = Vec::new();
    while frontier.size() < size {
        let started = Instant::now();
        for number in frontier.size()..size.min(frontier.size() + STRETCH) {
            leaf[..8].copy_from_slice(&number.to_be_bytes());
            frontier.append(H::leaf(&leaf));
        }
        stretches.push(started.elapsed());
    }
    Times::new(stretches).percentile_ms(50.0) * 1e6 / STRETCH as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cost_of_one_size_is_measured() {
        let mut group = Group::new("Merkle trees", Place::InProcess);
        one::<Sha256>(&mut group, ("SHA-256", 100.0), 3, Duration::from_micros(10)).unwrap();
        assert_eq!(group.figures.len(), 5);
        assert!(group.figures.iter().all(|figure| figure.value > 0.0 && figure.ratio.is_some()));
        assert!(group.figures[1].setting.sample.as_ref().unwrap().ends_with("bytes of path"));
    }
}
