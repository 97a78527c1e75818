use pyralog_cluster_core::NodeNumber;

use super::*;

fn refusal(text: &str, without_tls: bool) -> String {
    ListenOn::parse(text, without_tls, Vec::new()).unwrap_err().to_string()
}

#[test]
fn strangers_are_listened_to_only_when_told_so() {
    for text in ["0.0.0.0:26661", "10.8.0.1:26661", "[::]:1"] {
        let message = refusal(text, false);
        assert!(message.starts_with("--listen: ") && message.contains("is not a loopback address"), "{message}");
        assert!(message.contains("tunnel") && message.contains("--without-tls"), "{message}");
        assert_eq!(ListenOn::parse(text, true, Vec::new()).unwrap().address, text.parse().unwrap());
    }
    for (text, without_tls) in [("nonsense", false), ("nonsense", true), ("127.0.0.1", true)] {
        let message = refusal(text, without_tls);
        assert!(message.contains("is not an address") && !message.contains("--without-tls"), "{message}");
    }
    for text in ["127.0.0.1:26661", "localhost:0", "[::1]:9"] {
        assert!(ListenOn::parse(text, false, Vec::new()).unwrap().hosts.is_empty(), "{text}");
    }
}

#[test]
fn the_address_of_a_tunnel_is_a_name_to_be_called_by() {
    let hosts = |text| ListenOn::parse(text, true, vec!["ids.example".into()]).unwrap().hosts;
    assert_eq!(hosts("10.8.0.1:26661"), ["ids.example", "10.8.0.1"]);
    assert_eq!(hosts("[fd00::1]:26661"), ["ids.example", "[fd00::1]"]);
    assert_eq!(hosts("0.0.0.0:26661"), ["ids.example"]);
    assert_eq!(hosts("127.0.0.1:26661"), ["ids.example"]);
}

#[tokio::test]
async fn a_taken_port_names_the_flag() {
    let dir = tempfile::tempdir().unwrap();
    let generators = Arc::new(Generators::open(dir.path(), NodeNumber::new(1).unwrap()).unwrap());
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let on = ListenOn { address: holder.local_addr().unwrap(), hosts: Vec::new() };
    let message = IdsServer::start(Arc::clone(&generators), &on).await.err().unwrap().to_string();
    assert!(message.contains("choose another with --listen"), "{message}");
    drop(holder);
    let server = IdsServer::start(Arc::clone(&generators), &on).await.unwrap();
    assert_eq!(server.url(), format!("http://{}", on.address));
    server.run(async {}).await.unwrap();
    assert!(Arc::into_inner(generators).is_some(), "nobody holds the generators when it has ended");
}
