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
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let Command::Completions { shell } = parse(&format!("completions {shell}")).unwrap().command else {
            panic!("another command");
        };
        assert!(completions(shell, false).unwrap().text.contains("pyralog"));
    }
}
