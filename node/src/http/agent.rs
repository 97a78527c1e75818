//! What this program asks other nodes with.

use std::time::Duration;

/// An agent that gives up after `patience`, answers with every status, and goes where it was sent: it follows no redirect and no proxy.
pub fn agent(patience: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(patience))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .build();
    config.into()
}
