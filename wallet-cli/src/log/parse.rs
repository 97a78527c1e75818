//! Sizes and times as people type them after a flag, and as they are shown.

use std::time::{SystemTime, UNIX_EPOCH};

use pyralog_crypto::MAX_TIMESTAMP;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::error::{Context, Result};

const SIZE_FORM: &str = "write a size like 512, 64MiB, 10GiB or 10GB; a number alone counts bytes";
const TIME_FORM: &str = "write a time like 2026-03-01T12:00:00Z, or milliseconds since 1970";

/// Units of sizes, the larger ones first.
const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
const DECIMAL_UNITS: [(&str, u64); 5] =
    [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];
/// Units of durations in milliseconds, the larger ones first.
const SPANS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a size in bytes: a whole number, with one of the units `B kB MB GB TB KiB MiB GiB TiB`, in either case, or without.
pub fn parse_size(text: &str) -> Result<u64, &'static str> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let mut units = UNITS.iter().chain(&DECIMAL_UNITS);
    let factor = match unit.trim_start() {
        "" => 1,
        unit => units.find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or(SIZE_FORM)?.1,
    };
    if number.is_empty() {
        return Err(SIZE_FORM);
    }
    // Digits that do not fit are the only thing left to go wrong.
    let number: Option<u64> = number.parse().ok();
    number.and_then(|number| number.checked_mul(factor)).ok_or("the size is above 2^64 - 1 bytes")
}

/// Reads a time as milliseconds since 1970: these themselves, or a date and time of RFC 3339.
pub fn parse_time(text: &str) -> Result<u64, &'static str> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|ms| *ms <= MAX_TIMESTAMP).ok_or("the time is above 2^63 - 1 milliseconds");
    }
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TIME_FORM)?;
    u64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000))
        .map_err(|_| "the time is before 1970; the date of an older document belongs in a header")
}

/// The clock of this machine, milliseconds since 1970.
pub fn now_ms() -> Result<u64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context(|| "this machine's clock".to_owned())?;
    u64::try_from(since.as_millis()).context(|| "this machine's clock".to_owned())
}

/// Milliseconds since 1970 as a date and time; as a number where no calendar reaches.
pub fn show_time(ms: u64) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000)
        .ok()
        .and_then(|time| time.format(&form).ok())
        .unwrap_or_else(|| format!("{ms}ms"))
}

/// A size in the largest unit that it reaches, with one decimal where it is not a whole number of them.
pub fn show_size(bytes: u64) -> String {
    match UNITS.iter().find(|(_, factor)| bytes >= *factor) {
        None => format!("{bytes} B"),
        Some((unit, factor)) if bytes.is_multiple_of(*factor) => format!("{} {unit}", bytes / factor),
        // Rounded down, so that nothing looks as if it had reached its limit before it has.
        Some((unit, factor)) => format!("{}.{} {unit}", bytes / factor, bytes % factor * 10 / factor),
    }
}

/// A duration in the largest unit of which it is a whole number, as the flags take it.
pub fn show_span(ms: u64) -> String {
    let (unit, factor) = SPANS.iter().find(|(_, factor)| ms.is_multiple_of(*factor)).copied().unwrap_or(("ms", 1));
    format!("{}{unit}", ms / factor)
}

#[cfg(test)]
#[path = "parse_test.rs"]
mod tests;
