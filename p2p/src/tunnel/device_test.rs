use super::*;

#[test]
fn names_are_those_that_the_system_takes() {
    for name in ["pyra%d", "a", "pyra-none.1_x", "fifteen-letters"] {
        assert_eq!(check(name), Ok(()), "{name}");
    }
    for name in ["", ".", "..", "a/b", "a b", "a%s", "%d%d", "sixteen-letters-", "é"] {
        assert!(check(name).is_err_and(|why| why.contains("tunnel.device")), "{name}");
    }
}

#[test]
fn a_name_that_is_taken_is_refused() {
    assert!(check("lo").is_err_and(|why| why.contains("there is an interface")));
}

#[tokio::test]
async fn the_reason_names_the_device_and_the_setting() {
    let error = Device::open("lo", Ipv6Addr::LOCALHOST).await.unwrap_err().to_string();
    assert!(error.contains("device lo") && error.contains("--tunnel-device"), "{error}");
    let error = TunnelError::NoCapability { name: "pyra0".into() }.to_string();
    for part in ["pyra0", "CAP_NET_ADMIN", "setcap cap_net_admin+ep", "tunnel.mode = \"userspace\""] {
        assert!(error.contains(part), "{error}");
    }
}
