use super::*;

#[test]
fn chain_ids() {
    for good in ["a", "pyralog-1", "pyralog-dev-0f3A", "a.b_c-d", &"x".repeat(50)] {
        assert_eq!(check_chain_id(good), Ok(()), "{good}");
    }
    for bad in ["", " ", "a b", "a/b", "é", "a\n", "a\0", &"x".repeat(51)] {
        assert_eq!(check_chain_id(bad), Err(ParseError::ChainId), "{bad}");
    }
}

#[test]
fn log_names() {
    assert_eq!(check_log_name(&"n".repeat(MAX_LOG_NAME)), Ok(()));
    assert_eq!(check_log_name(&"n".repeat(MAX_LOG_NAME + 1)), Err(ParseError::LogName));
    assert_eq!(check_log_name(""), Err(ParseError::LogName));
    assert_eq!(check_log_name("two words"), Err(ParseError::LogName));
}
