//! The bootstrap of a node that tells its record, and asks for another one.
#![allow(clippy::expect_used, reason = "constant inputs")]

use std::time::Duration;

use pyralog_crypto::SigningKey;
use pyralog_p2p::tunnel::bootstrap::{Bootstrap, Limits};
pub(in crate::fuzz) use pyralog_p2p::tunnel::bootstrap::{Effect, Input};
use pyralog_p2p::{PeerRecord, SignedPeerRecord, TunnelKey};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::{Out, rosenpass};

const NETWORK: &str = "fuzz";

fn record(n: u8) -> SignedPeerRecord {
    let signer = SigningKey::from_seed([n; 32]);
    let record = PeerRecord {
        identity: signer.public_key(),
        tunnel: TunnelKey([n; 32]),
        rosenpass: None,
        sequence: 1,
        port: 26_656,
        addresses: Vec::new(),
    };
    SignedPeerRecord::sign(record, NETWORK, &signer).expect("a record within its bounds")
}

/// Node 1, which tells its record.
pub(in crate::fuzz) fn node() -> Bootstrap {
    let mut machine = Bootstrap::new(NETWORK, Limits::DEFAULTS);
    let publish = Input::Publish(Box::new(record(1)), None);
    machine.step(Duration::ZERO, &mut ChaCha20Rng::seed_from_u64(1), publish);
    machine
}

/// It wants the record of node 2.
pub(in crate::fuzz) fn seek() -> Input<'static> {
    Input::Seek(record(2).peer(), vec![rosenpass::address(2)])
}

/// Who asks gets a cookie, asks again with it, and has its answer.
pub(super) fn put(out: &mut Out) {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut asker = Bootstrap::new(NETWORK, Limits::DEFAULTS);
    let mut answerer = node();
    asker.step(Duration::ZERO, &mut rng, Input::Publish(Box::new(record(2)), None));
    let (ask, answer) = (rosenpass::address(2), rosenpass::address(1));
    let sent = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Send { bytes, .. } => Some(bytes),
            _ => None,
        })
    };
    let now = Duration::from_secs(1);
    let seek = Input::Seek(record(1).peer(), vec![answer]);
    let mut bytes = sent(asker.step(now, &mut rng, seek)).expect("it asks");
    for [question, reply] in [["ask", "cookie"], ["ask-with-cookie", "record"]] {
        out.put("bootstrap_datagram", question, bytes.clone());
        let told = sent(answerer.step(now, &mut rng, Input::Datagram { from: ask, bytes: &bytes })).expect("an answer");
        out.put("bootstrap_datagram", reply, told.clone());
        bytes = match sent(asker.step(now, &mut rng, Input::Datagram { from: answer, bytes: &told })) {
            Some(again) => again,
            None => return,
        };
    }
}
