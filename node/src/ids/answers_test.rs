use serde_json::json;

use super::*;

/// An id of node 7 with this sequence number.
fn id(sequence: u64) -> Scarab {
    Scarab::from(1_000 << 23 | 7 << 13 | sequence)
}

fn answer(node: u16, first: &str, count: &str) -> IdsAnswer {
    IdsAnswer { node, ids: Span { first: first.into(), count: count.into() } }
}

#[test]
fn an_answer_names_a_range_and_who_reads_it_has_the_same_ids() {
    let range = ScarabRange::new(id(8_000), 20_000).unwrap();
    let answer = IdsAnswer::of(range.clone()).unwrap();
    let text = json!({"node": 7, "ids": {"first": id(8_000).to_string(), "count": "20000"}});
    assert_eq!(serde_json::to_value(&answer).unwrap(), text);
    let read: IdsAnswer = serde_json::from_value(text).unwrap();
    let (node, ids) = read.range(20_000).unwrap();
    assert_eq!((node.number(), &ids), (7, &range));
}

#[test]
fn the_documented_rule_expands_a_range() {
    let ids: Vec<u64> = ScarabRange::new(id(8_000), 20_000).unwrap().map(u64::from).collect();
    let next = |id: u64| if id % 8192 == 8191 { id + 8_380_417 } else { id + 1 };
    assert!(ids.windows(2).all(|pair| next(pair[0]) == pair[1]));
    assert!(ids.windows(2).any(|pair| pair[0] + 1 != pair[1]), "a millisecond ends within it");
}

#[test]
fn values_of_a_counter_are_consecutive() {
    let span = Span::of(&(5..1_005));
    assert_eq!(serde_json::to_value(&span).unwrap(), json!({"first": "5", "count": "1000"}));
    assert_eq!(span.values(1_000).unwrap(), 5..1_005);
}

#[test]
fn answers_that_do_not_fit_the_question_are_refused() {
    let first = id(0).to_string();
    assert!(answer(7, &first, "3").range(3).is_ok());
    for (wrong, why) in [
        (answer(7, &first, "4"), "it gave \"4\" where 3 were asked for"),
        (answer(7, &first, "03"), "it gave \"03\""),
        (answer(8, &first, "3"), "have node number 7, but it says 8"),
        (answer(7, "-1", "3"), "is not an id"),
        (answer(0, "", "3"), "is not an id"),
        (answer(1023, &u64::MAX.to_string(), "3"), "last id of 2094"),
    ] {
        let message = wrong.range(3).unwrap_err();
        assert!(message.contains(why), "{message}");
    }
    let span = |first: &str| Span { first: first.into(), count: "3".into() };
    assert!(span("x").values(3).unwrap_err().contains("is not a value"));
    assert!(span(&u64::MAX.to_string()).values(3).unwrap_err().contains("at its end"));
    assert!(span("1").values(2).unwrap_err().contains("where 2 were asked for"));
}
