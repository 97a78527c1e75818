use serde::{Deserialize, Serialize};
use tendermint::Time;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    #[serde(with = "super::decimal")]
    n: u64,
    #[serde(with = "super::decimal")]
    small: u32,
    #[serde(with = "super::rfc3339")]
    time: Time,
    #[serde(with = "super::octets")]
    address: [u8; 4],
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::present")]
    note: Option<String>,
}

const GOOD: &str = r#"{"n":"18446744073709551615","small":"7","time":"2026-01-02T03:04:05.6Z","address":"00ff10a0"}"#;

fn parse(json: &str) -> Result<Sample, serde_json::Error> {
    serde_json::from_str(json)
}

#[test]
fn one_spelling_in_json() {
    let sample = parse(GOOD).unwrap();
    assert_eq!(sample.n, u64::MAX);
    assert_eq!(serde_json::to_string(&sample).unwrap(), GOOD);
    let bad = [
        ("\"7\"", "7"),
        ("\"7\"", "\"07\""),
        ("\"7\"", "\"+7\""),
        ("\"7\"", "\"\""),
        ("\"7\"", "\"7 \""),
        ("\"7\"", "\"٧\""),
        ("\"7\"", "\"4294967296\""),
        ("18446744073709551615", "18446744073709551616"),
        ("18446744073709551615", "99999999999999999999999"),
        ("05.6Z", "05.60Z"),
        ("05.6Z", "05.6+00:00"),
        ("05.6Z", "05.6z"),
        ("T03", "t03"),
        ("T03", " 03"),
        ("00ff10a0", "00FF10a0"),
        ("00ff10a0", "00ff10a"),
        ("00ff10a0", "00ff10a0a0"),
        ("00ff10a0", "00ff10ag"),
        ("00ff10a0", "éfff10a"),
    ];
    for (from, to) in bad {
        let json = GOOD.replace(from, to);
        assert_ne!(json, GOOD);
        assert!(parse(&json).is_err(), "{json}");
    }
}

#[test]
fn optional_means_absent_not_null() {
    assert!(parse(&GOOD.replace('}', r#","note":null}"#)).is_err());
    assert_eq!(parse(&GOOD.replace('}', r#","note":"x"}"#)).unwrap().note.as_deref(), Some("x"));
}

#[test]
fn unknown_and_duplicate_keys_are_refused() {
    assert!(parse(&GOOD.replace('}', r#","more":1}"#)).is_err());
    assert!(parse(&GOOD.replace('}', r#","small":"7"}"#)).is_err());
}

#[test]
fn bytes_and_integers_in_cbor() {
    let sample = parse(GOOD).unwrap();
    let mut bytes = Vec::new();
    ciborium::into_writer(&sample, &mut bytes).unwrap();
    assert!(bytes.windows(5).any(|w| w == [0x44, 0x00, 0xff, 0x10, 0xa0]));
    assert!(bytes.windows(9).any(|w| w == [0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
    let back: Sample = ciborium::from_reader(bytes.as_slice()).unwrap();
    assert_eq!(back, sample);
}

#[test]
fn a_hostile_string_is_quoted_shortly() {
    let error = parse(&GOOD.replace("\"7\"", &format!("\"{}\"", "é".repeat(5000)))).unwrap_err().to_string();
    assert!(error.len() < 200, "{error}");
}
