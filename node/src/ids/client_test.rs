use super::*;
use crate::ids::testkit::{DEAD, Scripted, silent};

/// Ten ids of `node` from the given place of its first millisecond on.
fn ten(node: u16, place: u64) -> (u16, String) {
    let first = u64::from(node) << 13 | place;
    (200, format!(r#"{{"node":{node},"ids":{{"first":"{first}","count":"10"}}}}"#))
}

fn refusing() -> (u16, String) {
    (503, r#"{"error":{"code":"no_ids","message":"the disk did not confirm a write"}}"#.into())
}

fn client(urls: &[&str]) -> IdsClient {
    let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
    IdsClient::new(&urls).unwrap()
}

#[test]
fn it_moves_on_from_each_that_gives_none_and_stays_with_the_one_that_does() {
    let (_held, silent) = silent();
    let refusing = Scripted::new(|_| refusing());
    let nonsense = Scripted::new(|_| (200, "<html>".into()));
    let good = Scripted::new(|turn| ten(3, 10 * turn as u64));
    let mut client = client(&[DEAD, &silent, &refusing.url, &nonsense.url, &good.url]);
    let ids: Vec<u64> = client.scarabs(10).unwrap().map(u64::from).collect();
    assert_eq!(ids, Vec::from_iter((3 << 13)..(3 << 13) + 10));
    assert_eq!(client.server(), good.url);
    client.scarabs(10).unwrap();
    assert_eq!((refusing.asked(), nonsense.asked(), good.asked()), (1, 1, 2));
}

#[test]
fn after_the_last_server_comes_the_first() {
    let first = Scripted::new(|turn| if turn == 1 { refusing() } else { ten(1, 10 * turn as u64) });
    let second = Scripted::new(|turn| if turn == 1 { refusing() } else { ten(2, 10 * turn as u64) });
    let mut client = client(&[&first.url, &second.url]);
    let nodes: Vec<u16> = (0..3).map(|_| client.scarabs(10).unwrap().next().unwrap().node().number()).collect();
    assert_eq!(nodes, [1, 2, 1]);
}

#[test]
fn when_all_fail_each_is_named_with_its_reason() {
    let (_held, silent) = silent();
    let refusing = Scripted::new(|_| refusing());
    let short = Scripted::new(|_| ten(1, 0));
    let mut client = client(&[DEAD, &silent, &refusing.url, &short.url]);
    let Err(Error::NoIds(why)) = client.scarabs(11) else { panic!("somebody gave ids") };
    let reasons: Vec<&str> = why.split("; http://").collect();
    assert_eq!(reasons.len(), 4, "{why}");
    for (reason, (url, part)) in reasons.iter().zip([
        (DEAD, "connection refused"),
        (&silent, "did not answer within"),
        (&refusing.url, "refused with 503: the disk did not confirm a write"),
        (&short.url, "it gave \"10\" where 11 were asked for"),
    ]) {
        assert!(
            reason.contains(url.trim_start_matches("http://")) && reason.contains(part),
            "{part} is not in {reason}"
        );
    }
}

#[test]
fn two_servers_with_one_number_are_refused() {
    let first = Scripted::new(|turn| if turn == 0 { ten(7, 0) } else { refusing() });
    let second = Scripted::new(|_| ten(7, 500));
    let mut client = client(&[&first.url, &second.url]);
    client.scarabs(10).unwrap();
    let Err(Error::RepeatedIds(why)) = client.scarabs(10) else { panic!("ids of two generators with one number") };
    for part in [&first.url, &second.url, "node number 7", "never used", "name it once"] {
        assert!(why.contains(part), "{part} is not in {why}");
    }
}

#[test]
fn a_server_that_goes_back_is_refused_and_one_with_a_new_number_is_not() {
    let back = Scripted::new(|turn| ten(7, if turn == 0 { 100 } else { 109 }));
    let mut client = self::client(&[&back.url]);
    client.scarabs(10).unwrap();
    let Err(Error::RepeatedIds(why)) = client.scarabs(10) else { panic!("id 109 twice") };
    assert!(why.contains(&back.url) && why.contains("restored"), "{why}");

    let renewed = Scripted::new(|turn| ten(9 - turn as u16, 100));
    let mut client = self::client(&[&renewed.url]);
    assert!(client.scarabs(10).is_ok() && client.scarabs(10).is_ok());
}

#[test]
fn a_counter_is_that_of_one_server() {
    let server = Scripted::new(|_| (200, r#"{"first":"65536","count":"10"}"#.into()));
    assert_eq!(client(&[&server.url]).counter(10).unwrap(), 65_536..65_546);
    let message = client(&[&server.url, DEAD]).counter(10).unwrap_err().to_string();
    assert!(message.contains("names 2") && message.contains("name one"), "{message}");
    assert_eq!(server.asked(), 1);
}

#[test]
fn wrong_servers_and_counts_are_refused_before_anything_is_asked() {
    let refused = |urls: &[&str]| {
        let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        IdsClient::new(&urls).unwrap_err().to_string()
    };
    for url in ["", "localhost:26661", "https://localhost", "http://", "http://a/v1/ids", "http://a b"] {
        assert!(refused(&[url]).contains("http://HOST:PORT"), "{url}");
    }
    assert!(refused(&[]).contains("names 0"));
    assert!(refused(&["http://a:1", "http://a:1/"]).contains("twice"));
    let server = Scripted::new(|_| ten(1, 0));
    for count in [0, MAX_RANGE + 1, u32::MAX] {
        let message = client(&[&server.url]).scarabs(count).unwrap_err().to_string();
        assert!(message.contains("1 to 1048576"), "{message}");
    }
    assert_eq!(server.asked(), 0);
}
