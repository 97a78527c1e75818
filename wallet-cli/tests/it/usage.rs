//! Exit code 2, help, versions, streams.

use crate::fake_node::FakeNode;
use crate::tool::Tool;

#[test]
fn help_and_version_go_to_stdout_with_0() {
    let tool = Tool::new();
    for args in [&["--help"][..], &["--version"], &["notarize", "--help"], &["light", "sync", "--help"]] {
        let run = tool.run(args).expect(0);
        assert!(run.out.contains("pyralog") || run.out.contains("Usage"), "{args:?}");
        assert_eq!(run.err, "");
    }
}

#[test]
fn nonsense_is_2_on_stderr_with_an_empty_stdout() {
    let tool = Tool::new();
    for args in [
        &[][..],
        &["sideways"],
        &["keys"],
        &["notarize"],
        &["verify", "a", "b"],
        &["verify", "a", "b", "--genesis", "g", "--trusted-header", "1:00"],
        &["verify", "a", "b", "--trusted-header", "x"],
        &["tx", "send", "--from", "a"],
        &["notarize", "a", "--timeout", "never"],
        &["notarize", "a", "--node", "ftp://x"],
        &["notarize", "a", "b", "--out", "r.json"],
        &["notarize", "a", "--metadata", "novalue"],
    ] {
        let run = tool.run(args).expect(2);
        assert_eq!(run.out, "", "{args:?}");
        assert!(!run.err.is_empty());
    }
}

#[test]
fn json_failures_are_one_document_with_the_exit_code() {
    let tool = Tool::new();
    let run = tool.run(&["keys", "show", "nobody", "--json"]).expect(1);
    let document = run.json();
    assert_eq!(document["status"], "error");
    assert_eq!(document["error"]["exit_code"], 1);
    assert!(document["error"]["next"].as_str().unwrap().contains("pyralog keys"));
}

#[test]
fn a_command_line_that_does_not_parse_is_one_document_too() {
    let tool = Tool::new();
    for args in
        [&["verify", "--json"][..], &["--json", "sideways"], &["keys", "--json"], &["--json", "keys"], &["--json"]]
    {
        let run = tool.run(args).expect(2);
        let document = run.json();
        assert_eq!((&document["status"], &document["error"]["exit_code"]), (&"usage".into(), &2.into()), "{args:?}");
        assert!(!run.err.is_empty(), "{args:?}");
    }
    // What stands after -- is a name, no flag.
    assert_eq!(tool.run(&["verify", "--", "--json"]).expect(2).out, "");
}

#[test]
fn words_that_hold_escapes_are_repeated_without_them() {
    let tool = Tool::new();
    tool.write("a", "a");
    for args in
        [&["side\u{1b}[2Jways"][..], &["verify", "a\u{1b}[2J", "b", "--genesis", "g"], &["keys", "show", "\u{1b}"]]
    {
        let run = tool.run(args);
        assert!(run.code != 0 && !run.err.contains('\u{1b}'), "{args:?}: {:?}", run.err);
    }
}

#[test]
fn a_pipe_gets_no_colour() {
    let tool = Tool::new();
    let run = tool.run(&["keys", "show", "nobody"]).expect(1);
    assert!(!run.err.contains('\u{1b}') && !run.out.contains('\u{1b}'));
}

#[test]
fn a_refused_connection_names_the_next_step() {
    let tool = Tool::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let file = tool.write("a.txt", "a");
    let run = tool.run(&["notarize", file.to_str().unwrap(), "--node", &url]).expect(1);
    let run = run.says("connection refused").says("pyralog-testnet up");
    assert_eq!(run.out, "");
    assert!(!tool.file("a.txt.receipt.json").exists(), "nothing was submitted, nothing is left behind");
}

#[test]
fn times_have_units_and_a_bad_one_is_2_with_examples() {
    let tool = Tool::new();
    tool.write("a", "a");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let pending = ["receipt", "fetch", "a", "--node", &url, "--timeout"];
    let send = ["tx", "send", "a", "--node", &url, "--timeout"];
    let notarize = ["notarize", "a", "--node", &url, "--timeout"];
    for command in [&notarize[..], &pending, &send] {
        for good in ["3", "3s", "500ms", "2m", "24h"] {
            // Parsed: what fails is the connection, or the file that is no receipt.
            let run = tool.run(&[command, &[good]].concat());
            assert!(run.code == 1 || run.code == 3, "{command:?} {good}: {} {}", run.code, run.err);
        }
        for bad in ["never", "", "-3", "1.5s", "3 s"] {
            let run = tool.run(&[command, &[bad]].concat()).expect(2);
            assert!(run.err.contains("500ms") || bad == "-3", "{command:?} {bad}: {}", run.err);
        }
        tool.run(&[command, &["25h"]].concat()).expect(2).says("24h");
    }
    for args in [
        &["verify", "a", "a", "--genesis", "g", "--max-root-age", "1w"][..],
        &["light", "sync", "--trusting-period", "1w"],
    ] {
        tool.run(args).expect(2).says("14d");
    }
}

