//! A local network for a test: started through the launcher, ended and removed however the test ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use pyralog_testnet::localnet::manifest::Manifest;
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

/// The launcher's program.
pub const LAUNCHER: &str = env!("CARGO_BIN_EXE_pyralog-testnet");

/// A network of real processes. One at a time on this machine: four validators are enough for two cores.
pub struct Net {
    dir: tempfile::TempDir,
    name: &'static str,
    _turn: File,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit code, -1 after a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Net {
    /// An empty directory and the turn to use it.
    pub fn empty() -> Self {
        Self::empty_in(&std::env::temp_dir())
    }

    /// The same below another directory.
    pub fn empty_in(base: &Path) -> Self {
        Self::called("net", base)
    }

    /// The same where the network's own directory has another name.
    pub fn called(name: &'static str, base: &Path) -> Self {
        for name in ["pyralogd", "pyralog"] {
            let path = beside(name);
            assert!(path.is_file(), "{} is missing: cargo build --workspace --bins", path.display());
        }
        let turn = File::options().create(true).truncate(false).write(true).open(beside("pyralog-e2e.lock")).unwrap();
        flock(&turn, FlockOperation::LockExclusive).unwrap();
        Self { dir: tempfile::tempdir_in(base).unwrap(), name, _turn: turn }
    }

    /// A running network of `validators`, detached.
    pub fn up(validators: usize) -> Self {
        let net = Self::empty();
        net.launcher(&["up", "--validators", &validators.to_string(), "--detach", "--json"]).expect(0);
        net
    }

    /// The network's directory.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join(self.name)
    }

    /// A file beside the network.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file beside the network.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// `localnet.json` as it stands.
    pub fn manifest(&self) -> Manifest {
        serde_json::from_slice(&std::fs::read(self.root().join("localnet.json")).unwrap()).unwrap()
    }

    /// Runs the launcher on this network.
    pub fn launcher(&self, args: &[&str]) -> Ran {
        self.launcher_with(&[], args)
    }

    /// The same with settings of the nodes that it starts.
    pub fn launcher_with(&self, settings: &[(&str, &str)], args: &[&str]) -> Ran {
        let mut command = Command::new(LAUNCHER);
        command.args(args).arg("--dir").arg(self.root()).envs(settings.iter().copied());
        run(&mut command)
    }

    /// Runs the wallet, talking to node `index`.
    pub fn wallet(&self, index: usize, args: &[&str]) -> Ran {
        run(&mut self.wallet_command(index, args))
    }

    /// The wallet, not started yet.
    pub fn wallet_command(&self, index: usize, args: &[&str]) -> Command {
        let mut command = Command::new(beside("pyralog"));
        command.args(args).current_dir(self.dir.path());
        command.env("PYRALOG_WALLET", self.file("home")).env("PYRALOG_NODE", &self.manifest().nodes[index].api);
        command.env("PYRALOG_KEYSTORE", self.root().join("accounts"));
        command
    }

    /// The genesis file, as text.
    pub fn genesis(&self) -> String {
        self.root().join("genesis.json").to_str().unwrap().to_owned()
    }

    /// Height of node `index`, 0 while it does not answer.
    pub fn height(&self, index: usize) -> u64 {
        self.api(index, "/v1/status").and_then(|status| status["height"].as_u64()).unwrap_or(0)
    }

    /// Heights of all nodes.
    pub fn heights(&self) -> Vec<u64> {
        (0..self.manifest().nodes.len()).map(|index| self.height(index)).collect()
    }

    /// Hash of the header of `height` at node `index`.
    pub fn hash(&self, index: usize, height: u64) -> Option<String> {
        self.api(index, &format!("/v1/blocks/{height}"))?["hash"].as_str().map(str::to_owned)
    }

    /// GET of the native API of node `index`.
    pub fn api(&self, index: usize, path: &str) -> Option<Value> {
        get(&format!("{}{path}", self.manifest().nodes[index].api))
    }

    /// GET of the CometBFT RPC of node `index`.
    pub fn rpc(&self, index: usize, path: &str) -> Option<Value> {
        get(&format!("{}{path}", self.manifest().nodes[index].rpc))
    }

    /// Waits until node `index` has reached `height`.
    pub fn wait_height(&self, index: usize, height: u64) {
        wait(Duration::from_secs(60), &format!("node{index} at block {height}"), || self.height(index) >= height);
    }

    /// Asserts that the nodes in `alive` show one history up to the lowest of their heights.
    pub fn assert_no_fork(&self, alive: &[usize]) {
        let lowest = alive.iter().map(|index| self.height(*index)).min().unwrap();
        assert!(lowest > 0, "no node in {alive:?} has a block");
        for height in 1..=lowest {
            let hashes: Vec<_> = alive.iter().map(|index| self.hash(*index, height).unwrap()).collect();
            assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "fork at {height}: {hashes:?}");
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let manifest = std::fs::read(self.root().join("localnet.json")).ok();
            let manifest = manifest.and_then(|text| serde_json::from_slice::<Manifest>(&text).ok());
            for node in manifest.into_iter().flat_map(|manifest| manifest.nodes).map(|node| node.name) {
                let tail = self.launcher(&["logs", &node, "--lines", "15"]);
                println!("--- end of {node}'s log\n{}", tail.out);
            }
        }
        // Ends whatever runs; the directory goes with the TempDir.
        let _ = self.launcher(&["reset"]);
    }
}

impl Ran {
    /// Asserts the exit code.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Asserts that standard error says something.
    pub fn says(self, text: &str) -> Self {
        assert!(self.err.contains(text), "{text:?} is not in\n{}", self.err);
        self
    }

    /// Standard output as one JSON document.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in\n{}", self.out))
    }
}

/// A program that was built beside the launcher.
pub fn beside(name: &str) -> PathBuf {
    Path::new(LAUNCHER).with_file_name(name)
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
    Ran {
        code: status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&stdout).into_owned(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// Waits for a condition, and fails with its name.
pub fn wait(limit: Duration, what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "not reached within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// GET with a short patience; `None` without a 200 in JSON.
pub fn get(url: &str) -> Option<Value> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(2))).proxy(None).build().into();
    agent.get(url).call().ok()?.body_mut().read_json().ok()
}

/// Whether a process with this id lives (a zombie does not).
pub fn lives(pid: u32) -> bool {
    pyralog_testnet::localnet::process::ProcessId::of(pid).is_some()
}
