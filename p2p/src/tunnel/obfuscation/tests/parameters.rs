use proptest::prelude::*;

use super::*;
use crate::ObfuscationError as Wrong;

fn wrong(text: &str) -> Wrong {
    Obfuscation::parse(text).unwrap_err()
}

#[test]
fn the_interface_section_of_amneziawg_is_read() {
    let read = parsed(AMNEZIA);
    let range = |first, last| Header { first, last };
    assert_eq!(read.shared.paddings, [15, 18, 21, 9]);
    assert!(
        read.shared.headers
            == [Header::one(305_419_896), range(1_000, 2_000), Header::one(2_001), range(4_000_000_000, u32::MAX)]
    );
    assert!(read.junk == Junk { count: 3, least: 40, most: 70 });
    let loose = parsed(
        "# of the network\n\njc=3 # three\n  JMIN = 40\njmax = 70\ns1=15\nS2 = 18\ns3 = 21\ns4 = 9\nh1 = 305419896\nh2 = 1000 - 2000\nh3=2001\nh4=4000000000-4294967295",
    );
    assert!(loose.shared == read.shared && loose.junk == read.junk && loose.side == read.side);
}

#[test]
fn what_is_not_given_is_plain() {
    let only_junk = parsed("Jc = 2\nJmax = 50");
    assert!(*only_junk.shared == Shared::PLAIN && only_junk.junk == Junk { count: 2, least: 0, most: 50 });
    let explicit_types = parsed("S4 = 1\nH1 = 1\nH2 = 2\nH3 = 3\nH4 = 4\n");
    assert!(explicit_types.shared.headers == Shared::PLAIN.headers);
}

#[test]
fn wrong_lines_are_named_by_their_number() {
    assert_eq!(wrong("S1 = 3\nS2"), Wrong::Line { line: 2 });
    assert_eq!(wrong("\n[Peer]\n"), Wrong::Line { line: 2 });
    assert_eq!(wrong("PrivateKey = x"), Wrong::UnknownKey { line: 1 });
    // What looks like another protocol is not spoken, nor what AmneziaWG 3 has.
    assert_eq!(wrong("S1 = 3\nI1 = <b 0xf6>"), Wrong::UnknownKey { line: 2 });
    assert_eq!(wrong("HeaderProtectionKey = x"), Wrong::UnknownKey { line: 1 });
    assert_eq!(wrong("S1 = 3\ns1 = 3"), Wrong::Twice { line: 2, key: "S1" });
    for text in ["S1 = -1", "S1 =", "S1 = x", "S1 = 1085", "S1 = 70000"] {
        assert_eq!(wrong(text), Wrong::Number { line: 1, key: "S1", most: 1_084 }, "{text}");
    }
    assert_eq!(wrong("S4 = 65"), Wrong::Number { line: 1, key: "S4", most: 64 });
    assert_eq!(wrong("Jc = 129"), Wrong::Number { line: 1, key: "Jc", most: 128 });
    assert_eq!(wrong("Jmax = 1233"), Wrong::Number { line: 1, key: "Jmax", most: 1_232 });
    for text in ["H1 =", "H1 = 4294967296", "H1 = 9-8", "H1 = 1-2-3", "H1 = -5"] {
        assert_eq!(wrong(text), Wrong::Header { line: 1, key: "H1" }, "{text}");
    }
    assert_eq!(wrong(&"#".repeat(MAX_OBFUSCATION_TEXT + 1)), Wrong::TooLong { most: MAX_OBFUSCATION_TEXT });
}

