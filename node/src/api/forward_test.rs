use super::*;

fn question(kind: Kind, uri: &str, body: &'static [u8]) -> Question {
    Question { kind, uri: uri.parse().unwrap(), body: Bytes::from_static(body) }
}

fn with(at: usize, byte: u8, bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    bytes[at] = byte;
    bytes.into()
}

#[test]
fn a_question_arrives_as_it_was_and_one_of_another_form_or_kind_does_not() {
    for asked in [
        question(Kind::Records, "/v1/cluster/logs/orders/records?from=3", b"\0\0\0\0\0\0\0\x07"),
        question(Kind::Receipt, "/v1/notary/receipts/7?wait_ms=0", b""),
        question(Kind::Leaves, "/v1/notary/leaves?promise=range", b"{\"leaves\":[\"00\"]}"),
    ] {
        let bytes = asked.to_bytes().unwrap();
        assert_eq!(Question::of(bytes.clone()), Some(asked));
        // The third byte is the length's upper one: more than there is.
        for (at, byte) in [(0, 0), (0, 2), (1, 0), (1, 6), (2, 0x10), (4, 0xff)] {
            assert_eq!(Question::of(with(at, byte, &bytes)), None, "{at} {byte}");
        }
    }
    // Of an earlier build: where a read ends, and its path.
    let earlier = [&7_u64.to_be_bytes()[..], b"/v1/cluster/logs/orders/records"].concat();
    for none in [&b""[..], b"\x01\x01\0", &earlier] {
        assert_eq!(Question::of(Bytes::copy_from_slice(none)), None, "{none:?}");
    }
}

#[test]
fn a_question_that_is_too_long_is_not_sent() {
    let path = |length: usize| question(Kind::Receipt, &format!("/{}", "x".repeat(length - 1)), b"");
    assert!(path(MAX_URI).fits() && path(MAX_URI).to_bytes().is_some());
    assert!(!path(MAX_URI + 1).fits() && path(MAX_URI + 1).to_bytes().is_none());
    let leaves = |length| Question { body: vec![b' '; length].into(), ..question(Kind::Leaves, "/v", b"") };
    assert_eq!(leaves(MAX_TOLD_BYTES - QUESTION_HEAD - 2).to_bytes().unwrap().len(), MAX_TOLD_BYTES);
    assert!(leaves(MAX_TOLD_BYTES - QUESTION_HEAD - 1).to_bytes().is_none());
}

#[tokio::test]
async fn an_answer_comes_back_as_it_was() {
    let busy = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too much").retry_after(7).into_response();
    for last in [true, false] {
        let told = Answer { last, response: busy() }.into_bytes().await;
        let answer = Answer::of(Kind::Leaves, told).unwrap();
        assert_eq!((answer.last, answer.response.status().as_u16()), (last, 503));
        assert_eq!(answer.response.headers()["retry-after"], "7");
        assert_eq!(answer.response.headers()["content-type"], "application/json");
        let expected = to_bytes(busy().into_body(), 999).await.unwrap();
        assert_eq!(to_bytes(answer.response.into_body(), 999).await.unwrap(), expected);
    }
    let told = Answer::last(raw_json(StatusCode::OK, "{}")).into_bytes().await;
    let answer = Answer::of(Kind::Receipt, told.clone()).unwrap();
    assert!(!answer.response.headers().contains_key("retry-after"));
    for (at, byte) in [(0, 0), (0, 2), (1, 2), (2, 3), (2, 0xff)] {
        assert!(Answer::of(Kind::Receipt, with(at, byte, &told)).is_none(), "{at} {byte}");
    }
    for none in [&b""[..], b"\x01", b"\x01\x01\0\xc8\0"] {
        assert!(Answer::of(Kind::Records, Bytes::from_static(none)).is_none(), "{none:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_says_what_to_do() {
    let large = raw_json(StatusCode::OK, vec![b' '; MAX_TOLD_BYTES]);
    let told = Answer::first(large).into_bytes().await;
    for (kind, part) in [(Kind::Records, "ask for fewer records"), (Kind::Receipt, "ask that member")] {
        let answer = Answer::of(kind, told.clone()).unwrap();
        assert_eq!((answer.last, answer.response.status().as_u16()), (true, 413));
        let body = to_bytes(answer.response.into_body(), 999).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains(part), "{body:?}");
    }
}
