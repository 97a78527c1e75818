use std::task::Waker;

use super::*;

const PEER: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
const LOCAL: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);

/// What one call reads: sender's port, bytes, segment length.
fn read(queue: &PortQueue, buffers: usize, room: usize) -> Vec<(u16, Vec<u8>, usize)> {
    let mut memory = vec![vec![0; room]; buffers];
    let mut metas = vec![RecvMeta::default(); buffers];
    let mut slices: Vec<_> = memory.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
    let cx = Context::from_waker(Waker::noop());
    let Poll::Ready(filled) = queue.poll_recv(&cx, LOCAL, &mut slices, &mut metas) else { return Vec::new() };
    let read = memory.into_iter().zip(metas).take(filled);
    read.map(|(buffer, meta)| (meta.addr.port(), buffer[..meta.len].to_vec(), meta.stride)).collect()
}

#[test]
fn datagrams_of_one_sender_and_length_share_a_buffer() {
    let (ports, counters) = (Ports::default(), Counters::default());
    let (_, queue) = ports.bind(7, 100).unwrap();
    let mut delivery = Delivery::new(&ports, &counters);
    for (port, payload) in [(1, "aaa"), (1, "bbb"), (1, "c"), (1, "ddd"), (2, "eee"), (2, "ffff"), (2, "")] {
        delivery.put(7, (PEER, port), payload.as_bytes());
    }
    drop(delivery);
    let expected = [(1, "aaabbbc", 3), (1, "ddd", 3), (2, "eee", 3), (2, "ffff", 4)];
    let expected: Vec<_> = expected.map(|(port, bytes, stride)| (port, bytes.as_bytes().to_vec(), stride)).into();
    assert_eq!(read(&queue, 8, 100), expected);
    assert!(read(&queue, 8, 100).is_empty());
}

#[test]
fn buffers_are_filled_to_their_end_and_the_rest_waits() {
    let (ports, counters) = (Ports::default(), Counters::default());
    let (_, queue) = ports.bind(7, 100).unwrap();
    let mut delivery = Delivery::new(&ports, &counters);
    for _ in 0..5 {
        delivery.put(7, (PEER, 1), b"four");
    }
    delivery.put(7, (PEER, 1), &[9; 20]);
    drop(delivery);
    assert_eq!(read(&queue, 1, 11), [(1, b"fourfour".to_vec(), 4)]);
    assert_eq!(read(&queue, 4, 11), [(1, b"fourfour".to_vec(), 4), (1, b"four".to_vec(), 4)]);
    let mut delivery = Delivery::new(&ports, &counters);
    for _ in 0..JOINED + 1 {
        delivery.put(7, (PEER, 1), b"x");
    }
    drop(delivery);
    assert_eq!(read(&queue, 4, 100).into_iter().map(|(_, bytes, _)| bytes.len()).collect::<Vec<_>>(), [JOINED, 1]);
    assert!(read(&queue, 4, 11).is_empty(), "what fits into no buffer is dropped");
}

#[test]
fn a_slow_reader_and_a_port_without_reader_lose_and_are_counted() {
    let (ports, counters) = (Ports::default(), Counters::default());
    let (_, queue) = ports.bind(7, 3).unwrap();
    let mut delivery = Delivery::new(&ports, &counters);
    for port in 1..=5 {
        delivery.put(7, (PEER, port), b"x");
    }
    for _ in 0..2 {
        delivery.put(8, (PEER, 1), b"x");
    }
    drop(delivery);
    assert_eq!((counters.read().full_ports, counters.read().closed_ports), (2, 2));
    assert_eq!(read(&queue, 8, 1).len(), 3);
    // What was read makes room again, and many at once count as many.
    let mut delivery = Delivery::new(&ports, &counters);
    for _ in 0..4 {
        delivery.put(7, (PEER, 1), b"x");
    }
    delivery.put(7, (PEER, 2), b"x");
    drop(delivery);
    assert_eq!((counters.read().full_ports, read(&queue, 8, 1).len()), (6, 1));
}

#[test]
fn a_port_has_one_reader_and_zero_takes_a_free_one() {
    let ports = Ports::default();
    let (port, _queue) = ports.bind(0, 1).unwrap();
    assert!(DYNAMIC.contains(&port));
    assert_eq!(ports.bind(port, 1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    let (other, _queue) = ports.bind(0, 1).unwrap();
    assert_ne!(port, other);
    ports.release(port);
    assert!(ports.bind(port, 1).is_ok());
}
