use proptest::prelude::*;

use super::*;

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect()
}

fn matches(query: &str, pairs: &[(&str, &str)]) -> bool {
    Query::parse(query).unwrap().matches(&tags(pairs))
}

#[test]
fn the_queries_that_clients_send_are_understood() {
    let tx = [("tm.event", "Tx"), ("tx.hash", "AB"), ("tx.height", "5")];
    assert!(matches("tm.event='Tx'", &tx));
    assert!(matches("tm.event = 'Tx'", &tx));
    assert!(!matches("tm.event='NewBlock'", &tx));
    assert!(matches("tm.event='Tx' AND tx.hash='AB'", &tx));
    assert!(!matches("tm.event='Tx' AND tx.hash='AC'", &tx));
    assert!(matches("tm.event='Tx' AND tx.height=5", &tx));
    assert!(matches("tx.height='5'", &tx));
    assert!(matches("tx.height>4 AND tx.height<=5", &tx));
    assert!(!matches("tx.height>=6", &tx));
    assert!(matches("tx.hash EXISTS AND tm.event CONTAINS 'T'", &tx));
    assert!(!matches("transfer.sender EXISTS", &tx));
}

#[test]
fn nonsense_is_refused_with_the_place() {
    for (query, part) in [
        ("", "a key"),
        ("tm.event", "a comparison"),
        ("tm.event='Tx' tx.height=5", "AND is expected"),
        ("tm.event='Tx' AND", "a key"),
        ("tm.event='Tx", "not closed"),
        ("tx.height=five", "neither a number"),
        ("tx.height<'five'", "not a number"),
        ("tm.event CONTAINS 5", "single quotes"),
    ] {
        let message = Query::parse(query).unwrap_err();
        assert!(message.contains(part), "{query}: {message}");
    }
    assert!(Query::parse(&"x".repeat(MAX_QUERY_BYTES + 1)).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[a-zA-Z.'=<> \\u{e9}0-9]{0,60}") {
        if let Ok(query) = Query::parse(&text) {
            let _ = query.matches(&tags(&[("a", "1")]));
        }
    }
}
