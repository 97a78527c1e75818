//! Durations as people type them after a flag: one notation for every program.

use std::time::Duration;

use thiserror::Error;

/// Longest time that a command may be told to wait.
const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DurationError {
    /// Not a whole number with one of the units.
    #[error("write a duration like 3, 3s, 500ms, 2m, 12h or 14d; a number alone counts seconds")]
    Form,
    /// More than a duration holds, or more than a command may wait.
    #[error("the duration is too long; 24h is the longest wait, 14d a usual trusting period")]
    TooLong,
}

/// Reads a whole number of milliseconds, seconds, minutes, hours or days: `500ms`, `3s`, `2m`, `12h`, `14d`; `3` is `3s`.
///
/// # Errors
/// [`DurationError`], with examples.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(DurationError::Form),
    };
    if number.is_empty() {
        return Err(DurationError::Form);
    }
    // Digits that do not fit are the only thing left to go wrong.
    let number: u64 = number.parse().map_err(|_| DurationError::TooLong)?;
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or(DurationError::TooLong)
}

/// [`parse_duration`] for how long a command waits: a day at most.
///
/// # Errors
/// [`DurationError`], with examples.
pub fn parse_wait(text: &str) -> Result<Duration, DurationError> {
    parse_duration(text).and_then(|wait| if wait <= MAX_WAIT { Ok(wait) } else { Err(DurationError::TooLong) })
}

#[cfg(test)]
mod tests;
