use proptest::prelude::*;

use super::*;

#[test]
fn leaves_are_strict_hex() {
    assert_eq!(parse_leaves(br#"{"leaves":["00ff","01"]}"#, 2).unwrap(), vec![vec![0, 255], vec![1]]);
    for (body, part) in [
        (&br#"{"leaves":["00","01","02"]}"#[..], "at most 2"),
        (br#"{"leaves":["0"]}"#, "leaf 0 is not hex"),
        (br#"{"leaves":["00","0g"]}"#, "leaf 1 is not hex"),
        (br#"{"leaves":["0A"]}"#, "upper-case"),
        (br#"{"leaves":["00"],"more":1}"#, "not understood"),
        (br#"{"leaves":"00"}"#, "not understood"),
        (br#"["00"]"#, "not understood"),
        (br#"{"leaves":[0]}"#, "not understood"),
        (br#"{"leaves":["00"],"leaves":["01"]}"#, "duplicate field"),
        (br#"{}"#, "missing field"),
        (br#"{"leaves":["00"]} more"#, "not understood"),
        (br#"{"leaves":["0A","01","02"]}"#, "3 leaves in one submission"),
        (br#"{"leaves":["0A","01"}"#, "not understood"),
        (b"", "not understood"),
    ] {
        let problem = parse_leaves(body, 2).unwrap_err();
        assert_eq!(problem.status, 400);
        assert!(problem.message.contains(part), "{}", problem.message);
    }
}

#[test]
fn escapes_are_text_like_any_other() {
    assert_eq!(parse_leaves(br#" {"leaves":["\u0030\u0066", ""]} "#, 2).unwrap(), vec![vec![15], vec![]]);
    assert!(parse_leaves(br#"{"leaves":["\u0041a"]}"#, 2).unwrap_err().message.contains("leaf 0 has upper-case"));
}

proptest! {
    #[test]
    fn random_bodies_never_panic(body in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = parse_leaves(&body, 10);
    }

    #[test]
    fn what_is_written_is_read(leaves in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..10)) {
        let texts: Vec<String> = leaves.iter().map(hex::encode).collect();
        let body = serde_json::json!({"leaves": texts}).to_string();
        prop_assert_eq!(parse_leaves(body.as_bytes(), 10).unwrap(), leaves);
    }
}
