//! Stand-ins for nodes, for the tests of this module: processes whose command line is that of a node.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::layout::Layout;
use super::process::ProcessId;
use super::state::{Account, MemberOf, Node, Ports, State};

/// A process that sleeps under the name of a node, on the home of `name`. Killed when dropped.
pub struct FakeNode {
    child: Child,
}

impl FakeNode {
    /// Starts one. With `deaf` it ignores SIGTERM.
    pub fn start(layout: &Layout, name: &str, deaf: bool) -> Self {
        let script = if deaf { "trap '' TERM; while :; do sleep 0.05; done" } else { "while :; do sleep 0.05; done" };
        let home = layout.home(name);
        let child = Command::new("sh")
            .arg0(super::NODE_PROGRAM)
            .args(["-c", script, "start", "--home"])
            .arg(&home)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while !super::process::runs(child.id(), super::NODE_PROGRAM, &home) {
            assert!(Instant::now() < deadline, "the stand-in did not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        if deaf {
            // The trap is set a moment after the exec.
            std::thread::sleep(Duration::from_millis(100));
        }
        Self { child }
    }

    /// Its identity.
    pub fn id(&self) -> ProcessId {
        ProcessId::of(self.child.id()).unwrap()
    }

    /// Whether it has ended; reaps it.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The state of a network of `count` nodes on ports that nothing listens on.
pub fn state(layout: &Layout, count: u16) -> State {
    let node = |index: u16| Node {
        name: format!("node{index}"),
        member_of: None,
        peer_id: format!("peer{index}"),
        ports: Ports { rpc: 4 * index + 1, api: 4 * index + 2, metrics: 4 * index + 3, p2p: 4 * index + 4 },
        process: None,
    };
    let account = Account { name: "account0".to_owned(), address: "pyra1".to_owned(), balance: 5 };
    let state = State::new("pyralog-dev-kit".to_owned(), 500, (0..count).map(node).collect(), vec![account]);
    std::fs::create_dir_all(layout.nodes()).unwrap();
    for node in &state.nodes {
        std::fs::create_dir_all(layout.home(&node.name)).unwrap();
    }
    state.save(layout).unwrap();
    state
}

/// The same with `members` in each cluster, which have all joined.
pub fn members(layout: &Layout, clusters: u16, members: usize) -> State {
    let mut state = state(layout, clusters);
    for cluster in 0..usize::from(clusters) {
        for member in 1..members {
            let of = MemberOf { cluster, member };
            let ports = Ports { rpc: 1, api: 2, metrics: 3, p2p: 4 };
            let peer_id = format!("peer{cluster}-{member}");
            std::fs::create_dir_all(layout.home(&of.name())).unwrap();
            state.nodes.push(Node { name: of.name(), member_of: Some(of), peer_id, ports, process: None });
        }
    }
    state.save(layout).unwrap();
    state
}

/// A directory for a network, and its layout.
pub fn layout() -> (tempfile::TempDir, Layout) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(&dir.path().join("net")).unwrap();
    std::fs::create_dir_all(layout.root()).unwrap();
    (dir, layout)
}

/// A port where every connection gets one fixed answer, until the test's process ends.
pub fn answering(status: &'static str, body: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 2048]);
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    port
}
