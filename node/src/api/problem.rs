//! Errors of the API: `{"error":{"code","message","remedy"}}`, some with further members.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pyralog_consensus::tx::TxError;
use serde_json::{Value, json};

use crate::notary::Refused;

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable and lower-case.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// What to do.
    pub remedy: Option<String>,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u64>,
    /// Further members, for programs.
    pub details: Vec<(&'static str, Value)>,
}

impl Problem {
    /// A problem without a remedy of its own.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.into(), message.into());
        Self { status, code, message, remedy: None, retry_after: None, details: Vec::new() }
    }

    /// The caller's input is wrong: 400.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// There is no such thing here: 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// The node is at fault: 500.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
            .remedy("see the node's log; if it says nothing, try another node")
    }

    /// The same with what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same with when to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// The same with a further member.
    #[must_use]
    pub fn detail(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.details.push((name, value.into()));
        self
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        match refused {
            Refused::Bad(_) => Self::new(StatusCode::BAD_REQUEST, "bad_leaves", message)
                .remedy("send {\"leaves\": [\"hex\", …]}; larger sets go as one sub-tree batch"),
            Refused::Busy(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
                .remedy("send again after the given time, or to another node")
                .retry_after(1),
            Refused::Unanchored(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unanchored", message)
                .remedy("send again after the given time, or to another node; nothing was taken")
                .retry_after(5),
            Refused::Disabled => Self::new(StatusCode::SERVICE_UNAVAILABLE, "notary_disabled", message)
                .remedy("use another node")
                .retry_after(3600),
            Refused::NoQuorum(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_leader", message)
                .remedy("see with `pyralog cluster status` which members are up, and send again")
                .retry_after(2),
            Refused::NotYet => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
                .remedy("send again after the given time, or to another node; nothing was taken")
                .retry_after(1),
            Refused::Closed(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
                .remedy("use another node; nothing was taken")
                .retry_after(30),
            Refused::Unavailable(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
                .remedy("use another node; it is unknown whether the leaves are in the log")
                .retry_after(5),
        }
    }
}

impl From<TxError> for Problem {
    fn from(error: TxError) -> Self {
        let status = match error {
            TxError::MempoolFull | TxError::TooManyPending { .. } | TxError::Unavailable { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            TxError::Duplicate | TxError::AnchorSuperseded { .. } | TxError::NonceTaken { .. } => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        };
        // The sentences of this type already say what to do behind a semicolon.
        let text = error.to_string();
        let (message, remedy) = match text.rsplit_once("; ") {
            Some((message, remedy)) => (message.to_owned(), Some(remedy.to_owned())),
            None => (text, None),
        };
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        Self { remedy, retry_after, ..Self::new(status, error.name(), message) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut error = json!({"code": self.code, "message": self.message, "remedy": self.remedy});
        for (name, value) in self.details {
            error[name] = value;
        }
        let body = json!({"error": error}).to_string();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_here_is_503_with_a_time_and_what_is_wrong_is_not() {
        let busy = TxError::Unavailable { detail: "8192 submissions wait for the mempool already".into() };
        for error in [busy, TxError::MempoolFull] {
            let response = Problem::from(error).into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        }
        for (error, status) in [(TxError::Duplicate, 409), (TxError::BadSignature { index: 0 }, 400)] {
            let response = Problem::from(error).into_response();
            assert_eq!(response.status().as_u16(), status);
            assert!(!response.headers().contains_key(header::RETRY_AFTER));
        }
    }

    #[test]
    fn leaves_beyond_the_unanchored_ones_that_are_allowed_are_503_with_a_time() {
        let problem = Problem::from(Refused::Unanchored(7));
        assert!(problem.message.starts_with("7 leaves wait for an anchor already"), "{}", problem.message);
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "5");
    }

    #[test]
    fn the_remedy_is_the_half_of_the_sentence_behind_the_semicolon() {
        let problem = Problem::from(TxError::MempoolFull);
        assert_eq!((problem.code.as_str(), problem.message.contains(';')), ("mempool_full", false));
        assert!(problem.remedy.is_some_and(|remedy| remedy.starts_with("send it again later")));
    }
}
