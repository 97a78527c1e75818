use super::*;

#[test]
fn only_reads_of_one_log_are_sent_on() {
    let of = |text: &str| name_of(&text.parse().unwrap()).map(|name| name.to_string());
    assert_eq!(of("/v1/cluster/logs/orders/records?from=3"), Some("orders".into()));
    assert_eq!(of("/v1/cluster/logs/orders/consistency"), Some("orders".into()));
    for other in
        ["/v1/cluster/logs/orders", "/v1/cluster/logs/orders/records/3", "/v1/status", "/v1/cluster/logs/A%20/x"]
    {
        assert_eq!(of(other), None, "{other}");
    }
    let partition = |text: &str| partition_of(&text.parse().unwrap());
    assert_eq!(partition("/v1/cluster/logs/orders/records"), Some(0));
    assert_eq!(partition("/v1/cluster/logs/orders/records?from=1&partition=7"), Some(7));
    assert_eq!(partition("/v1/cluster/logs/orders/records?partition=-1"), None);
}

#[tokio::test]
async fn an_answer_comes_back_as_it_was() {
    let response = read_answer(&framed(StatusCode::NOT_FOUND, b"{\"error\":1}")).unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(&to_bytes(response.into_body(), 99).await.unwrap()[..], b"{\"error\":1}");
    let large = read_answer(&framed(StatusCode::PAYLOAD_TOO_LARGE, b"")).unwrap();
    let body = to_bytes(large.into_body(), 999).await.unwrap();
    assert!(String::from_utf8_lossy(&body).contains("ask for fewer records"));
    for none in [&b""[..], b"\0", b"\0\x01"] {
        assert!(read_answer(&Bytes::from_static(none)).is_none(), "{none:?}");
    }
}
