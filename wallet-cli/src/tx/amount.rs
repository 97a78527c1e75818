//! Amounts: integers of upyra, or decimals of pyra (10^6 upyra).

/// upyra in one pyra.
const PYRA: u64 = 1_000_000;

/// `250000` and `250000upyra` are upyra; `1.5pyra` is 1,500,000 upyra.
pub fn parse_amount(text: &str) -> Result<u64, String> {
    let form =
        || format!("{text:?} is no amount: write a whole number of upyra, or a number followed by pyra (10^6 upyra)");
    if let Some(number) = text.strip_suffix("upyra") {
        return digits(number).ok_or_else(form);
    }
    let Some(number) = text.strip_suffix("pyra") else {
        return digits(text).ok_or_else(form);
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let point = number.contains('.');
    if fraction.len() > 6 || (point && fraction.is_empty()) {
        return Err(form());
    }
    let whole = digits(whole).ok_or_else(form)?;
    let fraction = if fraction.is_empty() { 0 } else { digits(&format!("{fraction:0<6}")).ok_or_else(form)? };
    whole.checked_mul(PYRA).and_then(|upyra| upyra.checked_add(fraction)).ok_or_else(form)
}

/// `1500000` as `1.5 pyra`.
pub fn show_amount(upyra: u64) -> String {
    let (whole, fraction) = (upyra / PYRA, upyra % PYRA);
    if fraction == 0 {
        return format!("{whole} pyra");
    }
    format!("{whole}.{} pyra", format!("{fraction:06}").trim_end_matches('0'))
}

fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_understood() {
        let cases = [
            ("0", 0),
            ("250000", 250_000),
            ("7upyra", 7),
            ("1pyra", 1_000_000),
            ("1.5pyra", 1_500_000),
            ("0.000001pyra", 1),
            ("18446744073709.551615pyra", u64::MAX),
        ];
        for (text, upyra) in cases {
            assert_eq!(parse_amount(text).unwrap(), upyra, "{text}");
        }
    }

    #[test]
    fn nothing_is_rounded_guessed_or_wrapped() {
        for bad in ["", "-1", "+1", "1.5", "1.5upyra", "1.pyra", ".5pyra", "1.0000001pyra", "1e3", "1 pyra", "0x10"] {
            assert!(parse_amount(bad).is_err(), "{bad}");
        }
        assert!(parse_amount("18446744073709551616").is_err());
        assert!(parse_amount("18446744073709.551616pyra").is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_is_understood(upyra: u64) {
            let text = show_amount(upyra).replace(' ', "");
            proptest::prop_assert_eq!(parse_amount(&text), Ok(upyra));
            proptest::prop_assert_eq!(parse_amount(&upyra.to_string()), Ok(upyra));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,24}") {
            let _ = parse_amount(&text);
        }
    }

    #[test]
    fn amounts_are_shown_without_loss() {
        assert_eq!(show_amount(1_500_000), "1.5 pyra");
        assert_eq!(show_amount(1), "0.000001 pyra");
        assert_eq!(show_amount(0), "0 pyra");
        assert_eq!(show_amount(u64::MAX), "18446744073709.551615 pyra");
    }
}
