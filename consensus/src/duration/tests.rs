use super::*;

#[test]
fn a_number_has_a_unit_or_counts_seconds() {
    let cases = [
        ("0", 0),
        ("3", 3_000),
        ("3s", 3_000),
        ("500ms", 500),
        ("2m", 120_000),
        ("12h", 43_200_000),
        ("14d", 1_209_600_000),
        ("36500d", 3_153_600_000_000),
    ];
    for (text, milliseconds) in cases {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
    }
}

#[test]
fn anything_else_is_refused_with_examples() {
    for bad in ["", "s", "ms", "d", "-1", "+1", "1.5h", "1w", "3 s", " 3", "3S", "3sec", "1m30s", "٣s", "never"] {
        assert_eq!(parse_duration(bad), Err(DurationError::Form), "{bad}");
        assert_eq!(parse_wait(bad), Err(DurationError::Form), "{bad}");
    }
    let sentence = DurationError::Form.to_string();
    for example in ["3s", "500ms", "2m", "14d"] {
        assert!(sentence.contains(example), "{sentence}");
    }
}

#[test]
fn what_does_not_fit_is_too_long() {
    for bad in ["99999999999999999999d", "18446744073709551615d", "18446744073709551616ms"] {
        assert_eq!(parse_duration(bad), Err(DurationError::TooLong), "{bad}");
    }
    assert_eq!(parse_duration("18446744073709551615ms"), Ok(Duration::from_millis(u64::MAX)));
}

#[test]
fn a_wait_is_a_day_at_most() {
    assert_eq!(parse_wait("24h"), Ok(MAX_WAIT));
    for bad in ["25h", "86401", "86400001ms", "2d"] {
        assert_eq!(parse_wait(bad), Err(DurationError::TooLong), "{bad}");
        assert!(parse_duration(bad).is_ok(), "{bad}");
    }
}
