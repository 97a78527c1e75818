//! What a machine with stock WireGuard and Rosenpass needs to reach this node.

use pyralog_p2p::{INNER_MTU, TunnelKey};

use super::HostPort;
use super::keys::OwnKeys;

/// The name of the interface on the other machine, which `wg-quick` takes from that of its file.
const INTERFACE: &str = "pyralog";
/// Seconds between keepalives, so that a NAT before the other machine keeps its port.
const KEEPALIVE: u16 = 25;

/// File of the other machine for `wg-quick`.
pub const WIREGUARD_FILE: &str = "pyralog.conf";
/// File of the other machine for `rosenpass exchange-config`.
pub const ROSENPASS_FILE: &str = "rosenpass.toml";
/// Our Rosenpass public key, beside it.
pub const ROSENPASS_KEY_FILE: &str = "pyralog.rosenpass-key";

/// The other machine's side of a tunnel.
#[derive(Debug)]
pub struct Export<'a> {
    /// Our public keys.
    pub own: &'a OwnKeys,
    /// Where the other machine reaches our UDP socket.
    pub endpoint: &'a HostPort,
    /// Its WireGuard public key, where it is known.
    pub peer: Option<TunnelKey>,
}

impl Export<'_> {
    /// [`WIREGUARD_FILE`]. Without a preshared key nothing passes; Rosenpass sets it.
    pub fn wireguard(&self) -> String {
        let address = match self.peer {
            Some(key) => format!("{}/128", key.overlay()),
            None => "ADDRESS-THAT-IMPORT-PEER-PRINTS/128".to_owned(),
        };
        let (key, overlay) = (self.own.wireguard, self.own.wireguard.overlay());
        format!(
            "# /etc/wireguard/{WIREGUARD_FILE} on the other machine, mode 0600; then: wg-quick up {INTERFACE}\n\
             [Interface]\n\
             # What `wg genkey` printed there; its public key, `wg pubkey`, goes to `pyralogd tunnel import-peer` here.\n\
             PrivateKey = SECRET-KEY-OF-THE-OTHER-MACHINE\n\
             # Follows from that key; no other address passes.\n\
             Address = {address}\n\
             MTU = {INNER_MTU}\n\
             \n\
             [Peer]\n\
             PublicKey = {key}\n\
             AllowedIPs = {overlay}/128\n\
             Endpoint = {}\n\
             PersistentKeepalive = {KEEPALIVE}\n",
            self.endpoint
        )
    }

    /// [`ROSENPASS_FILE`] for Rosenpass 0.2.x; `None` where this node does without post-quantum keys. It is a file, since the command line of these versions
    /// cannot say all of it.
    pub fn rosenpass(&self) -> Option<String> {
        self.own.rosenpass.as_ref()?;
        Some(format!(
            "# In a directory of the other machine with {ROSENPASS_KEY_FILE} and the pair of its own that\n\
             # `rosenpass gen-keys --public-key own.rosenpass-key --secret-key own.rosenpass-secret` makes;\n\
             # after wg-quick, in that directory, as root: rosenpass exchange-config {ROSENPASS_FILE}\n\
             public_key = \"own.rosenpass-key\"\n\
             secret_key = \"own.rosenpass-secret\"\n\
             # Any free port. A fixed one, such as [\"[::]:9999\"], lets this node begin: see import-peer --rosenpass-endpoint.\n\
             listen = []\n\
             verbosity = \"Quiet\"\n\
             \n\
             [[peers]]\n\
             public_key = \"{ROSENPASS_KEY_FILE}\"\n\
             endpoint = \"{}\"\n\
             device = \"{INTERFACE}\"\n\
             peer = \"{}\"\n",
            self.endpoint, self.own.wireguard
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pyralog_crypto::kem::{STATIC_PUBLIC_KEY_BYTES, StaticPublicKey};

    use super::*;

    fn own(rosenpass: bool) -> OwnKeys {
        let key = StaticPublicKey::from_bytes(vec![7; STATIC_PUBLIC_KEY_BYTES]).unwrap();
        OwnKeys { wireguard: TunnelKey([1; 32]), rosenpass: rosenpass.then_some(key) }
    }

    #[test]
    fn the_files_name_our_keys_our_address_and_theirs() {
        let (own, endpoint) = (own(true), "[2001:db8::1]:51820".parse().unwrap());
        let peer = TunnelKey([2; 32]);
        let export = Export { own: &own, endpoint: &endpoint, peer: Some(peer) };
        let text = export.wireguard();
        for line in [
            format!("Address = {}/128", peer.overlay()),
            format!("PublicKey = {}", own.wireguard),
            format!("AllowedIPs = {}/128", own.wireguard.overlay()),
            "Endpoint = [2001:db8::1]:51820".to_owned(),
            "MTU = 1280".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
        let unknown = Export { peer: None, ..export };
        assert!(unknown.wireguard().contains("ADDRESS-THAT-IMPORT-PEER-PRINTS"));
    }

    #[test]
    fn rosenpass_reads_what_is_written_for_it() {
        let (with, without) = (own(true), own(false));
        let endpoint = "node.example:51820".parse().unwrap();
        let text = Export { own: &with, endpoint: &endpoint, peer: None }.rosenpass().unwrap();
        let table: toml::Table = toml::from_str(&text).unwrap();
        assert!(table["public_key"].is_str() && table["secret_key"].is_str() && table["listen"].is_array());
        assert_eq!(table["verbosity"].as_str(), Some("Quiet"));
        let peer = &table["peers"][0];
        assert_eq!(peer["endpoint"].as_str(), Some("node.example:51820"));
        assert_eq!(peer["peer"].as_str(), Some(with.wireguard.to_string().as_str()));
        assert_eq!(peer["device"].as_str(), Some("pyralog"));
        assert_eq!(Export { own: &without, endpoint: &endpoint, peer: None }.rosenpass(), None);
    }
}
