//! `pyralog verify` and `inspect`: every verdict with its exit code and sentence.

use serde_json::Value;

use crate::fake_node::FakeNode;
use crate::tool::Tool;

const CHAIN: &str = "pyralog-dev-fake";

fn notarized() -> (Tool, FakeNode) {
    let (tool, node) = (Tool::new(), FakeNode::start(CHAIN));
    node.write_genesis(&tool.file("g.json"));
    tool.write("doc", "the document");
    tool.run(&["notarize", "doc", "--out", "r.json", "--metadata", "k=v", "--node", &node.url]).expect(0);
    (tool, node)
}

#[test]
fn a_changed_document_is_3_with_both_digests() {
    let (tool, _node) = notarized();
    tool.write("copy", "the document!");
    tool.run(&["verify", "copy", "r.json", "--genesis", "g.json"]).expect(3).says("not the same document");
    tool.write("copy", "the docunent");
    let run = tool.run(&["verify", "copy", "r.json", "--genesis", "g.json", "--json"]).expect(3).says("blake3");
    assert_eq!(run.json()["status"], "invalid");
}

#[test]
fn a_document_without_an_end_is_3_and_not_read_for_ever() {
    let (tool, node) = notarized();
    let args = ["verify", "/dev/zero", "r.json", "--genesis", "g.json", "--json"];
    let run = tool.run(&args).expect(3).says("subject.size: is 12").says("/dev/zero is longer");
    assert_eq!(run.json()["status"], "invalid");
    let zeros = std::process::Stdio::from(std::fs::File::open("/dev/zero").unwrap());
    let mut child = tool.command(&["verify", "-", "r.json", "--genesis", "g.json"]).stdin(zeros).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    tool.write("other", "the document, and more");
    tool.run(&["notarize", "doc", "--no-wait", "--out", "p.json", "--node", &node.url]).expect(0);
    tool.run(&["verify", "other", "p.json", "--genesis", "g.json"]).expect(3).says("not the same document");
    tool.run(&["verify", "doc", "p.json", "--genesis", "g.json"]).expect(4);
}

#[test]
fn every_changed_value_of_the_receipt_is_3() {
    let (tool, _node) = notarized();
    let receipt: Value = serde_json::from_str(&std::fs::read_to_string(tool.file("r.json")).unwrap()).unwrap();
    let mut paths = Vec::new();
    leaves(&receipt, String::new(), &mut paths);
    assert!(paths.len() > 40, "{}", paths.len());
    for path in paths {
        let mut changed = receipt.clone();
        let value = changed.pointer_mut(&path).unwrap();
        *value = change(value);
        tool.write("changed.json", changed.to_string());
        let run = tool.run(&["verify", "doc", "changed.json", "--genesis", "g.json"]);
        // A changed chain id makes every hash wrong, which is invalid too.
        assert_eq!(run.code, 3, "{path}: {}{}", run.out, run.err);
    }
}

/// JSON pointers of all scalars.
fn leaves(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| leaves(value, format!("{at}/{key}"), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| leaves(value, format!("{at}/{i}"), found))
        }
        // An absent signature is the one value that says nothing.
        Value::Null => {}
        _ => found.push(at),
    }
}

