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
