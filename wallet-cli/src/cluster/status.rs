//! `pyralog cluster status`.

use anstyle::Style;
use clap::Args;
use comfy_table::{Cell, Color, Table};

use super::client::{Client, ClusterNodeArgs};
use super::wire::{ClusterInfo, MemberInfo, PartitionInfo, PartitionState};
use crate::error::{Failure, Result};
use crate::output::{BAD, GOOD, Output, WARN, safe};

/// Up to so many partitions are all shown.
const FEW: usize = 20;

/// Options of `cluster status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Show all partitions; without it, of more than 20 those alone that are not full
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub node: ClusterNodeArgs,
}

/// Runs the command.
pub fn run(args: &StatusArgs) -> Result<Output> {
    let client = args.node.connect()?;
    let (info, document) = client.status().map_err(|fault| client.failure(fault))?;
    let mut output = Output::new(document, text(&info, args.all, &client));
    output.failure = info.lost().map(|lost| {
        Failure::error(format!("no member has these records any more: {lost}"))
            .next("where a disk that was lost or put aside still has them, keep it; their places stay, and reads of them fail")
    });
    Ok(output)
}

fn text(info: &ClusterInfo, all: bool, client: &Client) -> String {
    let nobody = match info.majority {
        Some(false) => "nobody leads: no majority of the voters is heard",
        _ => "no leader",
    };
    // A node of an earlier build names who led before.
    let leads = info.leader.filter(|_| info.majority != Some(false));
    let leader = leads.map_or_else(|| format!("{BAD}{nobody}{BAD:#}"), |id| format!("led by {}", info.called(id)));
    if info.members.is_empty() {
        return format!("{WARN}{} has not heard of any member yet{WARN:#}", info.called(info.member));
    }
    let waits = |id| format!(", {WARN}{} leads the signing, and waits for blocks{WARN:#}", info.called(id));
    let signs = info.signer.map(|id| format!(", {} signs", info.called(id)));
    let signs = signs.or_else(|| info.signer_waits.map(waits)).unwrap_or_default();
    let mut text = format!("{leader}{signs}, as {} sees it\n\n{}\n", info.called(info.member), members(info));
    let shown: Vec<(&PartitionInfo, PartitionState)> = info
        .partitions
        .iter()
        .map(|partition| (partition, info.state(partition)))
        .filter(|(_, state)| all || info.partitions.len() <= FEW || *state != PartitionState::Full)
        .collect();
    if !shown.is_empty() {
        text.push_str(&format!("\n{}\n", partitions(&shown)));
    }
    let hidden = info.partitions.len() - shown.len();
    if hidden > 0 {
        let command = client.command("status --all");
        text.push_str(&format!("\n{hidden} full partitions are not shown: {command}\n"));
    }
    if let Some(why) = &info.disk_low {
        text.push_str(&format!(
            "\n{BAD}{} stores no further records: {}{BAD:#}\n",
            info.called(info.member),
            safe(why)
        ));
    }
    if let Some(why) = info.stands_still() {
        text.push_str(&format!("\n{BAD}{why}{BAD:#}\n"));
    }
    text.push_str(&format!("\n{}", closing(info)));
    text
}

fn members(info: &ClusterInfo) -> String {
    let mut table = table(["MEMBER", "NAME", "ROLE", "STATE", "LEADER", "ADDRESSES"]);
    for member in &info.members {
        let MemberInfo { id, name, addresses, role, up, lacks } = member;
        let color = match up {
            false => Color::Red,
            true if member.has_lost() => Color::Red,
            true if lacks.as_ref().is_some_and(|lacks| !lacks.is_empty()) => Color::Yellow,
            true => Color::Green,
        };
        let state = Cell::new(member.state()).fg(color);
        let leads = if info.leader == Some(*id) { "leader" } else { "" };
        let addresses: Vec<String> = addresses.iter().map(|address| safe(address)).collect();
        table.add_row([
            Cell::new(id),
            Cell::new(safe(name)),
            Cell::new(role.word()),
            state,
            Cell::new(leads),
            Cell::new(addresses.join(" ")),
        ]);
    }
    table.trim_fmt()
}

fn partitions(shown: &[(&PartitionInfo, PartitionState)]) -> String {
    let mut table = table(["LOG", "PARTITION", "LEADER", "EPOCH", "MEMBERS", "RECORDS", "STATE"]);
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    for (partition, state) in shown {
        let members: Vec<String> = partition.members.iter().map(u64::to_string).collect();
        table.add_row([
            Cell::new(safe(&partition.log)),
            Cell::new(partition.partition),
            Cell::new(number(partition.leader)),
            Cell::new(partition.epoch),
            Cell::new(members.join(",")),
            Cell::new(number(partition.records)),
            // The last column: nothing behind it is moved by what makes the colour.
            Cell::new(format!("{0}{1}{0:#}", style(*state), state.words())),
        ]);
    }
    table.trim_fmt()
}

/// A table whose colours are always there: whoever prints takes them out where there is no terminal.
fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header).enforce_styling();
    table
}

fn style(state: PartitionState) -> Style {
    match state {
        PartitionState::NoLeader | PartitionState::Lost => BAD,
        PartitionState::UnderReplicated | PartitionState::Behind => WARN,
        PartitionState::Elsewhere => Style::new(),
        PartitionState::Full => GOOD,
    }
}

/// All of it in a line.
fn closing(info: &ClusterInfo) -> String {
    let (up, members, all) = (info.up(), info.members.len(), info.partitions.len());
    let states: Vec<PartitionState> = info.partitions.iter().map(|partition| info.state(partition)).collect();
    let count = |of: PartitionState| states.iter().filter(|state| **state == of).count();
    let (full, elsewhere) = (count(PartitionState::Full), count(PartitionState::Elsewhere));
    let mut stored = match all {
        0 => "no partitions".to_owned(),
        1 if full == 1 => "the only partition full".to_owned(),
        _ if full == all => format!("all {all} partitions full"),
        _ => format!("{full} of {all} partitions full"),
    };
    if elsewhere > 0 {
        stored.push_str(&format!(", {elsewhere} not known here: ask a member that stores them, with --node URL"));
    }
    let whole = match info.whole {
        Some(true) => ", all members whole".to_owned(),
        _ => info.lacking().map(|why| format!(", {why}")).unwrap_or_default(),
    };
    let leads = if info.leader.is_none() { ", nobody leads the cluster" } else { "" };
    let worst = states.into_iter().min().unwrap_or(PartitionState::Full);
    let style = match info.leader {
        None => BAD,
        Some(_) if up < members || info.whole == Some(false) => style(worst.min(PartitionState::UnderReplicated)),
        Some(_) => style(worst),
    };
    format!("{style}{up} of {members} members up, {stored}{leads}{whole}{style:#}")
}

#[cfg(test)]
#[path = "status_test.rs"]
mod tests;