/// Another value of the same shape.
fn change(value: &Value) -> Value {
    match value {
        Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
        Value::String(text) => {
            let mut letters: Vec<char> = text.chars().collect();
            let at = letters.len() / 2;
            letters[at] = if letters[at] == '1' { '2' } else { '1' };
            letters.into_iter().collect::<String>().into()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn undecodable_files_and_unknown_keys_are_3() {
    let (tool, _node) = notarized();
    let text = std::fs::read_to_string(tool.file("r.json")).unwrap();
    let unknown = text.replacen('{', "{\"note\":\"hi\",", 1);
    let duplicate = text.replacen('{', "{\"version\":1,", 1);
    for bad in ["", "{}", "not a receipt", &text[..text.len() / 2], &unknown, &duplicate] {
        tool.write("bad.json", bad);
        tool.run(&["verify", "doc", "bad.json", "--genesis", "g.json"]).expect(3);
    }
    tool.write("spaced.json", text.replace(':', " :\n\t"));
    // Whitespace does not count. Times hold colons inside strings, so only structural ones are spaced out.
    let compact: Value = serde_json::from_str(&text).unwrap();
    tool.write("compact.json", compact.to_string());
    tool.run(&["verify", "doc", "compact.json", "--genesis", "g.json"]).expect(0);
}

#[test]
fn another_chain_or_an_untrusted_root_is_5() {
    let (tool, node) = notarized();
    let other = FakeNode::start("pyralog-dev-other");
    other.write_genesis(&tool.file("other.json"));
    tool.run(&["verify", "doc", "r.json", "--genesis", "other.json"]).expect(5).says("pyralog-dev-other");
    let height = 2;
    let wrong = format!("{height}:{}", "00".repeat(32));
    tool.run(&["verify", "doc", "r.json", "--trusted-header", &wrong]).expect(5);
    tool.run(&["verify", "doc", "r.json", "--trusted-header", &node.header(height)]).expect(0);
}

#[test]
fn a_header_that_the_receipt_does_not_hold_names_the_step_that_helps() {
    let (tool, node) = notarized();
    node.advance(3);
    let next = |height| {
        let args = ["verify", "doc", "r.json", "--json", "--trusted-header", &node.header(height)];
        tool.run(&args).expect(5).json()["error"]["next"].as_str().unwrap().to_owned()
    };
    assert_eq!(next(3), "pyralog receipt refresh r.json");
    // No refresh leads back.
    let below = next(1);
    assert!(below.contains("height 2 or above") && below.contains("--genesis"), "{below}");
    assert!(!below.contains("refresh"), "{below}");
}

#[test]
fn an_old_root_is_5_only_when_asked_for() {
    let (tool, _node) = notarized();
    tool.run(&["verify", "doc", "r.json", "--genesis", "g.json", "--max-root-age", "1d"])
        .expect(5)
        .says("--max-root-age");
    tool.run(&["verify", "doc", "r.json", "--genesis", "g.json", "--max-root-age", "36500d"]).expect(0);
}

#[test]
fn missing_files_and_a_broken_genesis_are_1() {
    let (tool, _node) = notarized();
    tool.run(&["verify", "gone", "r.json", "--genesis", "g.json"]).expect(1).says("gone");
    tool.run(&["verify", "doc", "gone.json", "--genesis", "g.json"]).expect(1).says("gone.json");
    tool.write("broken.json", "{}");
    tool.run(&["verify", "doc", "r.json", "--genesis", "broken.json"]).expect(1).says("broken.json");
}

#[test]
fn a_refreshed_receipt_verifies_under_the_later_header() {
    let (tool, node) = notarized();
    let run =
        tool.run(&["receipt", "refresh", "r.json", "--out", "fresh.json", "--json", "--node", &node.url]).expect(0);
    let under = &run.json()["refreshed_under"];
    let header = format!("{}:{}", under["height"], under["hash"].as_str().unwrap());
    tool.run(&["verify", "doc", "r.json", "--trusted-header", &header]).expect(5);
    let verified = tool.run(&["verify", "doc", "fresh.json", "--trusted-header", &header, "--json"]).expect(0).json();
    assert_eq!(verified["refreshed_under"], under["height"]);
    assert_eq!(verified["root_reached_through_refresh"], true);
    // From genesis the way does not lead through the later header, which is checked and said all the same.
    let run = tool.run(&["verify", "doc", "fresh.json", "--genesis", "g.json"]).expect(0);
    assert!(run.out.contains(&format!("its refresh under block {} holds too", under["height"])), "{}", run.out);
    let verified = tool.run(&["verify", "doc", "fresh.json", "--genesis", "g.json", "--json"]).expect(0).json();
    assert_eq!(verified["refreshed_under"], under["height"]);
    assert_eq!(verified["root_reached_through_refresh"], false);
    let plain = tool.run(&["verify", "doc", "r.json", "--genesis", "g.json", "--json"]).expect(0).json();
    assert!(plain["refreshed_under"].is_null());
}

#[test]
fn swapped_arguments_are_said_to_be_swapped_with_the_right_order() {
    let (tool, _node) = notarized();
    let run = tool.run(&["verify", "r.json", "doc", "--genesis", "g.json", "--json"]).expect(3).says("r.json is one");
    assert_eq!(run.json()["error"]["next"], "pyralog verify doc r.json --genesis g.json");
    let run = tool.run(&["verify", "doc", "doc", "--genesis", "g.json"]).expect(3);
    assert!(!run.err.contains("is one") && !run.err.contains("next:"), "{}", run.err);
}

#[test]
fn a_receipt_may_come_from_standard_input_if_the_document_does_not() {
    let (tool, _node) = notarized();
    let receipt = std::fs::read(tool.file("r.json")).unwrap();
    tool.run_with(&["verify", "doc", "-", "--genesis", "g.json"], &receipt).expect(0);
    let run = tool.run_with(&["verify", "doc", "-", "--genesis", "g.json"], b"x").expect(3);
    run.says("standard input is not a receipt");
    tool.run_with(&["inspect", "-"], &receipt).expect(0);
    tool.run_with(&["verify", "-", "-", "--genesis", "g.json"], &receipt).expect(2).says("cannot both");
}

#[test]
fn inspect_draws_the_way_from_the_document_to_the_validators() {
    let (tool, _node) = notarized();
    let run = tool.run(&["inspect", "r.json"]).expect(0).says("pyralog verify");
    let mut rest = run.out.as_str();
    for step in [
        "document, 12 bytes",
        "metadata k = v",
        "leaf",
        "log ",
        "checkpoint of",
        "anchor transaction",
        "header 2",
        "commit of round",
    ] {
        let at = rest.find(step).unwrap_or_else(|| panic!("{step} is not in order in\n{}", run.out));
        rest = &rest[at..];
    }
    tool.write("bad.json", "{}");
    tool.run(&["inspect", "bad.json"]).expect(3);
}
