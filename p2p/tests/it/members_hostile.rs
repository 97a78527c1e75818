//! Strangers and broken members on the member protocol.

use std::{io, time::Duration};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::{
    PeerId, StreamProtocol, Swarm, SwarmBuilder, identify, noise,
    request_response::{self as rr, ProtocolSupport},
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use pyralog_p2p::{Lane, MAX_MEMBER_MESSAGE, MemberEvent, SendError};
use tokio::sync::mpsc;

use crate::{
    members::{Member, event, hasty, message, pair, up},
    net::{config, peer_id, soon, until},
};

const URGENT: &[u8] = &[0];
const BULK: &[u8] = &[1];
const PING: &[u8] = &[0xff; 4];

fn frame(data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32).to_be_bytes()[..], data].concat()
}

/// What a stream writes, and what again and again after that until it is closed; with nothing to repeat it ends.
#[derive(Clone, Debug)]
struct Script(Vec<u8>, Option<&'static [u8]>);

#[derive(Clone)]
struct Raw;

impl rr::Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Script;
    type Response = ();

    /// Swallows what the node writes.
    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Script> {
        let mut buffer = [0; 1_024];
        while io.read(&mut buffer).await? > 0 {}
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<()> {
        while io.read(&mut [0]).await? > 0 {}
        Ok(())
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        Script(bytes, again): Script,
    ) -> io::Result<()> {
        io.write_all(&bytes).await?;
        io.flush().await?;
        while let Some(again) = again {
            tokio::time::sleep(Duration::from_millis(20)).await;
            io.write_all(again).await?;
            io.flush().await?;
        }
        Ok(())
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        _: (),
    ) -> io::Result<()> {
        Ok(())
    }
}

#[derive(NetworkBehaviour)]
struct Protocols {
    raw: rr::Behaviour<Raw>,
    identify: identify::Behaviour,
}

/// A peer that opens member streams as it likes. It lives in a task of its own.
struct Peer {
    id: PeerId,
    scripts: mpsc::UnboundedSender<Script>,
    /// One entry for each stream that has ended.
    ended: mpsc::UnboundedReceiver<()>,
}

impl Peer {
    async fn dialling(node: &Member) -> Self {
        let mut swarm = swarm();
        let (to, address) = (node.id(), node.node.listen_addr().await);
        swarm.add_peer_address(to, address);
        swarm.dial(to).unwrap();
        let id = *swarm.local_peer_id();
        let (scripts, mut orders) = mpsc::unbounded_channel();
        let (tell, ended) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    event = swarm.select_next_some() => if let SwarmEvent::Behaviour(ProtocolsEvent::Raw(
                        rr::Event::OutboundFailure { .. } | rr::Event::Message { .. })) = event
                    {
                        let _ = tell.send(());
                    },
                    order = orders.recv() => match order {
                        Some(script) => {
                            swarm.behaviour_mut().raw.send_request(&to, script);
                        }
                        None => return,
                    },
                }
            }
        });
        Self { id, scripts, ended }
    }

    fn open(&self, lane: &[u8], frames: &[u8], again: Option<&'static [u8]>) {
        self.scripts.send(Script([lane, frames].concat(), again)).unwrap();
    }

    /// Keeps both lanes open, as a member does.
    fn join(&self) {
        self.open(URGENT, &[], Some(PING));
        self.open(BULK, &[], Some(&[0; 4]));
    }

    async fn stream_ended(&mut self) {
        soon("the end of a stream", self.ended.recv()).await.unwrap();
    }
}

fn swarm() -> Swarm<Protocols> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|key| {
            let config =
                rr::Config::default().with_request_timeout(Duration::from_secs(60)).with_max_concurrent_streams(2_000);
            let name = StreamProtocol::new("/pyralog/test-net/member/1");
            Protocols {
                raw: rr::Behaviour::with_codec(Raw, [(name, ProtocolSupport::Full)], config),
                identify: identify::Behaviour::new(identify::Config::new("/pyralog/test-net/1".into(), key.public())),
            }
        })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build()
}

/// A node whose cluster the peers belong to.
async fn node_and_member(change: impl FnOnce(&mut pyralog_p2p::Config)) -> (Member, Peer) {
    let mut config = config(1);
    change(&mut config);
    let node = Member::start(config).await;
    let peer = Peer::dialling(&node).await;
    node.knows([(peer.id, Vec::new())]).await;
    (node, peer)
}

#[tokio::test]
async fn streams_of_strangers_are_refused_at_once() {
    let (mut node, mut member) = node_and_member(|_| {}).await;
    let mut stranger = Peer::dialling(&node).await;
    stranger.open(URGENT, &frame(b"let me in"), Some(PING));
    stranger.stream_ended().await;
    node.node.metric_reaches("p2p_member_links_total{event=\"stranger_refused\"}", 1.0).await;
    // Hundreds of them change nothing for those that belong here.
    for _ in 0..400 {
        stranger.open(BULK, &frame(&[0; 1_000]), Some(PING));
    }
    for _ in 0..400 {
        stranger.stream_ended().await;
    }
    member.join();
    node.up(member.id).await;
    assert!(node.node.metric("p2p_member_links_total{event=\"stranger_refused\"}") > 20.0);
    assert_eq!(node.node.metric("p2p_members_up"), 1.0);
    assert!(member.ended.try_recv().is_err());
}

