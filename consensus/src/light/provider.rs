//! Where light blocks come from: fetch functions given by the caller. This crate opens no connection.

use super::{error::LightError, light_block::LightBlock};
use std::fmt;

/// Answers with the light block of a height, the latest for `None`.
pub type Fetch<'a> = dyn FnMut(Option<u64>) -> Result<LightBlock, String> + 'a;

/// A node to ask, under the name that reports use.
pub struct Provider<'a> {
    name: String,
    fetch: Box<Fetch<'a>>,
}

impl<'a> Provider<'a> {
    /// A provider named `name` (its URL, say).
    pub fn new(name: impl Into<String>, fetch: impl FnMut(Option<u64>) -> Result<LightBlock, String> + 'a) -> Self {
        Self { name: name.into(), fetch: Box::new(fetch) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Provider<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A provider with a budget.
pub(crate) struct Session<'p, 'a> {
    provider: &'p mut Provider<'a>,
    limit: usize,
    /// Light blocks fetched so far.
    pub(crate) fetched: usize,
}

impl<'p, 'a> Session<'p, 'a> {
    pub(crate) fn new(provider: &'p mut Provider<'a>, limit: usize) -> Self {
        Self { provider, limit, fetched: 0 }
    }

    pub(crate) fn name(&self) -> String {
        self.provider.name.clone()
    }

    /// Fetches one light block; that it is of the height asked for is checked, nothing else.
    pub(crate) fn fetch(&mut self, height: Option<u64>) -> Result<LightBlock, LightError> {
        if self.fetched >= self.limit {
            return Err(LightError::TooMuchWork { provider: self.name(), limit: self.limit });
        }
        self.fetched += 1;
        let refuse = |provider, reason| LightError::Fetch { provider, height: height.unwrap_or(0), reason };
        let block = (self.provider.fetch)(height).map_err(|reason| refuse(self.name(), reason))?;
        match height {
            Some(height) if block.header.height != height => {
                Err(refuse(self.name(), format!("it answered with height {}", block.header.height)))
            }
            _ => Ok(block),
        }
    }
}
