use super::*;

fn added(node: Option<&str>, name: &str) -> Result<Output> {
    run(&AddArgs { name: name.to_owned(), node: node.map(str::to_owned) })
}

#[test]
fn the_commands_name_the_running_member_and_nothing_is_asked_of_it() {
    // Nobody listens there.
    let output = added(Some("http://10.0.0.7:8080/"), "node1").unwrap();
    let lines: Vec<&str> = output.text.lines().collect();
    let join = "pyralogd join-cluster --home HOME --api http://10.0.0.7:8080 --token-file TOKEN --name node1 --password-file PASSWORD \
        --p2p-listen /ip4/0.0.0.0/udp/51820 --p2p-external /ip4/ADDRESS/udp/51820";
    assert_eq!(lines, [join, "pyralogd start --home HOME"]);
    assert_eq!(output.document["commands"], json!(lines));
    let notes = output.document["notes"].to_string();
    assert!(
        notes.contains("admin.token of the node at http://10.0.0.7:8080") && notes.contains("passphrase"),
        "{notes}"
    );
    assert!(!notes.contains("ssh"), "{notes}");
}

#[test]
fn an_api_that_only_its_machine_reaches_has_to_be_forwarded() {
    for (url, forward) in [
        (None, "ssh -L 8080:127.0.0.1:8080 MACHINE"),
        (Some("http://localhost:99"), "ssh -L 99:localhost:99 MACHINE"),
        (Some("http://[::1]:99"), "ssh -L 99:[::1]:99 MACHINE"),
    ] {
        let notes = added(url, "NAME").unwrap().document["notes"].to_string();
        assert!(notes.contains(forward), "{notes}");
    }
}

#[test]
fn names_can_be_typed_and_bad_urls_are_usage_errors() {
    assert!(added(None, "it's").unwrap().text.contains("--name 'it'\\''s'"));
    assert_eq!(added(Some("https://a:1"), "a").unwrap_err().code(), 2);
    assert_eq!(added(Some("http://a:1,http://b:1"), "a").unwrap_err().code(), 2);
}
