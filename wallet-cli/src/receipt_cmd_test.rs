use super::*;

#[test]
fn an_invalid_receipt_weighs_more_than_an_error_and_that_more_than_a_pending_one() {
    let mut worst = None;
    for (failure, code) in [
        (Failure::pending("p"), 4),
        (Failure::error("e"), 1),
        (Failure::pending("p"), 1),
        (Failure::invalid("i"), 3),
        (Failure::error("e"), 3),
    ] {
        raise(&mut worst, failure);
        assert_eq!(worst.as_ref().unwrap().code(), code);
    }
}

#[test]
fn an_unreachable_node_leaves_the_receipt_pending() {
    let failure = pending_instead(&Failure::error("no answer").next("start a node"), 1);
    assert_eq!(failure.code(), 4);
    assert!(failure.to_string().contains("still pending"));
    assert_eq!(failure.report().next.as_deref(), Some("start a node"));
}
