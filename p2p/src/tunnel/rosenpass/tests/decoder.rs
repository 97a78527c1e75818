//! No bytes panic, and only the four forms and the cookie are accepted.

use proptest::prelude::*;

use super::*;

const SIZES: [(u8, usize); 5] = [
    (0x81, INIT_HELLO_BYTES),
    (0x82, RESP_HELLO_BYTES),
    (0x83, INIT_CONF_BYTES),
    (0x84, EMPTY_DATA_BYTES),
    (0x86, COOKIE_REPLY_BYTES),
];

#[test]
fn every_length_but_one_is_refused() {
    for (kind, size) in SIZES {
        for length in 0..=1_500 {
            let mut bytes = vec![0; length];
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            assert_eq!(check_datagram(&bytes).is_ok(), length == size, "{kind:#x}, {length}");
        }
    }
    for kind in (0..=0x80).chain([0x85]).chain(0x87..=0xff) {
        assert_eq!(check_datagram(&[kind; 64]), Err(RosenpassError::Kind(kind)));
    }
    assert_eq!(RosenpassError::Kind(0x99).to_string(), "a datagram of type 0x99 is none of Rosenpass");
}

/// Any bytes, or bytes of a right form.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let noise = proptest::collection::vec(any::<u8>(), 0..1_300);
    let shaped = (0..SIZES.len(), any::<u64>()).prop_map(|(kind, seed)| {
        let (kind, size) = SIZES[kind];
        let mut bytes = vec![0; size];
        rand_core::Rng::fill_bytes(&mut rng(seed), &mut bytes);
        bytes[0] = kind;
        bytes
    });
    prop_oneof![noise, shaped]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// With and without a right mac, to a machine in the middle of a handshake.
    #[test]
    fn no_datagram_panics(datagrams in proptest::collection::vec((datagram(), any::<bool>()), 1..12)) {
        let mut net = Net::one_way(1);
        net.hold = Box::new(|packet| packet.kind() == 0x82);
        let mut net = net.started();
        net.run_for(millis(50));
        for (mut bytes, sealed) in datagrams {
            for n in [0, 1] {
                if sealed {
                    net.nodes[n].machine.as_ref().unwrap().seal_for_us(&mut bytes);
                }
                let packet = Packet { from: address(5), to: address(n), bytes: bytes.clone() };
                net.deliver(&packet);
            }
        }
        prop_assert!(net.nodes.iter().all(|node| node.told.is_empty()));
    }
}
