use super::super::values::{Decimal, Within};
use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
    count: Option<Within<1, 7>>,
    number: Option<u32>,
    kind: Option<Kind>,
    limits: Option<Object<Limits>>,
    list: Option<Vec<String>>,
    on: Option<bool>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(variant_identifier, rename_all = "kebab-case")]
enum Kind {
    Disk,
    InMemory,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    bytes: Option<Decimal>,
}

fn refused(body: &str) -> String {
    let problem = read_object::<Asked>(body.as_bytes(), "send less").expect_err(body);
    assert_eq!((problem.status.as_u16(), problem.code.as_str()), (400, "bad_request"), "{body}");
    assert_eq!(problem.remedy.as_deref(), Some("send less"));
    problem.message.strip_prefix("the body is not understood: ").unwrap().to_owned()
}

#[test]
fn an_object_is_read_and_no_list_stands_for_one() {
    let body = br#"{"name": "a", "count": 7, "kind": "in-memory", "limits": {"bytes": "5"}}"#;
    let expected = Asked {
        name: "a".into(),
        count: Some(Within(7)),
        kind: Some(Kind::InMemory),
        limits: Some(Object(Limits { bytes: Some(Decimal(5)) })),
        ..Asked::default()
    };
    assert_eq!(read_object::<Asked>(body, "").unwrap(), expected);
    for (body, why) in [
        (r#"["a", 7, null, "disk", null, null, null]"#, "found a list, expected an object"),
        (r#""a""#, "found the string \"a\", expected an object"),
        ("null", "found null, expected an object"),
        (r#"{"name": "a", "limits": ["5"]}"#, "limits: found a list, expected an object"),
        (r#"{"name": "a"} {}"#, "trailing characters"),
    ] {
        assert!(refused(body).starts_with(why), "{body}: {}", refused(body));
    }
}

#[test]
fn what_is_wrong_is_said_in_words_of_json_with_its_field() {
    for (field, why) in [
        (r#""count": 0"#, "count: found 0, expected a whole number from 1 to 7 at line 1 column"),
        (r#""count": 255"#, "count: found 255, expected a whole number from 1 to 7"),
        (r#""count": 256"#, "count: found 256, expected a whole number from 1 to 7"),
        (r#""count": -1"#, "count: found -1, expected a whole number from 1 to 7"),
        (r#""count": 1.5"#, "count: found 1.5, expected a whole number from 1 to 7"),
        (r#""count": "3""#, "count: found the string \"3\", expected a whole number from 1 to 7"),
        (r#""number": 4294967296"#, "number: found 4294967296, expected a whole number from 0 to 4294967295"),
        (r#""kind": "tape""#, "kind: found \"tape\", expected `disk` or `in-memory`"),
        (r#""kind": {"disk": null}"#, "kind: found an object, expected a string"),
        (r#""kind": 5"#, "kind: found 5, expected a string"),
        (r#""limits": 5"#, "limits: found 5, expected an object"),
        (r#""limits": {"bytes": 5}"#, "limits.bytes: found 5, expected a number as a string of its decimal digits"),
        (r#""limits": {"bytes": "x"}"#, "limits.bytes: a number has decimal digits and nothing else"),
        (r#""limits": {"more": 5}"#, "limits: unknown field `more`, expected `bytes`"),
        (r#""list": {}"#, "list: found an object, expected a list"),
        (r#""list": ["a", 5]"#, "list[1]: found 5, expected a string"),
        (r#""on": [5]"#, "on: found a list, expected a boolean"),
        (r#""more": 5"#, "unknown field `more`, expected one of `name`, `count`"),
        (r#""number": 5, "number": 5"#, "duplicate field `number`"),
    ] {
        let found = refused(&format!(r#"{{"name": "a", {field}}}"#));
        assert!(found.starts_with(why), "{field}: {found}");
    }
    assert!(refused("{}").starts_with("missing field `name`"));
    assert!(refused(r#"{"name": 5}"#).starts_with("name: found 5, expected a string"));
    assert!(refused(r#"{"name": "#).contains("it ends within a value"));
    assert!(refused("").starts_with("it ends within a value"));
}

#[test]
fn what_was_sent_comes_back_in_one_line_at_most() {
    let long = "ä`, expected \\\"".repeat(100_000);
    let deep = "[".repeat(100_000);
    for body in [
        format!(r#"{{"name": "a", "kind": "{long}"}}"#),
        format!(r#"{{"name": "a", "count": "{long}"}}"#),
        format!(r#"{{"name": "a", "{long}": 5}}"#),
        format!(r#"{{"name": "a", "limits": {{"{long}": 5}}}}"#),
        format!(r#"{{"name": "a", "on": "{long}"}}"#),
        format!(r#"{{"name": {deep}"#),
        format!("\"{long}\""),
        deep,
    ] {
        let found = refused(&body);
        assert!(found.chars().count() < 300, "{found}");
    }
    let found = refused(&format!(r#"{{"name": "a", "kind": "{}"}}"#, "x".repeat(65)));
    assert!(found.contains(&format!("\"{}…\", expected", "x".repeat(64))), "{found}");
}
