//! How peers are found.

use bytes::Bytes;
use pyralog_p2p::{Error, check_address_book};

use crate::net::{Node, config, in_memory, peer_id, soon, until};

#[tokio::test]
async fn peers_find_each_other_through_a_third() {
    let hub = Node::start(config(1)).await;
    let mut second = Node::joining(2, &[&hub]).await;
    let mut third = Node::joining(3, &[&hub]).await;
    second.connected(third.id()).await;
    third.connected(second.id()).await;
}

#[tokio::test]
async fn the_address_book_brings_a_node_back_without_bootstrap() {
    let mut old = Node::start(config(1)).await;
    let mut node = Node::joining(2, &[&old]).await;
    node.connected(old.id()).await;
    old.connected(node.id()).await;
    let book = node.handle.address_book().await.unwrap();
    assert_eq!(check_address_book(&book).unwrap(), 1);
    node.handle.shutdown().await;
    old.disconnected(peer_id(2)).await;

    let mut again = config(2);
    again.address_book = Some(book);
    let mut again = Node::start(again).await;
    again.connected(old.id()).await;
}

#[tokio::test]
async fn a_damaged_address_book_is_left_out() {
    let mut damaged = config(1);
    damaged.address_book = Some(Bytes::from_static(b"\x01\xff\xff\xff\xff"));
    let node = Node::start(damaged).await;
    assert_eq!(check_address_book(&node.handle.address_book().await.unwrap()).unwrap(), 0);
}

#[tokio::test]
async fn dialling_is_by_peer_id() {
    let mut node = Node::start(config(1)).await;
    let mut other = Node::start(config(2)).await;
    let address = other.listen_addr().await;

    // Another peer than the one asked for lives there.
    let wrong = soon("the refusal", node.handle.dial(peer_id(7), vec![address.clone()])).await;
    assert!(matches!(wrong, Err(Error::Unreachable { .. })));
    let nowhere = soon("the refusal", node.handle.dial(peer_id(7), Vec::new())).await;
    assert!(matches!(nowhere, Err(Error::Unreachable { .. })));
    let own = soon("the refusal", node.handle.dial(node.id(), vec![address.clone()])).await;
    assert!(matches!(own, Err(Error::Unreachable { .. })));

    soon("a dial", node.handle.dial(other.id(), vec![address])).await.unwrap();
    node.connected(other.id()).await;
    other.connected(node.id()).await;
    // Once connected there is nothing to do.
    soon("a second dial", node.handle.dial(other.id(), Vec::new())).await.unwrap();
    assert_eq!(node.handle.peers().await.unwrap().len(), 1);
}

#[tokio::test]
async fn peer_information_is_complete() {
    let mut first = config(1);
    in_memory(&mut first);
    first.agent = "pyralogd/9.9\u{7}".into();
    let first = Node::start(first).await;
    let mut second = config(2);
    in_memory(&mut second);
    second.bootstrap.push(first.address().await);
    let mut second = Node::start(second).await;
    second.connected(first.id()).await;
    let before = std::time::SystemTime::now();
    until("a ping", || async { second.handle.peers().await.unwrap()[0].round_trip.is_some() }).await;
    let info = second.handle.peers().await.unwrap().remove(0);
    assert_eq!(info.peer_id, first.id());
    assert_eq!(info.agent, "pyralogd/9.9");
    assert_eq!(info.address.to_string(), first.listen_addr().await.to_string());
    assert!(info.connected_since <= before);
    assert!(info.score >= 0.0);
}
