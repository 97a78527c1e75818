//! Datagrams of people who mean no good.

use super::*;

#[test]
fn a_wrong_mac_is_dropped_before_anything_is_computed() -> Checked {
    wrong_macs()
}

pub(super) fn wrong_macs() -> Checked {
    let mut net = Net::one_way(1).started();
    net.run_for(secs(1));
    let sent = net.sent.clone();
    net.errors(0);
    net.errors(1);
    for packet in &sent {
        let mac = packet.bytes.len() - 32;
        for at in [1, 5, mac - 1, mac, mac + 15] {
            let mut packet = packet.clone();
            packet.bytes[at] ^= 1;
            let before = net.sent.len();
            net.deliver(&packet);
            let n = usize::from(packet.to == address(1));
            check(net.errors(n) == [RosenpassError::Mac], "a datagram with a wrong mac was looked into")?;
            check(net.sent.len() == before, "a datagram with a wrong mac was answered")?;
        }
    }
    Ok(())
}

/// Bytes that are changed in each datagram: the ends of all fields, and some between.
fn places(kind: u8, length: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (4..length - 32).step_by(if kind == 0x84 { 3 } else { 61 }).collect();
    places.extend([4, 7, 8, 11, 12, length - 33, length - 48, length - 49]);
    places.sort_unstable();
    places.dedup();
    places
}

#[test]
fn no_changed_byte_makes_a_key_or_stops_the_true_one() {
    // Everything is held back; in each step the changed copies arrive first, then the true one.
    let mut net = Net::one_way(2);
    net.hold = Box::new(|_| true);
    let mut net = net.started();
    for kind in [0x81, 0x82, 0x83, 0x84] {
        let packet = net.held.iter().rev().find(|packet| packet.kind() == kind).cloned().unwrap();
        let n = usize::from(packet.to == address(1));
        let told = (net.nodes[0].told.len(), net.nodes[1].told.len());
        for at in places(kind, packet.bytes.len()) {
            let mut changed = packet.clone();
            changed.bytes[at] ^= 0x40;
            net.nodes[n].machine.as_ref().unwrap().seal_for_us(&mut changed.bytes);
            // As slowly as no rate minds.
            net.now += millis(600);
            let sent = net.sent.len();
            net.deliver(&changed);
            assert_eq!(net.errors(n).len(), 1, "{kind:#x}, byte {at}");
            let answered = net.sent[sent..]
                .iter()
                .any(|packet| packet.from == address(n) && packet.kind() != 0x81 && packet.kind() != 0x83);
            assert!(!answered, "{kind:#x}, byte {at} was answered");
        }
        assert_eq!((net.nodes[0].told.len(), net.nodes[1].told.len()), told, "{kind:#x}");
        // A handshake may have been begun anew by now; the true datagram is the one of the present one.
        net.deliver(&packet);
        net.errors(n);
    }
    assert!(net.agree(0, 1));
}

#[test]
fn forged_answers_cost_a_bounded_number_of_decapsulations() {
    let mut net = Net::one_way(3);
    net.hold = Box::new(|packet| packet.kind() == 0x82);
    let mut net = net.started();
    net.run_for(millis(50));
    let answer = net.held[0].clone();
    for number in 0..200u32 {
        let mut forged = answer.clone();
        forged.bytes[100..104].copy_from_slice(&number.to_be_bytes());
        net.nodes[0].machine.as_ref().unwrap().seal_for_us(&mut forged.bytes);
        net.deliver(&forged);
    }
    let peer = net.id(1);
    let errors = net.errors(0);
    let of = |what: &RosenpassError| errors.iter().filter(|error| *error == what).count();
    assert_eq!(of(&RosenpassError::AnswerAuth { peer }), 4);
    assert_eq!(of(&RosenpassError::TooManyAnswers { peer }), 196);
    // When they end, the true one is taken.
    net.now += secs(2);
    net.deliver(&answer);
    assert!(net.key(0, 1).is_some());
}

#[test]
fn strangers_are_named_and_get_nothing() {
    // Node 2 is no peer of node 1, and begins with it.
    let mut net = Net::new(4, vec![(vec![1], vec![]), (vec![], vec![0]), (vec![1], vec![])]).started();
    net.run_for(secs(3));
    assert!(net.errors(1).contains(&RosenpassError::UnknownPeer { peer: net.id(2) }));
    assert!(net.sent.iter().all(|packet| packet.to != address(2)));
    assert!(net.agree(0, 1));
}

#[test]
fn answers_to_nobodys_question_are_dropped() {
    let mut net = Net::one_way(5).started();
    net.run_for(secs(1));
    let mut other = Net::one_way(6).started();
    other.run_for(secs(1));
    net.errors(0);
    net.errors(1);
    for packet in &other.sent {
        if packet.kind() != 0x81 {
            net.deliver(packet);
        }
    }
    assert_eq!(net.errors(0), vec![RosenpassError::NoSuchSession; 2]);
    assert_eq!(net.errors(1), [RosenpassError::Biscuit]);
    assert!(net.agree(0, 1) && net.nodes[0].told.len() == 1);
}

#[test]
fn our_own_datagrams_reflected_do_nothing() {
    let mut net = Net::pair(7).started();
    net.run_for(secs(2));
    let key = net.key(0, 1);
    for mut packet in net.sent.clone() {
        std::mem::swap(&mut packet.from, &mut packet.to);
        net.deliver(&packet);
    }
    net.run_for(secs(1));
    assert!(net.agree(0, 1) && net.key(0, 1) == key);
}
