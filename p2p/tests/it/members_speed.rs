//! What the member links carry between two processes' worth of swarms in one process. Only sanity is asserted; the figures
//! are logged: `RUST_LOG=it=info cargo test -p pyralog-p2p --test it members_speed -- --nocapture`.

use bytes::Bytes;
use pyralog_p2p::{Lane, MemberEvent, MemberEvents};
use tokio::time::Instant;

use crate::{
    members::{message, pair, send},
    net::soon,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub async fn round_trips_and_throughput() {
    const TRIPS: usize = 2_000;
    const SMALL: usize = 200_000;
    const LARGE: usize = 128;
    let (first, second) = pair(|_| {}).await;
    let (from, to) = (first.id(), second.id());
    let MemberEvents { urgent: mut echoes, bulk: _bulk } = first.events;
    let MemberEvents { mut urgent, mut bulk } = second.events;

    let echo = tokio::spawn(async move {
        for _ in 0..TRIPS {
            let data = message(&mut urgent).await;
            second.links.send(&from, Lane::Urgent, data).unwrap();
        }
        (urgent, second.node)
    });
    let mut times = Vec::new();
    for _ in 0..TRIPS {
        let began = Instant::now();
        first.links.send(&to, Lane::Urgent, Bytes::from_static(&[7; 100])).unwrap();
        message(&mut echoes).await;
        times.push(began.elapsed());
    }
    times.sort();
    let (mut urgent, _node) = echo.await.unwrap();
    tracing::info!(p50 = ?times[TRIPS / 2], p99 = ?times[TRIPS * 99 / 100], "round trip of 100 bytes");

    let began = Instant::now();
    let links = first.links.clone();
    let sender = tokio::spawn(async move {
        for _ in 0..SMALL {
            send(&links, to, Lane::Urgent, Bytes::from_static(&[7; 100])).await;
        }
    });
    let mut count = 0;
    while count < SMALL {
        let event = soon("a message", urgent.recv()).await;
        count += usize::from(matches!(event, Some(MemberEvent::Message { .. })));
    }
    sender.await.unwrap();
    let per_second = SMALL as f64 / began.elapsed().as_secs_f64();
    tracing::info!(per_second, "messages of 100 bytes on the urgent lane");

    let began = Instant::now();
    let links = first.links.clone();
    let sender = tokio::spawn(async move {
        let block = Bytes::from(vec![1; 1 << 20]);
        for _ in 0..LARGE {
            send(&links, to, Lane::Bulk, block.clone()).await;
        }
    });
    let mut bytes = 0;
    while bytes < LARGE << 20 {
        if let Some(MemberEvent::Message { data, .. }) = soon("a message", bulk.recv()).await {
            bytes += data.len();
        }
    }
    sender.await.unwrap();
    let megabytes_per_second = (bytes >> 20) as f64 / began.elapsed().as_secs_f64();
    tracing::info!(megabytes_per_second, "messages of 1 MiB on the bulk lane");
    assert!(times[0] <= times[TRIPS - 1] && per_second > 100.0 && megabytes_per_second > 0.1);
}
