use super::*;

/// Messages go to operators: they name what to mend and hold no line breaks.
#[test]
fn messages_say_who_and_what() {
    let peer = PeerId::random();
    let about_a_peer = [
        Error::Busy { peer },
        Error::Refused { peer },
        Error::PeerLimit { peer },
        Error::Timeout { peer },
        Error::Unreachable { peer, reason: "gone".into() },
        Error::UnsupportedProtocol { peer, protocol: "sync/1".into() },
        Error::BadResponse { peer, reason: "short".into() },
        Error::Banned { peer },
    ];
    for error in about_a_peer {
        let text = error.to_string();
        assert!(text.contains(&peer.to_string()) && !text.contains('\n'), "{text}");
    }
    let named = [
        (Error::config("listen", "is empty"), "listen"),
        (Error::Listen { address: "/ip4/192.0.2.1/tcp/1".into(), reason: "in use".into() }, "[p2p] listen"),
        (Error::UnknownTopic("blocks".into()), "blocks"),
        (Error::UnknownProtocol("sync".into()), "sync"),
        (Error::TooLarge { what: "request", size: 11, max: 10 }, "request of 11 bytes is over the limit of 10"),
        (Error::NoPeers("votes".into()), "votes"),
        (Error::Duplicate("votes".into()), "votes"),
        (Error::Overloaded("too many requests"), "too many requests"),
    ];
    for (error, part) in named {
        assert!(error.to_string().contains(part), "{error}");
    }
}
