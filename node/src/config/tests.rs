use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;

fn none(_: &str) -> Option<String> {
    None
}

fn load(file: &str) -> Result<Resolved, ConfigError> {
    let file = Some((PathBuf::from("pyralog.toml"), file.to_string()));
    Resolved::load(&Sources { file, env: &none, flags: BTreeMap::new() })
}

fn refusal(file: &str) -> String {
    load(file).expect_err("must be refused").to_string()
}

#[test]
fn every_default_stands_inside_its_own_bounds() {
    for key in KEYS {
        let text = key.show(&Config::default());
        let mut config = Config::default();
        key.apply(&mut config, &text).unwrap_or_else(|why| panic!("{}: {why}", key.name));
        assert_eq!(config, Config::default(), "{} changes when written and read", key.name);
    }
}

#[test]
fn a_flag_outranks_the_environment_which_outranks_the_file() {
    let env = |name: &str| match name {
        "PYRALOG_RPC_MAX_BATCH" => Some("7".to_string()),
        "PYRALOG_RPC_MAX_SUBSCRIPTIONS" => Some("8".to_string()),
        _ => None,
    };
    let file = "[rpc]\nmax_batch = 3\nmax_subscriptions = 4\nmax_connections = 5\n".to_string();
    let resolved = Resolved::load(&Sources {
        file: Some((PathBuf::from("pyralog.toml"), file)),
        env: &env,
        flags: BTreeMap::from([("rpc.max_batch", "9".to_string())]),
    })
    .unwrap();
    let rpc = &resolved.config.rpc;
    assert_eq!((rpc.max_batch, rpc.max_subscriptions, rpc.max_connections), (9, 8, 5));
    let origin = |name: &str| resolved.origin(Key::find(name).unwrap()).to_string();
    assert_eq!(origin("rpc.max_batch"), "flag --rpc-max-batch");
    assert_eq!(origin("rpc.max_subscriptions"), "environment PYRALOG_RPC_MAX_SUBSCRIPTIONS");
    assert_eq!(origin("rpc.max_connections"), "pyralog.toml:4");
    assert_eq!(origin("rpc.listen"), "default");
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_name() {
    let message = refusal("# comment\n[rpc]\nmax_batch = 3\nlissten = \"127.0.0.1:1\"\n");
    assert_eq!(message, "pyralog.toml:4: unknown key \"rpc.lissten\": did you mean \"rpc.listen\"?");
    assert!(refusal("[surprise]\nx = 1\n").starts_with("pyralog.toml:1: unknown key \"surprise\""));
    assert!(refusal("[rpc.listen]\nx = 1\n").contains("one value is expected"));
}

#[test]
fn broken_toml_is_refused_with_its_line() {
    assert!(refusal("[rpc]\nmax_batch = = 3\n").starts_with("pyralog.toml:2: "));
    assert!(refusal("[rpc]\nmax_batch = 3\nmax_batch = 4\n").starts_with("pyralog.toml:3: "));
}

#[test]
fn values_are_checked_with_key_and_origin() {
    assert!(refusal("[rpc]\nmax_batch = 0\n").contains("rpc.max_batch: 0 is out of bounds: 1 to 10000 allowed"));
    assert!(refusal("[rpc]\nmax_batch = \"many\"\n").contains("is not a whole number"));
    assert!(refusal("[rpc]\nmax_batch = 0x10\n").contains("decimal number"));
    assert!(refusal("[log]\nformat = \"xml\"\n").contains("neither \"text\" nor \"json\""));
    assert!(refusal("[p2p]\nlisten = \"/ip4/127.0.0.1\"\n").contains("an array of strings"));
    assert!(refusal("[p2p]\nlisten = [\"a,b\"]\n").contains("comma"));
}

#[test]
fn listening_for_strangers_is_refused_with_a_sentence() {
    for section in ["rpc", "api", "metrics"] {
        let message = refusal(&format!("[{section}]\nlisten = \"0.0.0.0:1234\"\n"));
        assert!(message.contains("is not a loopback address"), "{message}");
        assert!(message.contains("tunnel"), "{message}");
    }
    let ok =
        load("[rpc]\nlisten = \"localhost:0\"\n[api]\nlisten = \"[::1]:9\"\n[metrics]\nlisten = \"tcp://127.0.0.1:7\"")
            .unwrap();
    assert_eq!(ok.config.rpc.listen, Loopback::port(0));
    assert_eq!(ok.config.metrics.listen.addr().port(), 7);
    assert!(ok.config.api.listen.addr().is_ipv6());
}

#[test]
fn what_show_prints_loads_again_to_the_same() {
    let first = load(
        "[p2p]\nbootstrap = [\"/dns/a/tcp/1/p2p/x\", \"/dns/b/tcp/2/p2p/y\"]\n[node]\nmoniker = \"a \\\"b\\\"\"\n",
    )
    .unwrap();
    let again = load(&first.show(true)).unwrap();
    assert_eq!(first.config, again.config);
    assert!(first.show(true).contains("moniker = 'a \"b\"'  # pyralog.toml:4"), "{}", first.show(true));
}

#[test]
fn names_of_flags_and_variables_are_unique() {
    let mut names = std::collections::BTreeSet::new();
    for key in KEYS {
        assert!(names.insert(key.flag()) && names.insert(key.env()), "{} is there twice", key.name);
    }
}

#[test]
fn a_stall_follows_the_block_interval_unless_it_is_configured() {
    let stall = |file: &str| load(file).unwrap().config.stall_after().as_millis();
    assert_eq!(stall(""), 5_000);
    assert_eq!(stall("[consensus]\nblock_interval_ms = 100\n"), 5_000);
    assert_eq!(stall("[consensus]\nblock_interval_ms = 6000\n"), 60_000);
    assert_eq!(stall("[consensus]\nblock_interval_ms = 6000\n[metrics]\nstall_after_s = 7\n"), 7_000);
}

#[test]
fn the_tunnels_have_three_modes_and_serve_what_is_named() {
    let config =
        load("[tunnel]\nmode = \"tun\"\ndevice = \"pyra%d\"\nserve = [\"rpc\", \"metrics\"]\n").unwrap().config;
    assert_eq!(config.tunnel.mode, TunnelMode::Tun);
    assert_eq!(config.tunnel.serve, [Served::Rpc, Served::Metrics]);
    assert!(refusal("[tunnel]\nmode = \"tap\"\n").contains("neither \"userspace\" nor \"tun\" nor \"off\""));
    assert!(refusal("[tunnel]\nserve = [\"rpc\", \"p2p\"]\n").contains("\"p2p\" is neither \"rpc\""));
}
