//! The state of the signer, for people.

use pyralog_consensus::engine::SignerState;

/// What is true of this member. Every member has the validator key; the engine of one that follows is only not given it.
pub fn state_text(state: &SignerState) -> String {
    match state {
        SignerState::NoKey => {
            "this member follows the chain; the cluster's validator signs through another one, if any: `pyralog cluster status` says which, or who waits for blocks".to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_follows_is_not_said_to_have_no_key() {
        let text = state_text(&SignerState::NoKey);
        assert!(text.contains("another one") && !text.contains("no validator key"), "{text}");
        assert_eq!(state_text(&SignerState::Active), "active");
    }
}
