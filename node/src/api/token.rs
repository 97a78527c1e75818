//! The token of calls that administer.

use axum::http::{HeaderMap, StatusCode, header};
use pyralog_crypto::{Blake3, MerkleHash};

use super::Problem;

/// What a caller of `/v1/admin/…` and `/v1/cluster/…` must show. It cannot be printed.
pub struct AdminToken(String);

impl AdminToken {
    /// The token that stands in `HOME/data/admin.token`.
    pub fn new(token: String) -> Self {
        Self(token)
    }

    /// Whether the request shows it; `remedy` says how its caller gets there.
    ///
    /// # Errors
    /// 401.
    pub fn require(&self, headers: &HeaderMap, remedy: &str) -> Result<(), Problem> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or("");
        let expected = format!("Bearer {}", self.0);
        // Compared in constant time over digests: neither length nor prefix shows.
        let digest = |text: &str| Blake3::digest(text.as_bytes());
        if digest(given) == digest(&expected) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "this call needs the node's admin token")
            .remedy(remedy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_behind_its_scheme_is_taken() {
        let token = AdminToken::new("0123abcd".into());
        let ask = |value: Option<&str>| {
            let headers = value.map(|value| (header::AUTHORIZATION, value.parse().unwrap()));
            token.require(&headers.into_iter().collect(), "ask the operator")
        };
        ask(Some("Bearer 0123abcd")).unwrap();
        for wrong in ["Bearer 0123abc", "Bearer 0123abcde", "Bearer ", "0123abcd", "Basic 0123abcd", ""] {
            let problem = ask(Some(wrong)).unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.code.as_str()), (401, "unauthorized"), "{wrong:?}");
            assert_eq!(problem.remedy.as_deref(), Some("ask the operator"));
        }
        assert_eq!(ask(None).unwrap_err().status, 401);
    }
}
