use super::*;

#[test]
fn sizes_are_whole_numbers_with_the_usual_units() {
    for (text, bytes) in [
        ("0", 0),
        ("512", 512),
        ("7B", 7),
        ("64MiB", 64 << 20),
        ("10GiB", 10 << 30),
        ("10gib", 10 << 30),
        ("1 KiB", 1024),
        ("3kB", 3_000),
        ("2MB", 2_000_000),
        ("16383TiB", 16_383 << 40),
        ("18446744073709551615", u64::MAX),
    ] {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
    }
    for bad in ["", "MiB", "-1", "+1", "1.5GiB", "10G", "10GiBs", "1e3", "１", "0x10"] {
        assert_eq!(parse_size(bad), Err(SIZE_FORM), "{bad}");
    }
    for large in ["18446744073709551616", "16777216TiB", "99999999999999999999999GiB"] {
        assert!(parse_size(large).unwrap_err().contains("2^64"), "{large}");
    }
}

#[test]
fn times_are_rfc_3339_or_milliseconds() {
    for (text, ms) in [
        ("0", 0),
        ("1732700000000", 1_732_700_000_000),
        ("9223372036854775807", MAX_TIMESTAMP),
        ("1970-01-01T00:00:00Z", 0),
        ("2024-11-27T09:33:20Z", 1_732_700_000_000),
        ("2024-11-27T10:33:20.0019+01:00", 1_732_700_000_001),
    ] {
        assert_eq!(parse_time(text), Ok(ms), "{text}");
    }
    for bad in ["", "yesterday", "2024-11-27", "2024-11-27 09:33", "-1", "1.5", "2024-13-01T00:00:00Z"] {
        assert_eq!(parse_time(bad), Err(TIME_FORM), "{bad}");
    }
    assert!(parse_time("9223372036854775808").unwrap_err().contains("2^63"));
    assert!(parse_time("1969-12-31T23:59:59.9999Z").unwrap_err().contains("1970"));
}

#[test]
fn what_is_shown_reads_back() {
    for ms in [0, 1, 1_732_700_000_000, 253_402_300_799_999] {
        assert_eq!(parse_time(&show_time(ms)), Ok(ms), "{}", show_time(ms));
    }
    assert_eq!(show_time(1_732_700_000_001), "2024-11-27T09:33:20.001Z");
    assert_eq!(show_time(MAX_TIMESTAMP), "9223372036854775807ms", "no calendar reaches it");
    for bytes in [0, 1023, 1024, 64 << 20, 10 << 30, 3 << 40] {
        assert_eq!(parse_size(&show_size(bytes)), Ok(bytes), "{}", show_size(bytes));
    }
    assert_eq!(show_size(1_258_291), "1.1 MiB");
    assert_eq!(show_size((10 << 30) - 1), "9.9 GiB");
    assert_eq!(show_size(u64::MAX), "16777215.9 TiB");
    for (ms, text) in [(7 * 86_400_000, "7d"), (36 * 3_600_000, "36h"), (90_000, "90s"), (1, "1ms")] {
        assert_eq!(show_span(ms), text);
    }
}
