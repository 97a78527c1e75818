#![allow(clippy::unwrap_used)]
use std::fs;
use std::os::unix::fs::PermissionsExt;

use pyralog_crypto::KdfParams;
use pyralog_crypto::kem::STATIC_PUBLIC_KEY_BYTES;
use pyralog_p2p::TunnelKey;

use super::*;
use crate::cli::args::JsonArgs;
use crate::keys::NodeKeys;

fn home(dir: &Path, settings: &str) -> Home {
    let home = Home::new(&dir.join("home"));
    home.create().unwrap();
    fs::write(home.root().join("password"), "right\n").unwrap();
    fs::write(home.config(), format!("[keys]\npassword_file = \"password\"\n[tunnel]\n{settings}\n")).unwrap();
    NodeKeys::generate().unwrap().save(&home, b"right", KdfParams::CHEAPEST).unwrap();
    home
}

fn export_args(out: Option<&Path>) -> ExportArgs {
    ExportArgs {
        home: crate::cli::args::HomeArgs { home: None },
        json: JsonArgs { json: false },
        endpoint: "192.0.2.1:51820".parse().unwrap(),
        peer_key: Some(TunnelKey([3; 32])),
        out: out.map(Path::to_owned),
    }
}

fn import_args(name: &str, rosenpass_key: Option<&Path>) -> ImportArgs {
    ImportArgs {
        home: crate::cli::args::HomeArgs { home: None },
        json: JsonArgs { json: true },
        name: name.into(),
        wireguard_key: TunnelKey([3; 32]),
        rosenpass_key: rosenpass_key.map(Path::to_owned),
        endpoint: None,
        rosenpass_endpoint: Some("[::1]:9999".parse().unwrap()),
    }
}

#[test]
fn three_files_are_written_for_the_other_machine_and_its_keys_are_taken_in() {
    let dir = tempfile::tempdir().unwrap();
    let home = home(dir.path(), "mode = \"tun\"");
    let there = dir.path().join("there");
    export(&home, &export_args(Some(&there)), Flags::new()).unwrap();
    let wireguard = fs::read_to_string(there.join(WIREGUARD_FILE)).unwrap();
    assert!(wireguard.contains(&format!("Address = {}/128", TunnelKey([3; 32]).overlay())), "{wireguard}");
    let rosenpass: toml::Table = toml::from_str(&fs::read_to_string(there.join(ROSENPASS_FILE)).unwrap()).unwrap();
    let key = there.join(rosenpass["peers"][0]["public_key"].as_str().unwrap());
    assert_eq!(fs::read(&key).unwrap().len(), STATIC_PUBLIC_KEY_BYTES);
    let mode = fs::metadata(there.join(WIREGUARD_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "for the secret key that comes into it");

    let refusal = |args: ImportArgs| import(&home, &args, Flags::new()).unwrap_err().to_string();
    assert!(refusal(import_args("laptop", None)).contains("--rosenpass-key"));
    assert!(refusal(import_args("laptop", Some(&key))).contains("own key"));
    let theirs = dir.path().join("theirs");
    fs::write(&theirs, vec![7; STATIC_PUBLIC_KEY_BYTES + 1]).unwrap();
    assert!(refusal(import_args("laptop", Some(&theirs))).contains("524161 bytes"));
    fs::write(&theirs, vec![7; STATIC_PUBLIC_KEY_BYTES]).unwrap();
    import(&home, &import_args("laptop", Some(&theirs)), Flags::new()).unwrap();
    let [peer] = PeerFiles::new(&home).load().unwrap().try_into().unwrap();
    assert_eq!((peer.name.as_str(), peer.key), ("laptop", TunnelKey([3; 32])));
    assert!(peer.rosenpass.is_some() && peer.rosenpass_endpoint.is_some());
}

#[test]
fn without_post_quantum_keys_there_is_one_file_and_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let home = home(dir.path(), "post_quantum = \"off\"");
    let there = dir.path().join("there");
    export(&home, &export_args(Some(&there)), Flags::new()).unwrap();
    assert!(there.join(WIREGUARD_FILE).exists() && fs::read_dir(&there).unwrap().count() == 1);
    import(&home, &import_args("laptop", None), Flags::new()).unwrap();
    assert!(PeerFiles::new(&home).load().unwrap()[0].rosenpass.is_none());
}

#[test]
fn a_home_without_a_node_or_without_tunnels_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let none = Home::new(&dir.path().join("none"));
    let refusal = export(&none, &export_args(None), Flags::new()).unwrap_err().to_string();
    assert!(refusal.contains("pyralogd init"), "{refusal}");
    let off = home(dir.path(), "mode = \"off\"");
    let refusal = import(&off, &import_args("laptop", None), Flags::new()).unwrap_err().to_string();
    assert!(refusal.contains("tunnel.mode = \"tun\""), "{refusal}");
}
