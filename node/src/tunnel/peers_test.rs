#![allow(clippy::unwrap_used)]
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

fn key(byte: u8) -> StaticPublicKey {
    StaticPublicKey::from_bytes(vec![byte; STATIC_PUBLIC_KEY_BYTES]).unwrap()
}

fn own() -> OwnKeys {
    OwnKeys { wireguard: TunnelKey([1; 32]), rosenpass: Some(key(1)) }
}

fn peer(name: &str, byte: u8) -> ImportedPeer {
    ImportedPeer {
        name: name.into(),
        key: TunnelKey([byte; 32]),
        rosenpass: Some(key(byte)),
        endpoint: Some("[2001:db8::1]:51820".parse().unwrap()),
        rosenpass_endpoint: None,
    }
}

fn files() -> (TempDir, PeerFiles) {
    let dir = tempfile::tempdir().unwrap();
    let files = PeerFiles::new(&Home::new(dir.path()));
    (dir, files)
}

#[test]
fn peers_are_kept_for_their_owner_alone_and_come_back_by_name() {
    let (_dir, files) = files();
    assert_eq!(files.load().unwrap(), []);
    let (one, other) = (peer("laptop-2", 2), ImportedPeer { rosenpass: None, ..peer("desk", 3) });
    files.add(&one, &own()).unwrap();
    files.add(&other, &own()).unwrap();
    // What a write that was broken off leaves.
    fs::write(files.dir.join(".x.toml.7.tmp"), b"half").unwrap();
    fs::write(files.dir.join(".x.toml"), b"half").unwrap();
    assert_eq!(files.load().unwrap(), [other, one]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&files.dir), 0o700);
    for path in [files.file("laptop-2"), files.key_file("laptop-2"), files.file("desk")] {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert!(!files.key_file("desk").exists());
}

#[test]
fn names_and_keys_that_are_taken_or_none_are_refused() {
    let (_dir, files) = files();
    files.add(&peer("laptop", 2), &own()).unwrap();
    let refusal = |peer: &ImportedPeer| files.add(peer, &own()).unwrap_err().to_string();
    assert!(refusal(&peer("laptop", 3)).contains("--name: there is a peer laptop"));
    let same = refusal(&ImportedPeer { key: TunnelKey([2; 32]), ..peer("b", 3) });
    assert!(same.contains("--wireguard-key") && same.contains("laptop") && same.contains("remove"), "{same}");
    assert!(refusal(&ImportedPeer { rosenpass: Some(key(2)), ..peer("b", 3) }).contains("--rosenpass-key"));
    assert!(refusal(&ImportedPeer { key: TunnelKey([1; 32]), ..peer("b", 3) }).contains("own key"));
    assert!(refusal(&ImportedPeer { rosenpass: Some(key(1)), ..peer("b", 3) }).contains("own key"));
    assert!(refusal(&peer("b", 0)).contains("zeros"));
    for name in ["", "A", "a b", "../a", "a.b", "-a", "é", &"a".repeat(33)] {
        assert!(refusal(&peer(name, 3)).contains("small letters"), "{name}");
    }
    assert_eq!(files.load().unwrap().len(), 1);
}

#[test]
fn a_file_that_is_damaged_is_named_with_the_remedy() {
    for damage in ["", "wireguard_key = \"x\"", "wireguard_key = 7", "surprise = 1", "\u{1}"] {
        let (_dir, files) = files();
        files.add(&peer("laptop", 2), &own()).unwrap();
        fs::write(files.file("laptop"), damage).unwrap();
        let refusal = files.load().unwrap_err().to_string();
        assert!(refusal.contains("laptop.toml") && refusal.contains("import-peer"), "{refusal}");
        // No other one is added meanwhile: it could have the same keys.
        files.add(&peer("desk", 3), &own()).unwrap_err();
    }
    let (_dir, files) = files();
    files.add(&peer("laptop", 2), &own()).unwrap();
    let text = fs::read_to_string(files.file("laptop")).unwrap();
    fs::write(files.file("laptop"), format!("{text}rosenpass_endpoint = \"nowhere\"\n")).unwrap();
    assert!(files.load().unwrap_err().to_string().contains("HOST:PORT"));
    fs::write(files.file("laptop"), text).unwrap();
    fs::write(files.key_file("laptop"), b"short").unwrap();
    let refusal = files.load().unwrap_err().to_string();
    assert!(refusal.contains("has 5 bytes") && refusal.contains("524160") && refusal.contains("gen-keys"), "{refusal}");
}

#[test]
fn there_is_room_for_so_many() {
    let (_dir, files) = files();
    make_dir(&files.dir, 0o700).unwrap();
    for number in 0..MAX_PEERS {
        let mut bytes = [9; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        fs::write(files.file(&format!("p{number}")), format!("wireguard_key = \"{}\"\n", TunnelKey(bytes))).unwrap();
    }
    assert!(files.add(&peer("laptop", 2), &own()).unwrap_err().to_string().contains("limit"));
    fs::write(files.file("more"), "").unwrap();
    assert!(files.load().unwrap_err().to_string().contains("more than 256"));
}

#[tokio::test]
async fn a_host_that_is_nowhere_leaves_the_first_word_to_the_peer() {
    let lost = Some("nowhere.invalid:7".parse().unwrap());
    let named =
        ImportedPeer { endpoint: lost, rosenpass_endpoint: Some("192.0.2.7:9".parse().unwrap()), ..peer("laptop", 2) };
    let stock = named.located(false).await;
    assert_eq!((stock.endpoint, stock.rosenpass_endpoint), (None, Some("192.0.2.7:9".parse().unwrap())));
    assert_eq!((stock.name.as_str(), stock.key), ("laptop", TunnelKey([2; 32])));
}
