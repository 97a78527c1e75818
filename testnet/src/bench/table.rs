//! The report for people.

use std::fmt::Write;

use super::report::{Aim, Figure, Group, Place, Report, Setting};

/// The whole text.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    let machine = &report.machine;
    // Writing into a String cannot fail.
    let _ = writeln!(
        out,
        "{}, {} cores, Linux {}, {} below TMPDIR, {} profile{}; load average {:.1} before, {:.1} after",
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.filesystem,
        machine.profile,
        if report.quick { ", quick run" } else { "" },
        machine.load_at_start,
        machine.load_at_end,
    );
    if machine.load_at_start > machine.cores as f64 {
        out.push_str("Other programs compete for the processors: absolute numbers are rough, ratios count.\n");
    }
    for group in &report.groups {
        write_group(&mut out, group);
    }
    out
}

fn write_group(out: &mut String, group: &Group) {
    let place = match group.place {
        Place::InProcess => "in-process",
        Place::CoLocated => "co-located: all on this machine, the load generator too",
    };
    let _ = writeln!(out, "\n{} ({place})", group.name);
    let width = group.figures.iter().map(|figure| figure.what.chars().count()).max().unwrap_or(0);
    let mut shown = String::new();
    for figure in &group.figures {
        let _ = write!(out, "  {:<width$}  {:>12} {:<11}", figure.what, number(figure.value), figure.unit);
        let mut line = String::new();
        if let Some(took) = figure.took {
            let _ = write!(line, "  p50 {:>7}, p99 {:>7} us", number(took.p50_us), number(took.p99_us));
        }
        if let Some(ratio) = &figure.ratio {
            let _ = write!(line, "  {:>7} x {}", number(ratio.value), ratio.of);
        }
        if let Some(aim) = figure.aim {
            let _ = write!(line, "  [{}]", aim_text(aim, figure));
        }
        let _ = writeln!(out, "{line}");
        let setting = setting(&figure.setting);
        if !setting.is_empty() && setting != shown {
            let _ = writeln!(out, "      {setting}");
        }
        shown = setting;
    }
    for note in &group.notes {
        let _ = writeln!(out, "  - {note}");
    }
}

fn aim_text(aim: Aim, figure: &Figure) -> String {
    let (sign, bound, of) = match aim {
        Aim::AtLeast(bound) => (">=", bound, ""),
        Aim::AtMost(bound) => ("<=", bound, ""),
        Aim::RatioAtLeast(bound) => (">=", bound, " x"),
        Aim::RatioAtMost(bound) => ("<=", bound, " x"),
    };
    let met = if aim.met(figure) { "met" } else { "MISSED" };
    format!("aim {sign} {}{of}: {met}", number(bound))
}

fn setting(setting: &Setting) -> String {
    let parts = [
        setting.record_bytes.map(|bytes| format!("{bytes} B records")),
        setting.batch.map(|batch| format!("batch {batch}")),
        setting.durability.map(str::to_owned),
        setting.clients.clone(),
        setting.sample.clone(),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Three significant digits below 1,000; above, whole numbers in groups of three.
fn number(value: f64) -> String {
    let size = value.abs();
    if size < 999.5 {
        let digits = if size >= 99.95 {
            0
        } else if size >= 9.995 {
            1
        } else if size >= 0.0995 {
            2
        } else {
            4
        };
        return format!("{value:.digits$}");
    }
    let whole = format!("{:.0}", size);
    let mut out = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if value < 0.0 { format!("-{out}") } else { out }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::machine::Machine;
    use super::super::timing::Times;
    use super::*;

    #[test]
    fn numbers_are_short_and_grouped() {
        let cases = [
            (0.0, "0.0000"),
            (0.01234, "0.0123"),
            (1.234, "1.23"),
            (12.34, "12.3"),
            (123.4, "123"),
            (999.6, "1,000"),
            (1_234_567.8, "1,234,568"),
            (-2_500.0, "-2,500"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_figure_shows_its_ratio_its_aim_and_once_its_setting() {
        let mut report = Report::new(Machine::look(std::path::Path::new("/")), true);
        let mut group = Group::new("leaves", Place::CoLocated);
        let setting = || Setting { record_bytes: Some(76), batch: Some(1_000), ..Setting::default() };
        group.add(Figure::new("one", 50.0, "leaves/s", setting()).against(25.0, "raw").aim(Aim::AtLeast(60.0)));
        group.add(Figure::new("two", 70.0, "leaves/s", setting()).aim(Aim::AtLeast(60.0)));
        let times = Times::new((1..=100).map(Duration::from_micros).collect());
        let three = Figure::new("three", 5.0, "/s", Setting::default()).timed(&times).against(10.0, "raw");
        group.add(three.aim(Aim::RatioAtLeast(0.7)));
        group.notes.push("beware".into());
        report.groups.push(group);
        let text = text(&report);
        assert!(text.contains("co-located: all on this machine"), "{text}");
        assert!(text.contains("2.00 x raw  [aim >= 60.0: MISSED]"), "{text}");
        assert!(text.contains("[aim >= 60.0: met]") && text.contains("  - beware"), "{text}");
        assert!(text.contains("p50    50.0, p99    99.0 us"), "{text}");
        assert!(text.contains("0.50 x raw  [aim >= 0.70 x: MISSED]"), "{text}");
        assert_eq!(text.matches("76 B records; batch 1000").count(), 1, "{text}");
        assert!(text.contains("quick run"));
    }
}
