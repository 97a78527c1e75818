//! Names of chains and logs.

use crate::error::ParseError;

/// Longest chain id, in characters.
pub const MAX_CHAIN_ID: usize = 50;

/// Longest log name, in characters.
pub const MAX_LOG_NAME: usize = 64;

/// Checks a chain id: 1 to 50 characters of `[a-zA-Z0-9._-]`.
///
/// # Errors
/// [`ParseError::ChainId`].
pub fn check_chain_id(chain_id: &str) -> Result<(), ParseError> {
    if is_name(chain_id, MAX_CHAIN_ID) { Ok(()) } else { Err(ParseError::ChainId) }
}

/// Checks the name of a log: 1 to 64 characters of `[a-zA-Z0-9._-]`.
///
/// # Errors
/// [`ParseError::LogName`].
pub fn check_log_name(name: &str) -> Result<(), ParseError> {
    if is_name(name, MAX_LOG_NAME) { Ok(()) } else { Err(ParseError::LogName) }
}

fn is_name(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests;
