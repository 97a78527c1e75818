use super::*;
use crate::cli::args::JsonArgs;

fn args(count: u64, json: bool) -> IdsArgs {
    IdsArgs { from: Vec::new(), count, counter: false, json: JsonArgs { json } }
}

/// What is written of a server that counts from 1, and how many were asked for in each round.
fn written(args: &IdsArgs) -> (String, Vec<u32>) {
    let (mut out, mut rounds, mut next) = (Vec::new(), Vec::new(), 1);
    let round = |count: u32| {
        rounds.push(count);
        let first = next;
        next += u64::from(count);
        Ok(first..next)
    };
    write_all(&mut out, "ids", args, round).unwrap();
    (String::from_utf8(out).unwrap(), rounds)
}

#[test]
fn ids_are_lines_or_one_document_of_strings() {
    assert_eq!(written(&args(3, false)), ("1\n2\n3\n".into(), vec![3]));
    assert_eq!(written(&args(3, true)), ("{\"ids\":[\"1\",\"2\",\"3\"]}\n".into(), vec![3]));
}

#[test]
fn many_are_drawn_in_rounds() {
    let (text, rounds) = written(&args(150_000, false));
    assert_eq!(rounds, [65_536, 65_536, 18_928]);
    assert!(text.lines().map(|line| line.parse::<u64>().unwrap()).eq(1..=150_000));
    let (document, _) = written(&args(150_000, true));
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["ids"].as_array().unwrap().len(), 150_000);
}

#[test]
fn where_a_round_fails_a_document_has_nothing_and_lines_have_what_came_before() {
    let mut served = 0;
    let mut failing = |count: u32| {
        served += 1;
        if served == 1 { Ok(0..u64::from(count)) } else { Err(crate::Error::NoIds("all are dead".into())) }
    };
    let (mut lines, mut document) = (Vec::new(), Vec::new());
    let error = write_all(&mut lines, "ids", &args(70_000, false), &mut failing).unwrap_err();
    assert_eq!(error.to_string(), "no server gave ids: all are dead");
    assert_eq!(String::from_utf8(lines).unwrap().lines().count(), 65_536);
    write_all(&mut document, "ids", &args(70_000, true), |_| -> crate::Result<[u64; 0]> {
        Err(crate::Error::NoIds("all are dead".into()))
    })
    .unwrap_err();
    assert!(document.is_empty());
}
