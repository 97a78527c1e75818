use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("pyralog").chain(line.split_whitespace()))
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn unknown_words_are_usage_errors() {
    for line in ["sideways", "keys", "keys melt", "keys show", "completions"] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn json_and_home_are_accepted_after_the_subcommand() {
    let cli = parse("keys list --json --home /w").unwrap();
    assert!(cli.json);
    assert_eq!(cli.home.home().unwrap(), std::path::Path::new("/w"));
}

#[test]
fn a_usage_error_is_one_line_in_json() {
    let report = |line: &str| {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        usage_failure(&parse(line).unwrap_err(), &words).document()["error"].clone()
    };
    let error = report("verify --json");
    assert_eq!(error["exit_code"], 2);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("required arguments") && message.contains("<RECEIPT>"), "{message}");
    assert!(!message.contains('\n') && !message.contains("Usage") && !message.starts_with("error"), "{message}");
    assert_eq!(report("--json keys")["message"], "a command is needed");
    for (line, next) in [
        ("--json keys", "pyralog keys --help"),
        ("--json sideways", "pyralog --help"),
        ("verify a b --json", "pyralog verify --help"),
        ("receipt fetch --json", "pyralog receipt fetch --help"),
        ("log create a/b --json", "pyralog log create --help"),
        ("notarize a --timeout never --json", "pyralog notarize --help"),
        ("--home keys notarize --json", "pyralog notarize --help"),
        ("notarize a --tiemout 3 --json", "pyralog notarize --help"),
    ] {
        let error = report(line);
        let message = error["message"].as_str().unwrap();
        assert!(
            !message.contains("--help") && !message.contains("tip:") && !message.contains('\n'),
            "{line}: {message}"
        );
        assert_eq!(error["next"], next, "{line}");
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let Command::Completions { shell } = parse(&format!("completions {shell}")).unwrap().command else {
            panic!("another command");
        };
        assert!(completions(shell, false).unwrap().text.contains("pyralog"));
    }
}
