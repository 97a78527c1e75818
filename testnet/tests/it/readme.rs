//! The first walk: `make testnet`, then what its banner and README.md tell a newcomer to type, as it stands there.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::net::{LAUNCHER, Net, Ran, beside, run};

/// A directory like a checkout after `make build`: the programs in `bin/`, nothing else.
fn checkout() -> Net {
    let net = Net::called(".localnet", &std::env::temp_dir());
    std::fs::create_dir(net.file("bin")).unwrap();
    for name in ["pyralogd", "pyralog"] {
        symlink(beside(name), net.file("bin").join(name)).unwrap();
    }
    symlink(LAUNCHER, net.file("bin/pyralog-testnet")).unwrap();
    net
}

/// Types a line into a shell that nobody has prepared.
fn shell(net: &Net, line: &str) -> Ran {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(net.file(".")).env("HOME", net.file("user"));
    for name in [
        "PYRALOG_NODE",
        "PYRALOG_HOME",
        "PYRALOG_WALLET",
        "PYRALOG_KEYSTORE",
        "PYRALOG_PASSWORD_FILE",
        "PYRALOG_LOCALNET",
    ] {
        command.env_remove(name);
    }
    run(&mut command)
}

/// The text of a file of the project.
fn project(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// What `make testnet` runs, without staying in the foreground.
fn make_testnet(net: &Net) -> String {
    let makefile = project("Makefile");
    let line = makefile.lines().find_map(|line| line.strip_prefix("\t@bin/pyralog-testnet up ")).unwrap();
    shell(net, &format!("bin/pyralog-testnet up {line} --detach")).expect(0).out
}

/// Lines after a prompt in each block of README.md that is fenced as `console`.
fn blocks() -> Vec<Vec<String>> {
    let text = project("README.md");
    let blocks = text.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| block.lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect()).collect()
}

/// Lines of the banner that are to be typed.
fn to_type(banner: &str) -> Vec<&str> {
    let (_, lines) = banner.split_once("type next\n").unwrap();
    lines.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with('#')).collect()
}

/// What must be typed first where a default port is taken on this machine.
fn export(banner: &str) -> String {
    to_type(banner).iter().filter(|line| line.starts_with("export ")).map(|line| format!("{line}; ")).collect()
}

#[test]
fn the_lines_of_the_readme_work_as_printed() {
    let net = checkout();
    let blocks = blocks();
    assert_eq!(blocks[0], ["make testnet"]);
    let export = export(&make_testnet(&net));
    if export.is_empty() {
        let node = &net.manifest().nodes[0];
        assert_eq!(node.api, "http://127.0.0.1:8080");
    }
    let notarize: Vec<Ran> = blocks[1].iter().map(|line| shell(&net, &format!("{export}{line}")).expect(0)).collect();
    assert!(blocks[1][1].starts_with("bin/pyralog notarize ") && blocks[1][2].starts_with("ls "), "{:?}", blocks[1]);
    let printed = notarize[2].out.split_whitespace().collect::<Vec<_>>().join("  ");
    assert!(project("README.md").contains(&format!("\n{printed}\n")), "{printed}");

    // Logs of one's own.
    assert!(blocks[4][0].starts_with("bin/pyralog log create "), "{:?}", blocks[4]);
    let logs: Vec<Ran> = blocks[4].iter().map(|line| shell(&net, &format!("{export}{line}")).expect(0)).collect();
    assert_eq!(logs[3].out, (4990..=5000).map(|number| format!("{number}\n")).collect::<String>());
    assert!(logs[6].out.contains("orders"), "{:?}", logs[6]);

    // The light client of the Tendermint project, where it is installed.
    let client = "tendermint-light-client-cli";
    let (install, follow) = blocks[3].split_first().unwrap();
    assert!(install.starts_with("cargo install ") && install.contains(client), "{install}");
    if shell(&net, &format!("command -v {client}")).code == 0 {
        net.wait_height(0, 3);
        let said = shell(&net, &format!("{export}{}", follow.join("\n"))).expect(0);
        assert_eq!(format!("{}{}", said.out, said.err).matches("no divergence found").count(), 2, "{said:?}");
    } else {
        println!("skipped: {client} is not installed");
    }

    // The tunnels between the nodes.
    assert_eq!(blocks[6], ["bin/pyralog tunnel status"]);
    let tunnels = shell(&net, &format!("{export}{}", blocks[6][0])).expect(0).out;
    assert!(tunnels.contains("3 of 3 tunnels open, 3 with a post-quantum key"), "{tunnels}");

    // Ctrl-C in the first terminal.
    shell(&net, "bin/pyralog-testnet down").expect(0);
    let [valid, change, changed] = blocks[2].as_slice() else { panic!("{:?}", blocks[2]) };
    assert!(shell(&net, valid).expect(0).out.contains("existed no later than"));
    shell(&net, change).expect(0);
    let refused = shell(&net, changed).says("not the same document");
    assert!(refused.out.ends_with("exit code 3\n"), "{refused:?}");
}

#[test]
fn the_cluster_of_the_readme_works_as_printed() {
    let net = checkout();
    let blocks = blocks();
    let [up, rest @ ..] = blocks[5].as_slice() else { panic!("{blocks:?}") };
    assert!(up.contains("--members 3") && rest.last().unwrap().contains(" down "), "{blocks:?}");
    let banner = shell(&net, up).expect(0).out;
    let said = shell(&net, &format!("set -e\n{}{}", export(&banner), rest.join("\n")));
    if said.code != 0 {
        shell(&net, rest.last().unwrap()).expect(0);
    }
    let out = said.expect(0).out;
    assert!(out.contains("ten pounds\neleven pounds\n"), "{out}");
    assert!(out.contains("3 of 3 members up"), "{out}");
}

#[test]
fn the_lines_of_the_banner_work_as_printed() {
    let net = checkout();
    let banner = make_testnet(&net);
    assert!(!banner.contains('\u{1b}'), "a pipe gets no colour");
    let lines = to_type(&banner);
    let programs = lines.iter().flat_map(|line| line.split("&& ").last()).filter(|line| !line.starts_with("export "));
    for line in programs {
        assert!(line.starts_with("bin/pyralog"), "{line}");
        assert!(!line.contains(net.file("").to_str().unwrap()), "no path that is longer than it must be: {line}");
    }
    // In one shell, from the first to the last: the network is down afterwards.
    shell(&net, &format!("set -e\n{}", lines.join("\n"))).expect(0);
    assert!(net.manifest().nodes.iter().all(|node| node.pid.is_none()));
    let verify = lines.iter().find(|line| line.contains(" verify ")).unwrap();
    shell(&net, verify).expect(0);
}
