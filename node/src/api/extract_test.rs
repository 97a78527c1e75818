use axum::body::Body as Sent;
use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    from: Option<u64>,
}

/// Words of the libraries that are nobody's business.
const FOREIGN: [&str; 6] = ["deserialize", "query string", "buffer", "hyper", "Invalid URL", "u64"];

fn sound(problem: &Problem) {
    assert_eq!((problem.status.as_u16(), problem.code.as_str()), (400, "bad_request"));
    assert!(problem.remedy.is_some(), "{problem:?}");
    assert!(!FOREIGN.iter().any(|word| problem.message.contains(word)), "{problem:?}");
}

#[tokio::test]
async fn a_query_that_cannot_be_read_is_refused_with_the_name_and_a_remedy() {
    for (query, part) in [
        ("?form=1", "unknown field `form`, expected `from`"),
        ("?from=1&from=2", "duplicate field `from`"),
        ("?from=x", "from: invalid digit"),
        ("?from", "from: "),
    ] {
        let (mut parts, ()) = Request::builder().uri(format!("/v1/logs{query}")).body(()).unwrap().into_parts();
        let problem = Query::<Asked>::from_request_parts(&mut parts, &()).await.unwrap_err();
        sound(&problem);
        assert!(
            problem.message.starts_with("the query is not understood: ") && problem.message.contains(part),
            "{problem:?}"
        );
    }
    for query in [format!("?{}=1", "x".repeat(5_000)), format!("?{}=1", "x:%20".repeat(1_000))] {
        let (mut parts, ()) = Request::builder().uri(format!("/v1/logs{query}")).body(()).unwrap().into_parts();
        let problem = Query::<Asked>::from_request_parts(&mut parts, &()).await.unwrap_err();
        sound(&problem);
        assert!(problem.message.len() < 300, "{problem:?}");
    }
    let (mut parts, ()) = Request::builder().uri("/v1/logs?from=7").body(()).unwrap().into_parts();
    assert_eq!(Query::<Asked>::from_request_parts(&mut parts, &()).await.unwrap().0.from, Some(7));
}

#[tokio::test]
async fn a_body_that_breaks_is_refused_with_a_remedy() {
    let broken = || futures::stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("hyper says so"))]);
    let request = Request::new(Sent::from_stream(broken()));
    let response = Body::from_request(request, &()).await.unwrap_err();
    assert_eq!(response.status(), 400);
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let text = body.to_string();
    assert!(text.contains("cannot be read") && text.contains("content-length") && !text.contains("hyper"), "{text}");
    assert_eq!(Body::from_request(Request::new(Sent::from("{}")), &()).await.unwrap().0, "{}");
}
