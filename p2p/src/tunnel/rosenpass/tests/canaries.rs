//! Each rule is broken once, and somebody must notice.

use super::*;

/// Who notices that a rule is broken.
fn witness(rule: Rule) -> fn() -> Checked {
    match rule {
        Rule::MacUnchecked => hostile::wrong_macs,
        Rule::NumberUnchecked => replay::spent_biscuit,
        Rule::RepetitionRekeys => replay::repeated_confirmation,
        Rule::BiscuitKeyKept => primitives::biscuit_keys_end,
        Rule::BiscuitAgeIgnored => replay::old_biscuit,
        Rule::ZeroKeyOnExpiry | Rule::ExpirySkipped => timers::expiry,
        Rule::ContestIgnored => contest::crossing,
        Rule::BiscuitsStayGood => contest::overtaken_confirmation,
        Rule::ConfirmationAwaited => timers::restart_before_confirmation,
        Rule::CookieUnchecked => load::cookies,
        Rule::AuthUnchecked => exchange::with_other_pre_shared_keys,
    }
}

#[test]
fn every_broken_rule_is_noticed() {
    let unnoticed: Vec<Rule> = Rule::ALL
        .into_iter()
        .filter(|rule| {
            switches::BROKEN.set(Some(*rule));
            let noticed = witness(*rule)();
            switches::BROKEN.set(None);
            noticed.is_ok()
        })
        .collect();
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
}

#[test]
fn nobody_complains_while_all_rules_hold() {
    for rule in Rule::ALL {
        assert_eq!(witness(rule)(), Ok(()), "{rule:?}");
    }
}
