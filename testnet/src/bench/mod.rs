//! `pyralog-testnet bench`: what things cost, each figure with its setting and, where one makes sense, as a ratio to
//! something measured in the same run.
//!
//! Reading order: [`cli`], [`report`] (what a figure carries), [`baseline`] (what is compared with), then the measurements:
//! [`merkle`], [`receipt`], [`ids`] and [`storage`] in this process, [`tunnels`] in both ways, [`cluster`] and the others against real processes ([`network`]) driven by raw
//! keep-alive HTTP ([`http`]). The load generator shares the processors with the nodes; the report says so.

mod baseline;
mod blocks;
pub mod cli;
mod cluster;
mod context;
mod http;
mod ids;
mod latency;
mod leaves;
mod load;
mod machine;
mod memory;
mod merkle;
mod network;
mod receipt;
mod report;
mod storage;
mod table;
mod timing;
mod transfers;
mod tunnels;

use anyhow::Result;

use crate::localnet::interrupt::Interrupt;
use baseline::Baseline;
use cli::{BenchArgs, Part};
use context::Context;
use machine::Machine;
use network::Network;
use report::{Group, Place, Report};

/// Validators of the network whose blocks and leaves are measured.
const VALIDATORS: u16 = 4;

/// Runs the measurements and prints the report on stdout; progress goes to stderr.
///
/// # Errors
/// A network that does not start, an answer that a node should not give, Ctrl-C.
pub fn run(args: &BenchArgs) -> Result<()> {
    if let Some(home) = &args.open_home {
        return storage::open_home(home);
    }
    let interrupt = Interrupt::install()?;
    let mut report = Report::new(Machine::look(&std::env::temp_dir()), args.quick);
    note("baselines");
    let baseline = Baseline::measure(&std::env::temp_dir(), args.quick)?;
    report.groups.push(baseline.group());
    if args.wants(Part::Merkle) {
        note("Merkle trees");
        report.groups.push(merkle::measure(&baseline, args.quick, &interrupt)?);
    }
    if args.wants(Part::Receipt) {
        note("receipts");
        report.groups.push(receipt::measure(&baseline, args.quick, &interrupt)?);
    }
    if args.wants(Part::Ids) {
        note("ids");
        report.groups.push(ids::measure(args.quick, &interrupt)?);
    }
    if args.wants(Part::Storage) {
        report.groups.extend(storage::measure(args.quick, &interrupt)?);
    }
    if args.wants(Part::Cluster) {
        report.groups.extend(cluster::measure(&baseline, args.quick, &interrupt)?);
    }
    if args.wants(Part::Tunnels) {
        report.groups.extend(tunnels::measure(args.quick, &interrupt)?);
    }
    if Part::NETWORK.into_iter().any(|part| args.wants(part)) {
        on_a_network(args, &baseline, &interrupt, &mut report)?;
    }
    report.machine.load_at_end = machine::load_average();
    let text = if args.json { report.to_json()? } else { table::text(&report) };
    crate::localnet::print_stdout(&text)
}

/// Everything that needs running nodes, in an order in which no measurement disturbs the next one.
fn on_a_network(args: &BenchArgs, baseline: &Baseline, interrupt: &Interrupt, report: &mut Report) -> Result<()> {
    note("starting four validators");
    let network = Network::start(VALIDATORS, 1)?;
    let cx = Context { network: &network, baseline, quick: args.quick, interrupt };
    let measured = (|| {
        cx.settle()?;
        // Blocks first: they are the idle time after which the idle memory is read.
        let blocks = blocks::measure(&cx)?;
        let interval = blocks.interval_ms;
        report.groups.push(blocks.group);
        let idle = memory::read(&network)?;
        if args.wants(Part::Latency) {
            report.groups.push(latency::measure(&cx, interval)?);
        }
        if args.wants(Part::Leaves) {
            report.groups.push(leaves::measure(&cx)?);
        }
        if args.wants(Part::Transfers) {
            report.groups.push(transfers::measure(&cx, interval)?);
        }
        if args.wants(Part::Memory) {
            report.groups.push(memory::group(&idle, &memory::read(&network)?));
        }
        Ok(())
    })();
    note("stopping the validators");
    if measured.is_err() {
        network.show_logs();
    }
    network.stop()?;
    measured
}

/// A group of figures over this machine's own network.
fn co_located(name: impl Into<String>) -> Group {
    Group::new(name, Place::CoLocated)
}

/// Progress, on stderr.
fn note(line: &str) {
    anstream::eprintln!("bench: {line}");
}
