//! A peer that keeps to the wire format and to nothing else.

use std::time::Duration;

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    gossipsub::{self, ConfigBuilder, IdentTopic, MessageAuthenticity, MessageId, ValidationMode},
    identify, noise,
    swarm::{NetworkBehaviour, SwarmEvent, behaviour::toggle::Toggle},
    tcp, yamux,
};
use pyralog_p2p::{Event, Verdict};

use crate::net::{MAX_MESSAGE, Node, TOPIC, config, soon, until};

#[derive(NetworkBehaviour)]
pub struct Protocols {
    gossip: gossipsub::Behaviour,
    identify: Toggle<identify::Behaviour>,
}

pub struct Hostile {
    pub swarm: Swarm<Protocols>,
    topic: IdentTopic,
}

impl Hostile {
    /// Speaks the test network's gossip with limits of its own, and says who it is or does not.
    pub fn new(identifies: bool) -> Self {
        let topic = IdentTopic::new(format!("/pyralog/test-net/topic/{TOPIC}"));
        let gossip_config = ConfigBuilder::default()
            .protocol_id_prefix("/pyralog/test-net/meshsub")
            .validation_mode(ValidationMode::Anonymous)
            .max_transmit_size(4 << 20)
            .heartbeat_initial_delay(Duration::ZERO)
            .message_id_fn(|message| MessageId::new(&message.data[..message.data.len().min(64)]))
            .build()
            .unwrap();
        let swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|key| {
                let mut gossip: gossipsub::Behaviour =
                    gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, gossip_config).unwrap();
                gossip.subscribe(&topic).unwrap();
                let config = identify::Config::new("/pyralog/test-net/1".into(), key.public());
                Protocols { gossip, identify: identifies.then(|| identify::Behaviour::new(config)).into() }
            })
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
            .build();
        Self { swarm, topic }
    }

    pub fn id(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    pub fn dial(&mut self, address: Multiaddr) {
        self.swarm.dial(address).unwrap();
    }

    /// Publishes, as far as anybody takes it.
    pub fn publish(&mut self, data: Vec<u8>) -> bool {
        self.swarm.behaviour_mut().gossip.publish(self.topic.clone(), data).is_ok()
    }

    /// Two control messages.
    pub fn subscribe_and_leave(&mut self) {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.unsubscribe(&self.topic);
        gossip.subscribe(&self.topic).unwrap();
    }

    /// Lives on in a task until its last connection closes.
    pub fn live(mut self, mut each: impl FnMut(&mut Self) + Send + 'static) -> tokio::task::JoinHandle<()> {
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    event = self.swarm.select_next_some() => {
                        if let SwarmEvent::ConnectionClosed { num_established: 0, .. } = event { return }
                    }
                    () = tokio::time::sleep(Duration::from_millis(5)) => {}
                }
                each(&mut self);
            }
        })
    }
}

#[tokio::test]
async fn oversize_from_a_hostile_peer_never_reaches_the_node() {
    let mut node = Node::start(config(1)).await;
    let honest = Node::joining(2, &[&node]).await;
    node.connected(honest.id()).await;
    let mut hostile = Hostile::new(true);
    hostile.dial(node.listen_addr().await);
    let (id, mut sent) = (hostile.id(), 0u32);
    // One byte over the topic's limit passes the framing's slack and fails at the exact check; the others fail earlier.
    let sizes = [MAX_MESSAGE + 1, MAX_MESSAGE + 1_000, MAX_MESSAGE * 4];
    let end = hostile.live(move |hostile| {
        let size = sizes[sent as usize % sizes.len()];
        let mut data = vec![0xba; size];
        data[..4].copy_from_slice(&sent.to_be_bytes());
        if hostile.publish(data) {
            sent += 1;
        }
    });
    // Its score falls until it is banned; nothing it sent was seen.
    soon("the end of the hostile peer", end).await.unwrap();
    honest.publish("fine").await;
    let mut judged = Vec::new();
    while judged.is_empty() {
        if let Event::Gossip { data, source, message, .. } = node.event().await {
            assert_ne!(source, id);
            judged = data.to_vec();
            node.handle.verdict(message, Verdict::Accept).await.unwrap();
        }
    }
    assert_eq!(judged, b"fine");
    assert_eq!(node.metric("p2p_peers_turned_away_total{reason=\"banned\"}"), 1.0);
}

#[tokio::test]
async fn a_frame_over_the_limit_is_not_delivered_and_others_go_on() {
    let mut node = Node::start(config(1)).await;
    let honest = Node::joining(2, &[&node]).await;
    node.connected(honest.id()).await;
    let mut hostile = Hostile::new(true);
    hostile.dial(node.listen_addr().await);
    let (done, sent) = tokio::sync::oneshot::channel();
    let (mut done, mut frames, mut rounds) = (Some(done), 0u8, 0);
    let _lives_on = hostile.live(move |hostile| {
        if frames < 3 && hostile.publish([vec![frames], vec![0xba; 1 << 20]].concat()) {
            frames += 1;
        }
        rounds += usize::from(frames == 3);
        if rounds == 100
            && let Some(done) = done.take()
        {
            let _ = done.send(());
        }
    });
    soon("the frames to be sent", sent).await.unwrap();
    honest.publish("fine").await;
    // Gossipsub stops reading that stream and keeps the connection: the peer is mute from here on.
    assert_eq!(node.judge(Verdict::Accept).await, b"fine");
}

#[tokio::test]
async fn invalid_messages_lead_to_a_ban() {
    let mut node = Node::start(config(1)).await;
    let mut hostile = Hostile::new(true);
    hostile.dial(node.listen_addr().await);
    let mut sent = 0u32;
    let end = hostile.live(move |hostile| {
        if hostile.publish(sent.to_be_bytes().to_vec()) {
            sent += 1;
        }
    });
    let judge = async {
        loop {
            if let Some(Event::Gossip { message, .. }) = node.events.recv().await {
                node.handle.verdict(message, Verdict::Reject).await.unwrap();
            }
        }
    };
    tokio::select! {
        () = judge => panic!("the node stopped"),
        end = soon("the end of the hostile peer", end) => end.unwrap(),
    }
    assert_eq!(node.metric("p2p_peers_turned_away_total{reason=\"banned\"}"), 1.0);
}

#[tokio::test]
async fn a_peer_that_does_not_say_who_it_is_is_turned_away() {
    let mut strict = config(1);
    strict.limits.identify_timeout = Duration::from_millis(300);
    let mut node = Node::start(strict).await;
    let mut hostile = Hostile::new(false);
    hostile.dial(node.listen_addr().await);
    soon("the end of the silent peer", hostile.live(|_| {})).await.unwrap();
    until("the count", || async { node.metric("p2p_peers_turned_away_total{reason=\"not_identified\"}") >= 1.0 }).await;
    assert!(matches!(node.event().await, Event::Listening { .. }));
    assert!(node.events.try_recv().is_err());
}
