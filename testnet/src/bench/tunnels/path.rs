//! Speed over a path of 40 ms that loses packets.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::super::report::{Aim, Figure, Group, Place, Setting};
use super::peer::{ANSWER, Carrier, Keys, Peer};
use super::relay::Relay;

/// One way; there and back is twice that.
const DELAY: Duration = Duration::from_millis(20);
/// Packets of 10,000 that do not arrive.
const LOST: [u64; 3] = [0, 10, 100];
/// MB/s at the last of these that are aimed at.
const AIM: f64 = 8.0;

/// Measures.
pub async fn measure(quick: bool) -> Result<Group> {
    let answers = if quick { 20 } else { 120 };
    let keys = [Keys::new(1)?, Keys::new(2)?];
    let mut group = Group::new("one peer's answers over a path of 40 ms there and back", Place::InProcess);
    for lost in LOST {
        let speed = speed(&keys, lost, answers).await?;
        let setting = Setting { sample: Some(format!("{} MB", answers * ANSWER / 1_000_000)), ..Setting::default() };
        let what = format!("QUIC in WireGuard, {} % lost", lost as f64 / 100.0);
        let mut figure = Figure::new(what, speed, "MB/s", setting);
        if lost == LOST[2] {
            figure = figure.aim(Aim::AtLeast(AIM));
        }
        group.add(figure);
    }
    group.notes.push("a relay in this process delays and drops each packet by itself, in both directions; the key exchange runs over it, too".to_owned());
    Ok(group)
}

async fn speed([one, two]: &[Keys; 2], lost: u64, answers: usize) -> Result<f64> {
    // Neither tells where it is, so that all goes over the relay.
    let nowhere = Some((Ipv4Addr::LOCALHOST, 9).into());
    let from = Peer::start(one, Carrier::Tunnel, nowhere, Arc::new(())).await?;
    let relay = Relay::start(from.socket().context("it has no tunnel")?, DELAY, lost).await?;
    let to = Peer::start(two, Carrier::Tunnel, nowhere, Arc::new(())).await?;
    to.connect(&from, Some(relay.front)).await?;
    to.answers(from.id(), answers / 10).await?;
    let began = Instant::now();
    to.answers(from.id(), answers).await?;
    let seconds = began.elapsed().as_secs_f64();
    to.stop().await;
    from.stop().await;
    Ok((answers * ANSWER) as f64 / 1e6 / seconds.max(1e-9))
}
