//! What handlers take from a request. What cannot be read is refused in words of our own: those of the libraries name their types and no remedy.

use std::error::Error;

use axum::body::Bytes;
use axum::extract::{self, FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use super::Problem;
use super::object::plain;
use super::values::short;

/// The parameters behind `?`.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match extract::Query::try_from_uri(&parts.uri) {
            Ok(extract::Query(asked)) => Ok(Self(asked)),
            Err(refused) => Err(unread_query(&refused)),
        }
    }
}

/// A query that was refused, with which of its parameters is wrong.
pub fn unread_query(refused: &dyn Error) -> Problem {
    // Its own text names a type, that below it the parameter.
    let which = refused.source().map(|which| format!(": {}", in_query(&which.to_string()))).unwrap_or_default();
    Problem::bad(format!("the query is not understood{which}")).remedy(
        "write name=value, with & between several, each name once and none but those of this call; see docs/node.md",
    )
}

/// `name: why` of a parameter, or why alone, with no more of what was sent than has room in a line.
fn in_query(text: &str) -> String {
    // A name that nobody knows has anything in it, and stands twice in the text.
    if let Some(at) = text.find("unknown field `") {
        return plain(&text[at..]);
    }
    match text.split_once(": ") {
        Some((name, why)) => format!("{}: {}", short(name), plain(why)),
        None => plain(text),
    }
}

/// The parts of the path that vary.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match extract::Path::from_request_parts(parts, state).await {
            Ok(extract::Path(found)) => Ok(Self(found)),
            Err(_) => Err(Problem::bad("a part of the path is not understood").remedy(
                "write it in UTF-8 with %XX for what is no letter or digit; a height is a number in decimal digits",
            )),
        }
    }
}

/// The whole body.
#[derive(Clone, Debug)]
pub struct Body(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        match Bytes::from_request(request, state).await {
            Ok(body) => Ok(Self(body)),
            // Said with its bound by whoever knows that.
            Err(refused) if refused.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(refused.into_response()),
            Err(_) => Err(Problem::bad(
                "the body of the request cannot be read: its chunks are malformed, or it ends too early",
            )
            .remedy("send it again with a content-length, or in chunks that each begin with their size in hex")
            .into_response()),
        }
    }
}

#[cfg(test)]
#[path = "extract_test.rs"]
mod tests;
