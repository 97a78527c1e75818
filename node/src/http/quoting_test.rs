#![allow(clippy::unwrap_used)]

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

fn encoded(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Targets::default().encode(input, &mut out);
    out
}

const GET: &[u8] = b"GET /tx_search?query=\"tx.height>4\" HTTP/1.1\r\nHost: \"a<b>\"\r\n\r\n";
const ENCODED: &[u8] = b"GET /tx_search?query=%22tx.height%3E4%22 HTTP/1.1\r\nHost: \"a<b>\"\r\n\r\n";

#[test]
fn targets_of_every_get_of_a_connection_are_encoded_and_nothing_else() {
    assert_eq!(encoded(GET), ENCODED);
    assert_eq!(encoded(&[GET, b"\r\n", GET].concat()), [ENCODED, b"\r\n", ENCODED].concat());
    let lines = b"GET /a?\"<> HTTP/1.1\nA: \"\n\nGET /\" HTTP/1.1\n\n";
    assert_eq!(encoded(lines), b"GET /a?%22%3C%3E HTTP/1.1\nA: \"\n\nGET /%22 HTTP/1.1\n\n");
}

#[test]
fn bodies_sockets_and_other_methods_stay_as_they_are() {
    let get = |header: &str| [format!("GET /\" HTTP/1.1\r\n{header}\r\n\r\n").as_bytes(), GET].concat();
    for header in ["Content-Length: 70", "transfer-encoding: chunked", "UPGRADE: websocket"] {
        let expected = String::from_utf8(get(header)).unwrap().replacen("/\"", "/%22", 1);
        assert_eq!(encoded(&get(header)), expected.into_bytes(), "{header}");
    }
    for other in
        [&b"POST /\"<> HTTP/1.1\r\n\r\n"[..], b"GETS /\" HTTP/1.1\r\n\r\n", b"G /\" ", b"\"\"\"\"\"\"", b"", b"GET"]
    {
        let stream = [other, GET].concat();
        if other != b"GET" && !other.is_empty() {
            assert_eq!(encoded(&stream), stream, "{}", String::from_utf8_lossy(other));
        }
    }
}

#[tokio::test]
async fn it_does_not_matter_how_the_bytes_arrive() {
    let input = [GET, GET, b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n\"<>"].concat();
    let expected = [ENCODED, ENCODED, b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n\"<>"].concat();
    for size in 1..input.len() {
        let mut targets = Targets::default();
        let mut out = Vec::new();
        input.chunks(size).for_each(|chunk| targets.encode(chunk, &mut out));
        assert_eq!(out, expected, "in chunks of {size}");
    }
    for size in [1, 7, 4096] {
        let (mut client, inner) = duplex(size);
        let mut stream = QuotingStream { inner, targets: Targets::default(), ready: Vec::new(), taken: 0 };
        let sent = input.clone();
        tokio::spawn(async move { client.write_all(&sent).await.unwrap() });
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, expected);
    }
}

proptest::proptest! {
    #[test]
    fn whatever_arrives_keeps_every_other_byte(input: Vec<u8>) {
        for prefix in [&b""[..], b"GET /", b"GET / HTTP/1.1\r\n"] {
            let input = [prefix, &input].concat();
            let out = encoded(&input);
            proptest::prop_assert!(out.len() <= 3 * input.len());
            let plain = |bytes: &[u8]| {
                let text: Vec<u8> = bytes.to_vec();
                let mut plain = Vec::new();
                let mut rest = &text[..];
                while let Some((&byte, tail)) = rest.split_first() {
                    let found = [(&b"%22"[..], b'"'), (b"%3C", b'<'), (b"%3E", b'>')].into_iter().find(|(code, _)| rest.starts_with(code));
                    plain.push(found.map_or(byte, |(_, byte)| byte));
                    rest = if found.is_some() { &rest[3..] } else { tail };
                }
                plain
            };
            proptest::prop_assert_eq!(plain(&out), plain(&input));
        }
    }
}
