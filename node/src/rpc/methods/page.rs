//! Pages and heights as CometBFT counts them.

use crate::rpc::envelope::RpcError;
use crate::rpc::params::Params;

/// Entries per page where nothing is said.
const DEFAULT_PER_PAGE: usize = 30;
/// Entries per page at most.
const MAX_PER_PAGE: usize = 100;

/// The range of entries that `page` and `per_page` ask for out of `total`.
pub fn range(params: &Params, total: usize) -> Result<std::ops::Range<usize>, RpcError> {
    let per_page = match params.int("per_page")? {
        None => DEFAULT_PER_PAGE,
        Some(n) if n < 1 => DEFAULT_PER_PAGE,
        Some(n) => usize::try_from(n).unwrap_or(MAX_PER_PAGE).min(MAX_PER_PAGE),
    };
    let pages = total.div_ceil(per_page).max(1);
    let page = match params.int("page")? {
        None => 1,
        Some(page) => usize::try_from(page)
            .ok()
            .filter(|page| (1..=pages).contains(page))
            .ok_or_else(|| RpcError::Internal(format!("page should be within [1, {pages}] range, given {page}")))?,
    };
    let start = (page - 1) * per_page;
    Ok(start..(start + per_page).min(total))
}

/// The height that a call means: `latest` where none is given, and the sentences that light clients parse.
pub fn height(params: &Params, name: &str, latest: u64) -> Result<u64, RpcError> {
    let Some(height) = params.int(name)? else { return Ok(latest) };
    let refuse = |text: String| Err(RpcError::Internal(text));
    match u64::try_from(height) {
        Err(_) | Ok(0) => refuse(format!("height must be greater than 0, but got {height}")),
        Ok(height) if height > latest => {
            refuse(format!("height {height} must be less than or equal to the current blockchain height {latest}"))
        }
        Ok(height) => Ok(height),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Params {
        Params::from_query(text, &["height", "page", "per_page"]).unwrap()
    }

    #[test]
    fn pages_are_counted_from_one() {
        assert_eq!(range(&query(""), 70).unwrap(), 0..30);
        assert_eq!(range(&query("page=3"), 70).unwrap(), 60..70);
        assert_eq!(range(&query("page=1&per_page=1000"), 700).unwrap(), 0..100);
        assert_eq!(range(&query(""), 0).unwrap(), 0..0);
        for bad in ["page=0", "page=4", "page=-1"] {
            let error = range(&query(bad), 70).unwrap_err();
            assert!(error.detail().starts_with("page should be within [1, 3] range"), "{error:?}");
        }
    }

    #[test]
    fn heights_are_refused_in_cometbfts_words() {
        assert_eq!(height(&query(""), "height", 9).unwrap(), 9);
        assert_eq!(height(&query("height=9"), "height", 9).unwrap(), 9);
        let future = height(&query("height=10"), "height", 9).unwrap_err();
        assert_eq!(future.detail(), "height 10 must be less than or equal to the current blockchain height 9");
        let zero = height(&query("height=0"), "height", 9).unwrap_err();
        assert_eq!(zero.detail(), "height must be greater than 0, but got 0");
    }
}
