//! Tunnels: what strangers send to the UDP port.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use pyralog_p2p::tunnel::bootstrap::{Bootstrap, check_datagram as check_bootstrap};
use pyralog_p2p::tunnel::rosenpass::{Effect, Input, MAX_DATAGRAM_BYTES, Rosenpass, check_datagram};
use pyralog_p2p::{MAX_OBFUSCATION_TEXT, Obfuscation, check_obfuscated_datagram};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::fuzz::seeds::{bootstrap, rosenpass};

/// A machine in the middle of a handshake, its clock, and its randomness. Datagrams change it, within the bounds that it promises.
struct Target {
    machine: Rosenpass,
    now: Duration,
    rng: ChaCha20Rng,
}

static TARGET: LazyLock<Mutex<Target>> = LazyLock::new(|| {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let now = Duration::from_secs(1);
    let mut machine = rosenpass::node(1);
    machine.step(now, &mut rng, rosenpass::peer(2, true));
    Mutex::new(Target { machine, now, rng })
});

/// A Rosenpass datagram as it came, and once more with the mac that everybody can make.
pub fn rosenpass_datagram(bytes: &[u8]) -> bool {
    let accepted = check_datagram(bytes).is_ok();
    if bytes.len() > MAX_DATAGRAM_BYTES {
        assert!(!accepted);
        return false;
    }
    let mut sealed = bytes.to_vec();
    let mut target = TARGET.lock().unwrap_or_else(PoisonError::into_inner);
    target.machine.seal_for_us(&mut sealed);
    for bytes in [bytes, &sealed] {
        let Target { machine, now, rng } = &mut *target;
        *now += Duration::from_millis(1);
        let input = Input::Datagram { from: rosenpass::address(9), bytes };
        for effect in machine.step(*now, rng, input) {
            match effect {
                Effect::Send { bytes, .. } => assert!(check_datagram(&bytes).is_ok(), "it sends what nobody reads"),
                Effect::NewKey { .. } => unreachable!("a key that nobody has the other half of"),
                _ => {}
            }
        }
    }
    accepted
}

/// A machine of the bootstrap that tells its record and seeks another one.
static BOOTSTRAP: LazyLock<Mutex<(Bootstrap, Duration, ChaCha20Rng)>> = LazyLock::new(|| {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut machine = bootstrap::node();
    machine.step(Duration::ZERO, &mut rng, bootstrap::seek());
    Mutex::new((machine, Duration::ZERO, rng))
});

/// A datagram of the bootstrap: it has one encoding, and what is answered is no longer than it.
pub fn bootstrap_datagram(bytes: &[u8]) -> bool {
    let accepted = check_bootstrap(bytes).is_ok();
    let (machine, now, rng) = &mut *BOOTSTRAP.lock().unwrap_or_else(PoisonError::into_inner);
    *now += Duration::from_millis(1);
    let from = rosenpass::address(9);
    for effect in machine.step(*now, rng, bootstrap::Input::Datagram { from, bytes }) {
        if let bootstrap::Effect::Send { to, bytes: sent } = effect {
            assert!(check_bootstrap(&sent).is_ok(), "it sends what nobody reads");
            assert!(to != from || sent.len() <= bytes.len(), "its answer is longer than the question");
        }
    }
    accepted
}

/// Parameters of a network with an obfuscation: short paddings, and a header for each datagram, so that mutants get far.
pub const OBFUSCATION: &str =
    "S1 = 4\nS2 = 5\nS3 = 6\nS4 = 7\nH1 = 100\nH2 = 1000-2000\nH3 = 3000\nH4 = 4000-4000000000\n";

static PARAMETERS: LazyLock<Option<Obfuscation>> = LazyLock::new(|| Obfuscation::parse(OBFUSCATION).ok());

/// A datagram as it is on the wire where there is an obfuscation.
pub fn obfuscated_datagram(bytes: &[u8]) -> bool {
    PARAMETERS.as_ref().is_some_and(|parameters| check_obfuscated_datagram(parameters, bytes))
}

/// The operator's file. What is taken works.
pub fn obfuscation_file(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(parameters) = Obfuscation::parse(text) else { return false };
    assert!(bytes.len() <= MAX_OBFUSCATION_TEXT);
    let mut keepalive = [0; 32];
    keepalive[0] = 4;
    let wire = pyralog_p2p::obfuscated_datagram(&parameters, &keepalive);
    assert!(check_obfuscated_datagram(&parameters, &wire), "its own datagram is not understood");
    true
}
