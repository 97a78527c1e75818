use super::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A local network of two nodes below a directory.
fn network() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, port) in [("node0", 8080), ("node1", 8081)] {
        let data = dir.path().join(".localnet/nodes").join(name).join("data");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(data.join("endpoints.json"), format!("{{\"api\":\"http://127.0.0.1:{port}\"}}")).unwrap();
        std::fs::write(data.join("admin.token"), format!("{name}{TOKEN}\n")).unwrap();
    }
    std::fs::write(dir.path().join(".localnet/nodes/node0.log"), "not a home").unwrap();
    dir
}

fn found(url: &str, dir: &tempfile::TempDir) -> Result<String> {
    Token::find(url, None, dir.path()).map(|token| token.bearer().to_str().unwrap().to_owned())
}

#[test]
fn the_token_of_the_local_node_at_that_address_is_found() {
    let dir = network();
    assert_eq!(found("http://127.0.0.1:8080", &dir).unwrap(), format!("Bearer node0{TOKEN}"));
    assert_eq!(found("http://127.0.0.1:8081", &dir).unwrap(), format!("Bearer node1{TOKEN}"));
}

#[test]
fn no_node_gets_the_token_of_another() {
    let dir = network();
    let elsewhere = tempfile::tempdir().unwrap();
    for (url, dir) in [
        ("http://127.0.0.1:8082", &dir),
        ("http://127.0.0.2:8080", &dir),
        ("http://192.0.2.1:8080", &dir),
        ("http://localhost:8080", &dir),
        ("http://[::1]:8080", &dir),
        ("http://node.example:8080", &dir),
        ("http://127.0.0.1:8080", &elsewhere),
    ] {
        let failure = found(url, dir).unwrap_err();
        assert_eq!(failure.code(), 2, "{url}");
        let next = failure.report().next.clone().unwrap();
        assert!(next.contains("--token-file") && next.contains("HOME/data/admin.token"), "{next}");
    }
}

#[test]
fn a_file_that_is_named_wins_and_is_bounded() {
    let dir = network();
    let file = dir.path().join("token");
    let find = |content: &[u8]| {
        std::fs::write(&file, content).unwrap();
        Token::find("http://127.0.0.1:8080", Some(&file), dir.path())
    };
    assert_eq!(find(b" abc\n").unwrap().bearer(), "Bearer abc");
    for bad in [b"".to_vec(), b"\n".to_vec(), b"a b".to_vec(), vec![0xff; 9], b"a\x1b".to_vec(), vec![b'a'; 257]] {
        let failure = find(&bad).unwrap_err();
        assert_eq!(failure.code(), 1);
        assert!(failure.to_string().contains("token"), "{failure}");
        assert!(failure.report().next.as_ref().unwrap().contains("--token-file"));
    }
    let missing = Token::find("http://127.0.0.1:8080", Some(Path::new("/no/such/file")), dir.path()).unwrap_err();
    assert!(missing.to_string().contains("/no/such/file"), "{missing}");
}

#[test]
fn a_new_token_is_taken_from_the_file_and_none_is_ever_shown() {
    let dir = network();
    let token = Token::find("http://127.0.0.1:8080", None, dir.path()).unwrap();
    let used = token.bearer();
    assert!(!token.renew(&used), "the same as before");
    std::fs::write(token.file(), "another\n").unwrap();
    assert!(token.renew(&used));
    assert_eq!(token.bearer(), "Bearer another");
    let shown = format!("{token:?}");
    assert!(!shown.contains("another") && shown.contains("admin.token"), "{shown}");
    std::fs::remove_file(token.file()).unwrap();
    assert!(!token.renew(&used), "without the file the old one stays");
    assert_eq!(token.bearer(), "Bearer another");
}