#[tokio::test]
async fn a_node_without_members_does_not_speak_the_protocol() {
    let node = Member::start(config(1)).await;
    let mut stranger = Peer::dialling(&node).await;
    stranger.open(URGENT, &frame(b"let me in"), Some(PING));
    stranger.stream_ended().await;
    assert_eq!(node.node.metric("p2p_member_links_total{event=\"stranger_refused\"}"), 0.0);
}

#[tokio::test]
async fn a_member_that_is_removed_loses_its_streams_at_once() {
    let (mut first, mut second) = pair(|_| {}).await;
    let (one, two) = (first.id(), second.id());
    first.talks_with(&mut second).await;
    // Somebody is a member still, or the protocol would not be spoken.
    first.knows([(peer_id(9), Vec::new())]).await;
    first.down(two).await;
    second.down(one).await;
    assert_eq!(first.links.send(&two, Lane::Urgent, "x".into()), Err(SendError::NotMember { peer: two }));
    assert_eq!(first.links.last_heard(&two), None);
    // It tries again and is refused; the connection is as good as any other peer's.
    first.node.metric_reaches("p2p_member_links_total{event=\"stranger_refused\"}", 2.0).await;
    assert_eq!(second.links.send(&one, Lane::Urgent, "x".into()), Err(SendError::NotConnected { peer: one }));
    assert_eq!(second.node.handle.peers().await.unwrap().len(), 1);

    first.knows([(two, Vec::new())]).await;
    first.up(two).await;
    second.up(one).await;
    first.talks_with(&mut second).await;
}

/// Whatever `lane` carries, the link comes up, hears what came before the bad bytes, and goes down.
async fn ends_with(lane: Lane, bytes: &[u8], again: Option<&'static [u8]>) -> Member {
    let (mut node, mut peer) = node_and_member(|_| {}).await;
    match lane {
        Lane::Urgent => peer.open(BULK, &[], Some(&[0; 4])),
        Lane::Bulk => peer.open(URGENT, &[], Some(PING)),
    }
    let name: &[u8] = if lane == Lane::Urgent { URGENT } else { BULK };
    peer.open(name, &[&frame(b"before")[..], bytes].concat(), again);
    let id = peer.id;
    up(node.events(lane), id).await;
    assert_eq!(message(node.events(lane)).await, "before");
    assert_eq!(event(node.events(lane)).await, MemberEvent::Down { peer: id });
    peer.stream_ended().await;
    // The peer is a member all the same, and may do better.
    peer.open(name, &[], Some(if lane == Lane::Urgent { PING } else { &[0; 4] }));
    up(node.events(lane), id).await;
    assert_eq!(node.node.metric("p2p_member_links_total{event=\"down\"}"), 1.0);
    node
}

#[tokio::test]
async fn oversized_and_garbage_frames_end_the_stream() {
    let oversized = (MAX_MEMBER_MESSAGE as u32 + 1).to_be_bytes();
    let cases: [(Lane, &[u8]); 4] = [
        (Lane::Urgent, &oversized),
        (Lane::Bulk, &oversized),
        (Lane::Urgent, &[0xff, 0xff, 0xff, 0xfe]),
        // Pings stand on the other lane.
        (Lane::Bulk, PING),
    ];
    for (lane, bytes) in cases {
        let node = ends_with(lane, bytes, Some(PING)).await;
        assert_eq!(node.node.metric("p2p_member_links_total{event=\"malformed\"}"), 1.0);
    }
}

#[tokio::test]
async fn a_stream_that_ends_within_a_frame_leaves_nothing_of_it() {
    for lane in Lane::ALL {
        for torn in [&[0, 0][..], &[0, 0, 1, 0, 7], &[0, 0x7f, 0xff, 0xff, 1, 2, 3]] {
            ends_with(lane, torn, None).await;
        }
    }
}

#[tokio::test]
async fn an_unknown_lane_is_refused() {
    let (mut node, mut peer) = node_and_member(|_| {}).await;
    for lane in [2u8, 0x7f, 0xff] {
        peer.open(&[lane], &frame(b"?"), Some(PING));
        peer.stream_ended().await;
    }
    peer.join();
    node.up(peer.id).await;
}

#[tokio::test]
async fn of_hundreds_of_streams_of_a_member_two_stay() {
    let (mut node, mut peer) = node_and_member(|_| {}).await;
    peer.join();
    node.up(peer.id).await;
    // More at one time than a connection may have would end the connection.
    for _ in 0..15 {
        for _ in 0..20 {
            peer.open(URGENT, &[], Some(PING));
        }
        for _ in 0..20 {
            peer.stream_ended().await;
        }
    }
    until("the link", || async { node.node.metric("p2p_members_up") == 1.0 }).await;
    assert!(peer.ended.try_recv().is_err());
    let (downs, ups) = ("p2p_member_links_total{event=\"down\"}", "p2p_member_links_total{event=\"up\"}");
    assert_eq!(node.node.metric(ups), node.node.metric(downs) + 1.0);
}

#[tokio::test]
async fn a_member_that_says_nothing_is_noticed() {
    let (mut node, mut peer) = node_and_member(hasty).await;
    // Both lanes stand, and then nothing comes: not even bytes that repeat.
    peer.open(URGENT, &[], Some(&[]));
    peer.open(BULK, &[], Some(&[]));
    let id = peer.id;
    node.up(id).await;
    node.down(id).await;
    node.node.metric_reaches("p2p_member_links_total{event=\"silent\"}", 1.0).await;
    peer.stream_ended().await;
    peer.stream_ended().await;
}