#[test]
fn colour_and_progress_stay_out_of_pipes_also_where_a_terminal_would_get_them() {
    let (tool, node) = (Tool::new(), FakeNode::start("pyralog-dev-fake"));
    node.write_genesis(&tool.file("g.json"));
    tool.write("a", "a");
    for args in [
        &["notarize", "a", "--node", &node.url][..],
        &["verify", "a", "a.receipt.json", "--genesis", "g.json"],
        &["inspect", "a.receipt.json"],
        &["query", "status", "--node", &node.url],
        &["--help"],
    ] {
        let child = tool.command(args).env("TERM", "xterm-256color").env("COLORTERM", "truecolor").output().unwrap();
        assert!(child.status.success(), "{args:?}: {}", String::from_utf8_lossy(&child.stderr));
        for stream in [&child.stdout, &child.stderr] {
            assert!(
                !stream.contains(&0x1b) && !stream.contains(&b'\r'),
                "{args:?}: {}",
                String::from_utf8_lossy(stream)
            );
        }
    }
}

#[test]
fn every_class_of_failure_has_its_code_and_its_word_in_json() {
    let (tool, node) = (Tool::new(), FakeNode::start("pyralog-dev-fake"));
    let other = FakeNode::start("pyralog-dev-other");
    node.write_genesis(&tool.file("g.json"));
    other.write_genesis(&tool.file("other.json"));
    tool.write("a", "a");
    tool.write("b", "b");
    tool.run(&["notarize", "a", "--node", &node.url]).expect(0);
    tool.run(&["notarize", "b", "--no-wait", "--node", &node.url]).expect(0);
    for (code, word, args) in [
        (1, "error", &["verify", "gone", "a.receipt.json", "--genesis", "g.json"][..]),
        (2, "usage", &["notarize", "a", "--metadata", "novalue"]),
        (3, "invalid", &["verify", "b", "a.receipt.json", "--genesis", "g.json"]),
        (4, "pending", &["verify", "b", "b.receipt.json", "--genesis", "g.json"]),
        (5, "untrusted", &["verify", "a", "a.receipt.json", "--genesis", "other.json"]),
    ] {
        let run = tool.run(&[args, &["--json"]].concat()).expect(code);
        let document = run.json();
        assert_eq!(document["status"], word, "{args:?}");
        assert_eq!(document["error"]["exit_code"], code);
        let message = document["error"]["message"].as_str().unwrap();
        assert!(run.err.contains(message), "the sentence is on standard error too: {}", run.err);
        // Without --json nothing but the sentence changes its place.
        assert_eq!(tool.run(args).expect(code).out, "", "{args:?}");
    }
}

#[test]
fn json_results_are_one_document_with_a_status() {
    let (tool, node) = (Tool::new(), FakeNode::start("pyralog-dev-fake"));
    node.write_genesis(&tool.file("g.json"));
    tool.write("a", "a");
    let keys = |args: &[&str], status: &str, keys: &[&str]| {
        let document = tool.run(&[args, &["--json"]].concat()).expect(0).json();
        assert_eq!(document["status"], status, "{args:?}: {document}");
        for key in keys {
            assert!(!document[key].is_null(), "{args:?} has no {key}: {document}");
        }
    };
    let url = ["--node", &node.url];
    let place = ["chain_id", "log", "index", "height", "existed_no_later_than"];
    keys(&[&["notarize", "a"][..], &url].concat(), "complete", &[&place[..], &["receipts", "failed"]].concat());
    keys(&["verify", "a", "a.receipt.json", "--genesis", "g.json"], "valid", &place);
    keys(&["inspect", "a.receipt.json"], "complete", &["chain_id", "subject"]);
    keys(&[&["receipt", "refresh", "a.receipt.json"][..], &url].concat(), "refreshed", &["refreshed_under", "receipt"]);
    keys(
        &[&["light", "sync", "--genesis", "g.json", "--trusting-period", "36500d"][..], &url].concat(),
        "trusted",
        &["height", "hash", "trusted_header", "confirmed_by", "store"],
    );
}

#[test]
fn completions_are_printed_for_every_shell() {
    let tool = Tool::new();
    for (shell, sign) in [
        ("bash", "_pyralog()"),
        ("zsh", "#compdef pyralog"),
        ("fish", "complete -c pyralog"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion"),
    ] {
        let run = tool.run(&["completions", shell]).expect(0);
        assert!(run.out.contains(sign) && run.out.contains("notarize") && run.err.is_empty(), "{shell}");
        let document = tool.run(&["completions", shell, "--json"]).expect(0).json();
        assert_eq!((&document["shell"], &document["script"]), (&shell.into(), &run.out.into()));
    }
    tool.run(&["completions", "cmd"]).expect(2);
}

#[test]
fn bash_can_load_the_completions() {
    let Ok(found) = std::process::Command::new("bash").arg("--version").output() else {
        println!("skipped: there is no bash here");
        return;
    };
    assert!(found.status.success());
    let tool = Tool::new();
    let script = tool.run(&["completions", "bash"]).expect(0).out;
    tool.write("c.bash", script);
    let ask =
        "source ./c.bash && COMP_WORDS=(pyralog no) COMP_CWORD=1 && _pyralog pyralog no '' && echo \"${COMPREPLY[*]}\"";
    let answer = std::process::Command::new("bash").args(["-c", ask]).current_dir(tool.path()).output().unwrap();
    let offered = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(offered.contains("notarize"), "{offered}{}", String::from_utf8_lossy(&answer.stderr));
}
