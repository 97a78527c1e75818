//! The foreground of `up`: a live line, and a graceful stop on Ctrl-C. No supervision: a killed node stays dead.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::process::Child;
use std::time::Duration;

use anyhow::Result;

use super::interrupt::Interrupt;
use super::layout::Layout;
use super::probe::Probe;
use super::state::State;
use super::{control, note};

/// How often the nodes are looked at.
const POLL: Duration = Duration::from_millis(250);
/// How long a graceful stop may take.
const GRACE: Duration = Duration::from_secs(10);

/// Stays until Ctrl-C, SIGTERM, or until no node runs any more (`down` elsewhere).
pub fn stay(layout: &Layout, mut children: BTreeMap<String, Child>, interrupt: &Interrupt) -> Result<()> {
    let live_line = std::io::stderr().is_terminal();
    let probe = Probe::default();
    loop {
        reap(layout, &mut children, live_line);
        let Some(state) = State::load(layout)? else {
            note("the network was removed");
            return Ok(());
        };
        let running = state.nodes.iter().filter(|node| node.live(layout).is_some()).count();
        if running == 0 {
            clear(live_line);
            note(&format!(
                "no node runs any more; `pyralog-testnet up --dir {}` resumes the network",
                layout.root().display()
            ));
            return Ok(());
        }
        if interrupt.count() > 0 {
            clear(live_line);
            note("stopping (once more Ctrl-C kills)");
            let grace = || if interrupt.count() > 1 { Duration::ZERO } else { GRACE };
            return control::stop_nodes(layout, grace);
        }
        if live_line {
            let height = state.nodes.iter().filter_map(|node| probe.height(&node.ports)).max();
            let height = height.map_or_else(|| "-".to_owned(), |height| height.to_string());
            // Losing the live line loses nothing else.
            let _ = write!(std::io::stderr(), "\r\x1b[2Kblock {height}  {running}/{} nodes run", state.nodes.len());
        }
        std::thread::sleep(POLL);
    }
}

/// Takes leave of children that ended, so that they do not stay zombies.
fn reap(layout: &Layout, children: &mut BTreeMap<String, Child>, live_line: bool) {
    children.retain(|name, child| match child.try_wait() {
        Ok(Some(status)) => {
            clear(live_line);
            note(&format!(
                "{name} ended ({status}); `pyralog-testnet fault restart {name} --dir {}` starts it",
                layout.root().display()
            ));
            false
        }
        _ => true,
    });
}

fn clear(live_line: bool) {
    if live_line {
        let _ = write!(std::io::stderr(), "\r\x1b[2K");
    }
}
