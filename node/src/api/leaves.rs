//! The body of a submission.

use std::borrow::Cow;

use serde::Deserialize;

use super::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow)]
    leaves: Vec<Cow<'a, str>>,
}

/// Reads `{"leaves": ["hex", …]}`. Hex digits are lower-case, and none is missing.
///
/// # Errors
/// The problem to answer with.
pub fn parse_leaves(body: &[u8], max: usize) -> Result<Vec<Vec<u8>>, Problem> {
    let parsed: Body<'_> = serde_json::from_slice(body).map_err(|e| {
        Problem::bad(format!("the body is not understood: {e}")).remedy("send {\"leaves\": [\"hex\", …]}")
    })?;
    if parsed.leaves.len() > max {
        return Err(Problem::bad(format!("{} leaves in one submission, at most {max} are taken", parsed.leaves.len()))
            .remedy("split them, or send them as one sub-tree batch"));
    }
    let decode = |(n, text): (usize, &Cow<'_, str>)| {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(Problem::bad(format!("leaf {n} has upper-case digits")).remedy("write hex in lower case"));
        }
        hex::decode(text.as_bytes()).map_err(|e| Problem::bad(format!("leaf {n} is not hex: {e}")))
    };
    parsed.leaves.iter().enumerate().map(decode).collect()
}
