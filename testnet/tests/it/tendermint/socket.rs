//! `tendermint-rpc` over WebSocket.

use std::io::{Read, Write};
use std::net::TcpStream;

use futures::StreamExt;
use tendermint_rpc::event::{Event, EventData};
use tendermint_rpc::query::{EventType, Query};
use tendermint_rpc::{Client, Subscription, SubscriptionClient, WebSocketClient};

use super::{PATIENCE, Payer, client, data_hash, hash_of};
use crate::net::Net;

async fn next(subscription: &mut Subscription) -> Event {
    tokio::time::timeout(PATIENCE, subscription.next()).await.expect("an event").expect("an open stream").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_and_transactions_arrive_until_they_are_unsubscribed() {
    let net = Net::up(4);
    let url = format!("{}/websocket", net.manifest().nodes[1].rpc.replace("http://", "ws://"));
    let (socket, driver) = WebSocketClient::new(url.as_str()).await.unwrap();
    let driver = tokio::spawn(driver.run());
    let mut blocks = socket.subscribe(EventType::NewBlock.into()).await.unwrap();
    let payer = Payer::new(&net, 0);
    let sent: Vec<Vec<u8>> = (1..=3).map(|amount| payer.transfer(amount)).collect();
    let mut all = socket.subscribe(EventType::Tx.into()).await.unwrap();
    let one = Query::from(EventType::Tx).and_eq("tx.hash", hash_of(&sent[1]).to_string());
    let mut one = socket.subscribe(one).await.unwrap();

    // Sent to another node, seen here.
    let other = client(&net, 0);
    for tx in &sent {
        assert!(other.broadcast_tx_commit(tx.clone()).await.unwrap().tx_result.code.is_ok());
    }
    for tx in &sent {
        let event = next(&mut all).await;
        assert_eq!(event.events.as_ref().unwrap()["tx.hash"], [hash_of(tx).to_string()]);
        let EventData::Tx { tx_result } = event.data else { panic!("{event:?}") };
        assert_eq!(tx_result.tx, *tx);
    }
    let EventData::Tx { tx_result } = next(&mut one).await.data else { panic!("no transaction") };
    assert_eq!(tx_result.tx, sent[1]);

    let (mut last, mut found) = (None, 0);
    while found < sent.len() {
        let EventData::NewBlock { block: Some(block), block_id, result_finalize_block } = next(&mut blocks).await.data
        else {
            panic!("not a block")
        };
        let header = &block.header;
        assert_eq!(block_id.hash, header.hash());
        assert_eq!(header.data_hash, Some(data_hash(&block.data)));
        assert_eq!(result_finalize_block.unwrap().tx_results.len(), block.data.len());
        if let Some(last) = last {
            assert_eq!(header.last_block_id, Some(last), "no block is left out");
        }
        (last, found) = (Some(block_id), found + block.data.len());
    }

    // Methods are answered on the same connection.
    assert_eq!(socket.status().await.unwrap().node_info.network.as_str(), net.manifest().chain_id);
    assert!(socket.tx(hash_of(&sent[0]), true).await.unwrap().proof.is_some());
    assert!(socket.block(100_000u32).await.is_err());

    socket.unsubscribe(EventType::NewBlock.into()).await.unwrap();
    while blocks.next().await.is_some() {}
    let mut again = socket.subscribe(EventType::NewBlock.into()).await.unwrap();
    assert!(matches!(next(&mut again).await.data, EventData::NewBlock { .. }));
    socket.close().unwrap();
    driver.await.unwrap().unwrap();
}

#[test]
fn a_closing_handshake_is_answered() {
    let net = Net::up(1);
    let address = net.manifest().nodes[0].rpc.replace("http://", "");
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    write!(stream, "GET /websocket HTTP/1.1\r\nHost: {address}\r\n{upgrade}\r\n{key}\r\n\r\n").unwrap();
    // A close frame of status 1000, masked with zeros.
    stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    assert!(received.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&received));
    assert!(received.ends_with(&[0x88, 0x02, 0x03, 0xe8]), "{received:x?}");
}
