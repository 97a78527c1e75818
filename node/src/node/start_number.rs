//! The number of a start: other validators answer a start by it, and take a lower one for an old one.

use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::home::{Home, PUBLIC, read_bounded, write_atomic};
use crate::keys::random;

/// Longest stored number, bytes.
const MAX_BYTES: u64 = 64;

/// The number of this start, remembered. Higher than the last of this home, also where the clock was set back; and higher than any that the home had
/// before it was restored from an older copy, if the clock is right.
///
/// # Errors
/// It cannot be read or written; the file holds something else.
pub(super) fn next(home: &Home) -> Result<u64> {
    let path = home.start_number();
    let last = match path.exists() {
        false => 0,
        true => {
            let bytes = read_bounded(&path, MAX_BYTES)?;
            let number = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim_end().parse().ok());
            number.ok_or_else(|| Error::home(&path, "it does not hold a number; remove the file"))?
        }
    };
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let number = after(last, clock, random()?);
    write_atomic(&path, format!("{number}\n").as_bytes(), PUBLIC)?;
    Ok(number)
}

/// Milliseconds since 1970 in the upper 42 bits, then luck; or the one after the last.
fn after(last: u64, clock: Duration, luck: [u8; 4]) -> u64 {
    let luck = u64::from(u32::from_be_bytes(luck) >> 10);
    ((clock.as_millis() as u64) << 22 | luck).max(last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_rise_whatever_the_clock_does() {
        let ms = Duration::from_millis;
        let first = after(0, ms(1_000), [0xff; 4]);
        assert_eq!(first, 1_000 << 22 | ((1 << 22) - 1));
        assert!(after(first, ms(1_001), [0; 4]) > first);
        assert_eq!(after(first, ms(1), [0; 4]), first + 1, "a clock that was set back");
        assert_eq!(after(u64::MAX, ms(1), [0; 4]), u64::MAX);
    }

    #[test]
    fn each_start_of_a_home_has_a_higher_one() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        home.create().unwrap();
        let first = next(&home).unwrap();
        let ahead = first + (1 << 50);
        std::fs::write(home.start_number(), format!("{ahead}\n")).unwrap();
        assert_eq!(next(&home).unwrap(), ahead + 1);
        assert_eq!(next(&home).unwrap(), ahead + 2, "remembered");
        std::fs::write(home.start_number(), "soon").unwrap();
        let message = next(&home).unwrap_err().to_string();
        assert!(message.contains("start.number") && message.contains("remove the file"), "{message}");
    }
}
