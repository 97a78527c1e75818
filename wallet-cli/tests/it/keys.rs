//! `pyralog keys`.

use std::os::unix::fs::PermissionsExt;

use crate::tool::Tool;

#[test]
fn a_key_is_made_listed_shown_exported_and_imported() {
    let tool = Tool::new();
    let password = tool.write("password", "correct horse\n");
    let password = password.to_str().unwrap();
    let made = tool.run(&["keys", "new", "alice", "--password-file", password, "--json"]).expect(0).json();
    assert!(made["address"].as_str().unwrap().starts_with("pyra1"));
    let listed = tool.run(&["keys", "list", "--json"]).expect(0).json();
    assert_eq!(listed["keys"][0]["address"], made["address"]);
    let shown = tool.run(&["keys", "show", "alice"]).expect(0);
    assert!(shown.out.contains(made["address"].as_str().unwrap()));

    let seed = tool.run(&["keys", "export", "alice", "--secret-seed", "--password-file", password]).expect(0).out;
    assert_eq!(seed.trim().len(), 64);
    let imported = tool
        .run_with(
            &["keys", "import", "-", "--secret-seed", "--name", "bob", "--password-file", password, "--json"],
            seed.as_bytes(),
        )
        .expect(0)
        .json();
    assert_eq!(imported["public_key"], made["public_key"]);

    let sealed = tool.run(&["keys", "export", "alice"]).expect(0).out;
    let file = tool.write("copied.json", sealed);
    tool.run(&["keys", "import", file.to_str().unwrap(), "--json"]).expect(0);
    assert_eq!(tool.run(&["keys", "list", "--json"]).json()["keys"].as_array().unwrap().len(), 3);
}

#[test]
fn key_files_are_private_and_never_replaced() {
    let tool = Tool::new();
    let generated = tool.file("pass");
    tool.run(&["keys", "new", "--generate-passphrase", generated.to_str().unwrap()]).expect(0);
    let file = tool.file("home/keys/default.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&generated).unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&file).unwrap();
    tool.run(&["keys", "new", "--password-file", generated.to_str().unwrap()]).expect(1).says("never replaced");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_passphrase_is_never_taken_from_the_command_line_and_not_asked_without_a_terminal() {
    let tool = Tool::new();
    tool.run(&["keys", "new", "--password", "secret"]).expect(2);
    tool.run(&["keys", "new", "x"]).expect(1).says("--password-file");
}

#[test]
fn a_wrong_passphrase_is_told_from_a_damaged_file() {
    let tool = Tool::new();
    let right = tool.write("right", "correct horse\n");
    let wrong = tool.write("wrong", "wrong horse\n");
    tool.run(&["keys", "new", "a", "--password-file", right.to_str().unwrap()]).expect(0);
    let args = ["keys", "export", "a", "--secret-seed", "--password-file", wrong.to_str().unwrap()];
    tool.run(&args).expect(1).says("passphrase");
    let file = tool.file("home/keys/a.json");
    let text = std::fs::read_to_string(&file).unwrap().replace("\"iterations\": 3", "\"iterations\": 4");
    std::fs::write(&file, text).unwrap();
    tool.run(&["keys", "show", "a"]).expect(1).says("restore");
}
