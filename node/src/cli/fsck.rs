//! `fsck`: checks what a stopped node has on disk.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use pyralog_cluster_core::{Backend, Finding, FsckReport, Options, Severity, fsck};
use serde_json::{Value, json};

use super::args::FsckArgs;
use crate::chain::check_blocks;
use crate::home::Home;
use crate::notary::check_copies;

/// Checks the home and says what was found; an error where something is damaged.
pub(super) fn run(home: &Home, args: &FsckArgs) -> Result<()> {
    let (text, verdict) = check(home, args)?;
    std::io::stdout().write_all(text.as_bytes()).context("standard output")?;
    verdict
}

/// What is printed, and the verdict.
fn check(home: &Home, args: &FsckArgs) -> Result<(String, Result<()>)> {
    let dir = home.store();
    if !dir.is_dir() {
        bail!("{}: there is nothing to check; name the node's home with --home", dir.display());
    }
    super::commands::raise_file_limit();
    let (tables, notary) = (dir.join("tables"), dir.join("notary"));
    let checked = fsck(&dir, &Options::default(), Backend::default(), args.repair, |core| {
        let mut findings = Vec::new();
        let mut damage = |path: &Path, what| {
            findings.push(Finding { severity: Severity::Damage, path: path.to_owned(), offset: None, what });
        };
        check_blocks(core.chain(), &mut |what| damage(&tables, what));
        check_copies(core, &mut |what| damage(&notary, what));
        findings
    });
    let report = match checked {
        Ok(report) => report,
        Err(error) => {
            let refused = json!({ "clean": false, "sound": false, "error": error.to_string() });
            let text = if args.json.json { format!("{refused}\n") } else { String::new() };
            return Ok((text, Err(error.into())));
        }
    };
    let text =
        if args.json.json { format!("{}\n", document(&report, args.repair)) } else { text(&report, args.repair) };
    let damaged = report.findings.iter().filter(|finding| finding.severity == Severity::Damage).count();
    let verdict = match damaged {
        0 => Ok(()),
        1 => Err(anyhow!("one part of the store is damaged; nothing of it was touched. Restore it from a copy")),
        more => {
            Err(anyhow!("{more} parts of the store are damaged; nothing of them was touched. Restore them from a copy"))
        }
    };
    Ok((text, verdict))
}

fn text(report: &FsckReport, repair: bool) -> String {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let paint = |text: &str, code: u8| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    let mut text = String::new();
    for finding in &report.findings {
        let severity = match (finding.severity, repair) {
            (Severity::Damage, _) => paint("damage", 31),
            (Severity::Repairable, true) => paint("repaired", 33),
            (Severity::Repairable, false) => paint("repairable", 33),
        };
        let at = finding.offset.map(|offset| format!(" at offset {offset}")).unwrap_or_default();
        text += &format!("{severity}: {}{at}: {}\n", finding.path.display(), finding.what);
    }
    let elsewhere = match report.stubs {
        0 => String::new(),
        stubs => format!(" ({stubs} of them on other members, with their hashes here)"),
    };
    text += &format!(
        "checked {} leaves in {} notary logs, {} records in {} partitions{}, {} blocks, {} WAL entries, {} table entries\n",
        report.leaves,
        report.notary_logs,
        report.records,
        report.partitions,
        elsewhere,
        report.blocks,
        report.wal_entries,
        report.table_entries
    );
    let repairable = report.findings.iter().filter(|finding| finding.severity == Severity::Repairable).count();
    if report.findings.is_empty() {
        text += &format!("{}\n", paint("clean", 32));
    } else if repairable > 0 && !repair {
        text += "what is repairable the next start puts right, or `pyralogd fsck --repair`\n";
    }
    text
}

fn document(report: &FsckReport, repair: bool) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "severity": match finding.severity {
                Severity::Damage => "damage",
                Severity::Repairable => "repairable",
            },
            "path": finding.path.to_string_lossy(),
            "offset": finding.offset.map(|offset| offset.to_string()),
            "what": finding.what,
        })
    };
    json!({
        "clean": report.findings.is_empty(),
        "sound": report.is_sound(),
        "repaired": repair,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "checked": {
            "notary_logs": report.notary_logs.to_string(),
            "leaves": report.leaves.to_string(),
            "partitions": report.partitions.to_string(),
            "records": report.records.to_string(),
            "records_elsewhere": report.stubs.to_string(),
            "blocks": report.blocks.to_string(),
            "wal_entries": report.wal_entries.to_string(),
            "table_entries": report.table_entries.to_string(),
        },
    })
}

#[cfg(test)]
#[path = "fsck_test.rs"]
mod tests;
