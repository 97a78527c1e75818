use super::*;

#[test]
fn hex_is_lower_case_and_whole() {
    assert_eq!(lower_hex("00ff"), Ok(vec![0, 255]));
    assert_eq!(lower_hex(""), Ok(vec![]));
    assert_eq!(lower_hex("0A"), Err(NotHex::UpperCase));
    for wrong in ["0", "0g", "0x00", " 00", "é0"] {
        assert!(matches!(lower_hex(wrong), Err(NotHex::Other(_))), "{wrong:?}");
        assert!(serde_json::from_value::<Hex>(wrong.into()).is_err(), "{wrong:?}");
    }
    let error = serde_json::from_str::<Hex>("\"FF\"").unwrap_err().to_string();
    assert!(error.contains("upper-case"), "{error}");
}

#[test]
fn of_a_long_text_the_beginning_is_repeated() {
    assert_eq!(short("orders"), "orders");
    assert_eq!(short(&"ä".repeat(64)), "ä".repeat(64));
    assert_eq!(short(&"ä".repeat(65)), format!("{}…", "ä".repeat(64)));
}

#[test]
fn a_number_within_bounds_has_them() {
    let read = |text: &str| serde_json::from_str::<Within<1, 7>>(text);
    assert_eq!((read("1").unwrap(), read("7").unwrap()), (Within(1), Within(7)));
    for wrong in ["0", "8", "-1", "1.0", "\"1\"", "null", "1e400", "[1]"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn numbers_are_digits_within_their_range() {
    let read = |text: &str| serde_json::from_value::<Decimal>(text.into());
    assert_eq!(read("18446744073709551615").unwrap(), Decimal(u64::MAX));
    assert_eq!(serde_json::to_value(Decimal(17)).unwrap(), "17");
    for wrong in ["18446744073709551616", "99999999999999999999999999", "+1", "-1", " 1", "1 ", "1.0", "1e3", "0x1", ""]
    {
        assert!(read(wrong).is_err(), "{wrong:?}");
        let problem = number("from", wrong, u64::MAX).unwrap_err();
        assert_eq!(problem.status, 400);
        assert!(problem.message.starts_with("from: ") && problem.remedy.unwrap().contains("decimal"), "{wrong:?}");
    }
    assert!(serde_json::from_str::<Decimal>("17").unwrap_err().to_string().contains("a string of its decimal digits"));
    assert_eq!(number("limit", "1000", 1000), Ok(1000));
    assert!(number("limit", "1001", 1000).unwrap_err().message.contains("above 1000"));
}