#[test]
fn parameters_that_do_not_go_together_are_refused() {
    assert_eq!(wrong("S1 = 10\nS2 = 66"), Wrong::SameLength);
    assert_eq!(wrong("S1 = 1\nS3 = 86"), Wrong::LongCookie);
    assert_eq!(wrong("S1 = 100\nS3 = 29"), Wrong::LongCookie);
    assert_eq!(wrong("Jc = 1\nJmin = 10\nJmax = 9"), Wrong::JunkSizes);
    assert_eq!(wrong("H1 = 5\nH2 = 6\nH3 = 7"), Wrong::PlainHeader { name: "H4" });
    assert_eq!(wrong("H1 = 0-5\nH2 = 6\nH3 = 7\nH4 = 8"), Wrong::PlainHeader { name: "H1" });
    assert_eq!(wrong("H1 = 1\nH2 = 2\nH3 = 3\nH4 = 5"), Wrong::PlainHeader { name: "H1" });
    assert_eq!(wrong("H1 = 5\nH2 = 100-200\nH3 = 7\nH4 = 200"), Wrong::Overlap { one: "H2", other: "H4" });
    assert_eq!(wrong("H1 = 5\nH2 = 5\nH3 = 7\nH4 = 8"), Wrong::Overlap { one: "H1", other: "H2" });
    for text in ["", "# nothing", "S1 = 0\nH1 = 1\nJc = 0", "Jmin = 5\nJmax = 6"] {
        assert_eq!(wrong(text), Wrong::Nothing, "{text}");
    }
    let length = Wrong::SecretLength { least: 16, most: 256 };
    for text in ["", "fifteen bytes..", &"x".repeat(257)] {
        assert_eq!(wrong(&format!("Secret = {text}")), length);
        assert_eq!(Obfuscation::from_secret(text).unwrap_err(), length);
    }
}

#[test]
fn from_a_secret_follows_everything_and_the_same_for_all() {
    let drawn = Obfuscation::from_secret(SECRET).unwrap();
    // Made with Python's blake3 and a ChaCha20 written from RFC 8439. Another value is another network.
    assert_eq!(drawn.shared.paddings, [158, 56, 29, 15]);
    let headers = [35_651_221, 898_729_307, 1_121_757_999, 161_351_361];
    assert_eq!(drawn.shared.headers.map(|header| header.first), headers);
    assert_eq!(drawn.side[..4], [144, 98, 244, 229]);
    let again = parsed(&with_secret());
    assert!(again.shared == drawn.shared && again.side == drawn.side && again.junk == drawn.junk);
    let other = Obfuscation::from_secret(&SECRET.replace('a', "b")).unwrap();
    assert!(other.shared != drawn.shared && other.side != drawn.side);
}

#[test]
fn what_is_given_goes_before_what_follows_from_the_secret() {
    let (drawn, mixed) = (parsed(&with_secret()), parsed(&format!("S4 = 0\nJmax = 20\n{}", with_secret())));
    assert_eq!(mixed.shared.paddings[..3], drawn.shared.paddings[..3]);
    assert!(mixed.shared.paddings[3] == 0 && mixed.shared.headers == drawn.shared.headers);
    assert!(mixed.junk == Junk { count: 4, least: 20, most: 20 });
    assert!(mixed.side != drawn.side, "a network that differs in anything is another one");
    // `=` and `#` are part of a secret.
    assert!(parsed("Secret = 0123456789abcdef#=").side != parsed("Secret = 0123456789abcdef").side);
}

#[test]
fn nothing_of_it_is_printed() {
    let said = format!("{:?} {:?}", parsed(AMNEZIA), disguise(&with_secret(), 1));
    assert_eq!(said, "Obfuscation(..) Disguise(..)");
    assert!(!wrong("S1 = 3\nSecret hunter2").to_string().contains("hunter2"));
}

proptest! {
    #[test]
    fn every_secret_gives_parameters_that_are_taken(secret in "[ -~]{16,64}") {
        let drawn = Obfuscation::from_secret(&secret).unwrap();
        prop_assert!(drawn.shared.headers.iter().all(|header| header.first > 4 && header.first == header.last));
        let [first, second, third, fourth] = drawn.shared.paddings;
        prop_assert!((32..=159).contains(&first) && (32..=160).contains(&second));
        prop_assert!((16..=47).contains(&third) && (8..=31).contains(&fourth));
    }

    #[test]
    fn no_text_makes_it_panic(text in "([SsHhJj][0-9a-z]{1,3} ?= ?[0-9-]{0,12}\n|\\PC{0,20}\n){0,12}") {
        let _ = Obfuscation::parse(&text);
    }
}
