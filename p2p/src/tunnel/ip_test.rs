use proptest::prelude::*;

use super::*;

const A: Ipv6Addr = Ipv6Addr::new(0xfd01, 2, 3, 4, 5, 6, 7, 8);
const B: Ipv6Addr = Ipv6Addr::new(0xfd09, 10, 11, 12, 13, 14, 15, 16);

fn udp_packet(payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    assert!(write_udp(&mut out, (A, B), (4_001, 26_656), payload));
    out.to_vec()
}

#[test]
fn a_datagram_has_the_bytes_of_the_standards() {
    let packet = udp_packet(b"abc");
    assert_eq!(packet[..8], [0x60, 0, 0, 0, 0, 11, 17, 64]);
    assert_eq!(packet[40..46], [0x0f, 0xa1, 0x68, 0x20, 0, 11]);
    // The sum over pseudo header, header and payload, computed apart from this code.
    assert_eq!(packet[46..48], [0xc9, 0x2a]);
}

#[test]
fn the_largest_payload_fills_the_mtu_and_one_more_is_refused() {
    assert_eq!(udp_packet(&[7; MAX_PAYLOAD]).len(), INNER_MTU);
    assert!(!write_udp(&mut BytesMut::new(), (A, B), (1, 2), &[7; MAX_PAYLOAD + 1]));
}

#[test]
fn an_echo_comes_back_with_its_data() {
    let request = echo_packet((A, B), false, b"\0\x07\0\x01data").unwrap();
    let parsed = parse(&request).unwrap();
    let Inner::EchoRequest { message } = parsed.inner else { panic!("{parsed:?}") };
    let reply = echo_packet((parsed.destination, parsed.source), true, message).unwrap();
    let parsed = parse(&reply).unwrap();
    assert_eq!((parsed.source, parsed.destination), (B, A));
    assert_eq!(parsed.inner, Inner::EchoReply { message: b"\0\x07\0\x01data" });
    assert!(echo_packet((A, B), true, &[0; 3]).is_none() && echo_packet((A, B), true, &[0; INNER_MTU]).is_none());
}

#[test]
fn what_is_cut_or_changed_is_refused() {
    let packet = udp_packet(b"payload");
    for length in 0..packet.len() {
        assert!(parse(&packet[..length]).is_none(), "{length}");
    }
    for at in 0..packet.len() {
        // Traffic class, flow label and hop limit are not summed.
        if matches!(at, 0..=3 | 7) {
            continue;
        }
        let mut changed = packet.clone();
        changed[at] ^= 0x10;
        let parsed = parse(&changed);
        assert!(parsed.is_none_or(|parsed| parsed.inner == Inner::Other), "{at}");
    }
    let mut none = packet.clone();
    none[46..48].fill(0);
    assert!(parse(&none).is_none(), "without a checksum");
}

#[test]
fn padding_is_not_payload() {
    let mut packet = udp_packet(b"payload");
    packet.resize(64, 0);
    let Inner::Udp { payload, .. } = parse(&packet).unwrap().inner else { panic!() };
    assert_eq!(payload, b"payload");
}

proptest! {
    #[test]
    fn any_datagram_survives_the_way(payload in prop::collection::vec(any::<u8>(), 0..=MAX_PAYLOAD), source in 1u16.., destination in 1u16..) {
        let mut out = BytesMut::new();
        prop_assert!(write_udp(&mut out, (A, B), (source, destination), &payload));
        let parsed = parse(&out).unwrap();
        prop_assert_eq!((parsed.source, parsed.destination), (A, B));
        prop_assert_eq!(parsed.inner, Inner::Udp { source, destination, payload: &payload });
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..1_400)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn any_body_behind_a_valid_header_is_read_without_a_panic(next in any::<u8>(), body in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut packet = vec![0x60, 0, 0, 0, 0, body.len() as u8, next, 64];
        packet.extend([0; 32]);
        packet.extend(body);
        let _ = parse(&packet);
    }
}

#[test]
fn padding_is_no_part_of_a_packet() {
    let mut packet = udp_packet(b"abc");
    let length = packet.len();
    packet.extend([0; 13]);
    let parsed = parse(&packet).unwrap();
    assert_eq!((parsed.length, addresses(&packet)), (length, Some((A, B))));
    packet[0] = 0x45;
    assert_eq!((addresses(&packet), addresses(&packet[..39])), (None, None));
}
