//! Records that two of three members keep: all members read and prove all of them, whoever loses its disk.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::members::{Members, SIZE, until};
use super::oracle::{Ledger, client};
use super::{CLIENTS, Fault, Kind, LONG, Stop, compare, down_and_clean, play, progress};
use crate::net::Net;

#[test]
fn records_that_two_of_three_members_keep_are_read_at_all_of_them_whoever_loses_its_disk() {
    let net = Net::empty();
    net.launcher(&["up", "--validators", "1", "--members", "3", "--detach"]).expect(0);
    let members = Members::of(&net);
    until(LONG, "a log is made", || members.create_with("record"));
    until(LONG, "the cluster is whole", || members.whole());
    let described = members.get(1, "/v1/cluster/logs/orders").unwrap();
    let numbers = ["nodeset", "replication", "copies"].map(|field| described[field].as_u64());
    assert_eq!((described["copysets"].as_str(), numbers), (Some("record"), [Some(3), Some(2), Some(2)]));

    let (ledger, stop) = (Ledger::new(5), AtomicBool::new(false));
    std::thread::scope(|threads| {
        let _stop = Stop(&stop);
        for at in 0..CLIENTS {
            let (members, ledger, stop) = (&members, &ledger, &stop);
            threads.spawn(move || client(members, ledger, stop, at));
        }
        progress(&members, &ledger, "before any fault");
        for node in 0..SIZE {
            let fault = Fault { kind: Kind::Wipe, node, other: (node + 1) % SIZE, pause: Duration::ZERO };
            play(&net, &members, &ledger, fault);
        }
    });
    compare(&members, &ledger);
    // Each member keeps some of them, and none all.
    let kept: Vec<u64> = (0..SIZE).map(|node| bytes(&members, node)).collect();
    let all: u64 = members.read(0, 0).iter().map(|held| 12 + 30 + held.value.len() as u64).sum();
    println!("{kept:?} bytes of {all} at least; {}", ledger.summary());
    assert!(kept.iter().sum::<u64>() * 10 < all * 27, "{kept:?} bytes of records that have {all}: nearly three copies");
    down_and_clean(&net);
}

/// Bytes of the partition's segments on a member.
fn bytes(members: &Members<'_>, node: usize) -> u64 {
    let described = members.get(node, "/v1/cluster/logs/orders").unwrap();
    described["partitions"][0]["bytes"].as_str().unwrap().parse().unwrap()
}
