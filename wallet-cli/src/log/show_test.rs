use super::super::testkit::stored;
use super::super::wire::StoredHeader;
use super::*;

fn record(key: Option<&[u8]>, value: &[u8], headers: &[(&str, &[u8])]) -> StoredRecord {
    let header = |(name, value): &(&str, &[u8])| StoredHeader { name: (*name).to_owned(), value: value.to_vec() };
    let headers = headers.iter().map(header).collect();
    StoredRecord { key: key.map(<[u8]>::to_vec), value: value.to_vec(), headers, ..stored(0) }
}

/// A line without our styles.
fn plain(record: &StoredRecord) -> String {
    line(Some(2), record).replace(&format!("{DIM}"), "").replace(&format!("{DIM:#}"), "")
}

#[test]
fn a_line_has_offset_time_key_headers_and_value() {
    let full = record(Some(b"k"), "grün".as_bytes(), &[("b", b"2"), ("a", b"\xff"), ("b", b"")]);
    assert_eq!(plain(&full), "2/0  2024-11-27T09:33:20.000Z  k  [b=2 a=0xff b=]  grün");
    assert_eq!(plain(&record(None, b"", &[])), "2/0  2024-11-27T09:33:20.000Z  -  ");
    assert!(line(None, &stored(7)).starts_with("7  "));
}

#[test]
fn nothing_in_a_record_steers_a_terminal() {
    for (bytes, shown) in [
        (b"a\nb\tc\r".as_slice(), "a\\nb\\tc\\r"),
        (b"\x1b[2Jgone", "0x1b5b324a676f6e65"),
        ("\u{9b}2J".as_bytes(), "0xc29b324a"),
        ("\u{202e}x".as_bytes(), "0xe280ae78"),
        (b"\x00", "0x00"),
        (b"\xc3\x28", "0xc328"),
        ("naïve 文書".as_bytes(), "naïve 文書"),
    ] {
        assert_eq!(text(bytes), shown);
        let hostile = record(Some(bytes), bytes, &[("n\u{1b}[1m\n", bytes)]);
        let line = plain(&hostile);
        assert!(!line.chars().any(steers), "{line:?}");
        assert!(line.contains(&format!("[n\\u{{1b}}[1m\\n={shown}]")), "{line}");
    }
}

#[test]
fn values_are_the_bytes_and_a_line_feed() {
    assert_eq!(
        values(&[record(None, b"\x1b\n", &[]), record(None, b"", &[]), record(None, b"x", &[])]),
        b"\x1b\n\n\nx\n"
    );
}

#[test]
fn the_document_holds_exact_bytes_and_text_where_there_is_one() {
    let document = document(3, &record(Some(b"\xff"), b"a\x1b", &[("h", b"v")]));
    let expected = json!({
        "partition": 3, "offset": "0", "timestamp": "1732700000000", "time": "2024-11-27T09:33:20.000Z",
        "key": "ff", "value": "611b", "value_text": "a\u{1b}", "headers": [{ "name": "h", "value": "76" }],
    });
    assert_eq!(document, expected);
    assert!(!document_line(&document).unwrap().trim_end().contains(char::is_control));
}
