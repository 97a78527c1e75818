use super::*;

fn question(query: &str) -> Result<Question, Problem> {
    let uri = format!("http://localhost/?{query}").parse().unwrap();
    let axum::extract::Query(asked) = axum::extract::Query::<Asked>::try_from_uri(&uri).unwrap();
    asked.question(1_000)
}

#[test]
fn a_reader_says_where_it_begins_and_how_much_it_wants() {
    let plain = Question {
        partition: 0,
        incarnation: None,
        from: Start::First,
        limit: 100,
        wait: Duration::ZERO,
        proof: false,
    };
    assert_eq!(question("").unwrap(), plain);
    let asked = question("partition=3&incarnation=7&from=18446744073709551615&limit=1000&wait_ms=500&proof=1").unwrap();
    let (incarnation, wait) = (Some(7), Duration::from_millis(500));
    let from = Start::Offset(u64::MAX);
    assert_eq!(asked, Question { partition: 3, incarnation, from, limit: 1_000, wait, proof: true });
    assert_eq!(question("time=7&proof=0").unwrap(), Question { from: Start::Time(7), ..plain });
    // Nobody waits longer than the operator lets him.
    assert_eq!(question("wait_ms=18446744073709551615").unwrap().wait, Duration::from_secs(1));
}

#[test]
fn when_an_append_is_answered_is_one_of_three_words() {
    let asked = |ack: &str| {
        let uri = format!("http://localhost/?ack={ack}").parse().unwrap();
        axum::extract::Query::<To>::try_from_uri(&uri).map_err(|refused| super::super::unread_query(&refused))
    };
    assert!(matches!(asked("cached").unwrap().0.ack, Some(Ack::Cached)));
    let problem = asked(&"x".repeat(5_000)).err().unwrap();
    assert_eq!(problem.status, 400);
    assert!(problem.message.contains("ack: found \"xxx") && problem.message.len() < 300, "{}", problem.message);
}

#[test]
fn what_is_no_question_is_refused_with_a_remedy() {
    for (query, part) in [
        ("from=-1", "from: "),
        ("from=18446744073709551616", "above 18446744073709551615"),
        ("from=", "from: "),
        ("time=x", "time: "),
        ("incarnation=x", "incarnation: "),
        ("from=1&time=1", "both given"),
        ("partition=4294967296", "above 4294967295"),
        ("limit=0", "limit is 0"),
        ("limit=1001", "above 1000"),
        ("wait_ms=1.5", "wait_ms: "),
        ("proof=2", "above 1"),
        ("proof=true", "proof: "),
    ] {
        let problem = question(query).expect_err(query);
        assert_eq!(problem.status, 400, "{query}");
        assert!(problem.message.contains(part) && problem.remedy.is_some(), "{query}: {}", problem.message);
    }
}
