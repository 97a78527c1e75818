use super::*;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_ban_ends_once() {
    let (now, peer) = (Instant::now(), PeerId::random());
    let mut bans = BanList::new(MINUTE, MINUTE * 8, 10);
    assert_eq!(bans.ban(peer, now), Some(MINUTE));
    assert!(bans.contains(&peer));
    assert!(bans.expired(now + MINUTE / 2).is_empty());
    assert_eq!(bans.expired(now + MINUTE), vec![peer]);
    assert!(!bans.contains(&peer));
    assert!(bans.expired(now + MINUTE).is_empty());
}

#[test]
fn banning_a_banned_peer_changes_nothing() {
    let (now, peer) = (Instant::now(), PeerId::random());
    let mut bans = BanList::new(MINUTE, MINUTE * 8, 10);
    bans.ban(peer, now);
    assert_eq!(bans.ban(peer, now + MINUTE / 2), None);
    assert_eq!(bans.expired(now + MINUTE), vec![peer]);
}

#[test]
fn repeated_bans_double_up_to_the_longest() {
    let (mut now, peer) = (Instant::now(), PeerId::random());
    let mut bans = BanList::new(MINUTE, MINUTE * 5, 10);
    for minutes in [1, 2, 4, 5, 5] {
        assert_eq!(bans.ban(peer, now), Some(MINUTE * minutes));
        now += MINUTE * minutes;
        assert_eq!(bans.expired(now), vec![peer]);
    }
}

#[test]
fn a_quiet_peer_starts_anew() {
    let (now, peer) = (Instant::now(), PeerId::random());
    let mut bans = BanList::new(MINUTE, MINUTE * 5, 10);
    bans.ban(peer, now);
    bans.expired(now + MINUTE);
    bans.expired(now + MINUTE * 3);
    assert_eq!(bans.ban(peer, now + MINUTE * 3), Some(MINUTE));
}

#[test]
fn lifting_frees_at_once() {
    let (now, peer) = (Instant::now(), PeerId::random());
    let mut bans = BanList::new(MINUTE, MINUTE, 10);
    assert!(!bans.lift(&peer));
    bans.ban(peer, now);
    assert!(bans.lift(&peer));
    assert!(!bans.contains(&peer));
    assert!(bans.expired(now + MINUTE * 2).is_empty());
}

#[test]
fn memory_is_bounded_and_every_ban_that_began_ends() {
    let now = Instant::now();
    let mut bans = BanList::new(MINUTE, MINUTE, 8);
    let (mut banned, mut freed) = (0, 0);
    for step in 0..100u32 {
        let at = now + Duration::from_secs(u64::from(step));
        assert!(bans.ban(PeerId::random(), at).is_some());
        banned += 1;
        freed += bans.expired(at).len();
        assert!(bans.bans.len() <= 9);
    }
    freed += bans.expired(now + MINUTE * 100).len();
    assert_eq!(banned, freed);
}

#[test]
fn lengths_do_not_overflow() {
    assert_eq!(length(MINUTE, MINUTE * 9, u32::MAX), MINUTE * 9);
    assert_eq!(length(MINUTE, Duration::MAX, 33), MINUTE * u32::MAX);
}
