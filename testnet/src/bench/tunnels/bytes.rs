//! Processor time and speed of many bytes on loopback.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::memory::cpu_seconds;
use super::super::report::{Aim, Figure, Group, Place, Setting};
use super::peer::{ANSWER, AT_ONCE, Carrier, Keys, Peer};

/// Bytes that a program writes at once to raw TCP.
const BLOCK: usize = 64 << 10;
/// CPU seconds per GB inside WireGuard that are aimed at.
const AIM: f64 = 5.0;

/// What one carrier costs.
struct Cost {
    cpu_s_per_gb: f64,
    mb_per_s: f64,
}

/// Measures. Each figure is the least of three runs in turns: what other programs take away only ever adds.
pub async fn measure(quick: bool) -> Result<Group> {
    let answers = if quick { 100 } else { 1_000 };
    let keys = [Keys::new(1)?, Keys::new(2)?];
    let mut best: [Option<Cost>; 4] = [const { None }; 4];
    for _ in 0..3 {
        let costs = [
            raw(answers).await?,
            within(Carrier::Tcp, &keys, answers).await?,
            within(Carrier::Quic, &keys, answers).await?,
            within(Carrier::Tunnel, &keys, answers).await?,
        ];
        for (best, cost) in best.iter_mut().zip(costs) {
            if best.as_ref().is_none_or(|best| cost.cpu_s_per_gb < best.cpu_s_per_gb) {
                *best = Some(cost);
            }
        }
    }
    let mut group = Group::new("bytes on loopback, both ends in this process", Place::InProcess);
    let names = ["raw TCP", "libp2p over TCP (noise, yamux)", "libp2p over QUIC", "libp2p over QUIC in WireGuard"];
    let quic = best[2].as_ref().map_or(0.0, |cost| cost.cpu_s_per_gb);
    for (name, cost) in names.iter().zip(&best) {
        let cost = cost.as_ref().context("a carrier was not measured")?;
        let setting = || Setting {
            clients: Some(format!("{AT_ONCE} answers of 1 MiB at once")),
            sample: Some(format!("{} MB, best of 3", answers * ANSWER / 1_000_000)),
            ..Setting::default()
        };
        let mut figure = Figure::new(format!("{name}: processor time"), cost.cpu_s_per_gb, "s/GB", setting())
            .against(quic, "libp2p over QUIC");
        if *name == names[3] {
            figure = figure.aim(Aim::AtMost(AIM));
        }
        group.add(figure);
        group.add(Figure::new(format!("{name}: speed"), cost.mb_per_s, "MB/s", setting()));
    }
    group.notes.push(
        "raw TCP is one stream without encryption; processor time is that of both ends, user and system".to_owned(),
    );
    Ok(group)
}

async fn within(carrier: Carrier, [one, two]: &[Keys; 2], answers: usize) -> Result<Cost> {
    let from = Peer::start(one, carrier, None, Arc::new(())).await?;
    let to = Peer::start(two, carrier, None, Arc::new(())).await?;
    to.connect(&from, None).await?;
    to.answers(from.id(), answers / 20).await?;
    let cost = cost(answers * ANSWER, to.answers(from.id(), answers)).await;
    to.stop().await;
    from.stop().await;
    cost
}

async fn raw(answers: usize) -> Result<Cost> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut sender = TcpStream::connect(listener.local_addr()?).await?;
    let (mut receiver, _) = listener.accept().await?;
    let bytes = answers * ANSWER;
    cost(bytes, async move {
        let sending = tokio::spawn(async move {
            let block = vec![7; BLOCK];
            for _ in 0..bytes / BLOCK {
                sender.write_all(&block).await?;
            }
            std::io::Result::Ok(())
        });
        let mut buffer = vec![0; BLOCK];
        while receiver.read(&mut buffer).await? > 0 {}
        sending.await.context("the sender failed")??;
        Ok(())
    })
    .await
}

async fn cost(bytes: usize, transfer: impl Future<Output = Result<()>>) -> Result<Cost> {
    let own = std::process::id();
    let (began, cpu) = (Instant::now(), cpu_seconds(own));
    transfer.await?;
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds(own) - cpu);
    Ok(Cost { cpu_s_per_gb: cpu * 1e9 / bytes as f64, mb_per_s: bytes as f64 / 1e6 / seconds.max(1e-9) })
}
