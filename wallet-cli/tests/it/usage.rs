//! Exit code 2, help, versions, streams.

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
fn completions_are_printed_for_bash() {
    let run = Tool::new().run(&["completions", "bash"]).expect(0);
    assert!(run.out.contains("_pyralog()"));
}
