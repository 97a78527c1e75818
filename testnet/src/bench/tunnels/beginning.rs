//! From the start of a node to the first byte that a peer answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Result;
use pyralog_crypto::Hash;
use pyralog_crypto::kem::StaticPublicKey;
use pyralog_p2p::KeyCache;

use super::super::report::{Aim, Figure, Group, Place, Setting};
use super::super::timing::Times;
use super::peer::{Carrier, Keys, Peer};

/// Milliseconds that are aimed at.
const AIM: f64 = 150.0;

/// Keys of others in memory.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<Hash, Vec<u8>>>);

impl KeyCache for Kept {
    fn load(&self, hash: &Hash) -> Option<Vec<u8>> {
        self.0.lock().ok()?.get(hash).cloned()
    }

    fn store(&self, hash: &Hash, key: &StaticPublicKey) {
        if let Ok(mut kept) = self.0.lock() {
            kept.insert(*hash, key.as_bytes().to_vec());
        }
    }
}

/// Measures.
pub async fn measure(quick: bool) -> Result<Group> {
    let rounds = if quick { 5 } else { 30 };
    let keys = [Keys::new(1)?, Keys::new(2)?];
    let mut group = Group::new("from a node's start to a peer's first byte", Place::InProcess);
    let kept: Arc<dyn KeyCache> = Arc::new(Kept::default());
    for (name, carrier, cache) in [
        ("TCP", Carrier::Tcp, None),
        ("QUIC", Carrier::Quic, None),
        ("QUIC in WireGuard, both have the other's Rosenpass key", Carrier::Tunnel, Some(&kept)),
        ("QUIC in WireGuard, the keys are fetched", Carrier::Tunnel, None),
    ] {
        let mut times = Vec::new();
        // The first one fills the cache.
        for round in 0..=rounds {
            let cache = || cache.cloned().unwrap_or_else(|| Arc::new(()));
            let there = Peer::start(&keys[0], carrier, None, cache()).await?;
            let began = Instant::now();
            let here = Peer::start(&keys[1], carrier, None, cache()).await?;
            here.connect(&there, None).await?;
            here.byte(there.id()).await?;
            if round > 0 {
                times.push(began.elapsed());
            }
            here.stop().await;
            there.stop().await;
        }
        let times = Times::new(times);
        let setting = Setting { sample: Some(format!("{rounds} starts, median")), ..Setting::default() };
        let mut figure = Figure::new(name, times.percentile_ms(50.0), "ms", setting).timed(&times);
        if carrier == Carrier::Tunnel && cache.is_some() {
            figure = figure.aim(Aim::AtMost(AIM));
        }
        group.add(figure);
    }
    group.notes.push(
        "the node's own keys are on its disk; fetching is half a MiB from each of the two to the other".to_owned(),
    );
    Ok(group)
}
