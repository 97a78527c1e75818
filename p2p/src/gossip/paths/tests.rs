use super::*;

fn ids(count: usize) -> Vec<ConnectionId> {
    (0..count).map(ConnectionId::new_unchecked).collect()
}

#[test]
fn only_connections_of_long_before_are_left_behind() {
    let (mut paths, peer, ids, start) = (Paths::default(), PeerId::random(), ids(4), Instant::now());
    for (id, seconds) in [(0, 0), (1, 1), (2, 60), (3, 61)] {
        paths.opened(peer, ids[id], start + Duration::from_secs(seconds));
    }
    assert!(paths.left_behind(&peer, ids[0]).is_empty(), "those that came later are not");
    assert!(paths.left_behind(&peer, ids[1]).is_empty(), "two ends dialled each other");
    assert!(paths.left_behind(&PeerId::random(), ids[2]).is_empty());
    assert_eq!(paths.left_behind(&peer, ids[3]), [ids[0], ids[1]]);
    assert!(paths.left_behind(&peer, ids[3]).is_empty(), "once");
    paths.closed(&peer, ids[2]);
    paths.closed(&peer, ids[3]);
    assert!(paths.0.is_empty());
}
