//! Clients that are producers: they send everything again until they are told where it is, and now and then also afterwards.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::Bytes;
use pyralog_crypto::Record;

use super::oracle::{Append, Oracle};
use crate::member::{Acked, Placed, Unplaced};
use crate::replication::{MAX_PRODUCER_RECORDS, Payload, ProducerId, SimRng, Stamp};
use crate::stamped_payload;

const CLIENTS: usize = 3;
/// Batches of one from the first that waits for an answer on, at most.
const OPEN: usize = 3;

/// What a ticket is of.
#[derive(Clone, Copy)]
enum Sent {
    Open { client: usize },
    Batch { client: usize, stamp: Stamp },
}

#[derive(Default)]
struct Client {
    id: Option<ProducerId>,
    batches: Vec<Batch>,
}

struct Batch {
    append: Append,
    records: Vec<Record>,
    placed: Option<Placed>,
}

pub(super) struct Clients {
    clients: Vec<Client>,
    tickets: BTreeMap<u64, Sent>,
    /// Answers that were given before.
    pub(super) again: usize,
}

impl Client {
    fn first_open(&self) -> Option<usize> {
        self.batches.iter().position(|batch| batch.placed.is_none())
    }

    /// The sequence numbers that a partition must have answers to.
    fn known(&self) -> RangeInclusive<usize> {
        self.batches.len().saturating_sub(MAX_PRODUCER_RECORDS - 1).max(1)..=self.batches.len()
    }
}

impl Clients {
    pub(super) fn new() -> Self {
        let clients = (0..CLIENTS).map(|_| Client::default()).collect();
        Self { clients, tickets: BTreeMap::new(), again: 0 }
    }

    /// What some client sends under this ticket.
    pub(super) fn next(&mut self, ticket: u64, rng: &mut SimRng, oracle: &mut Oracle) -> Bytes {
        let client = rng.below(CLIENTS);
        let of = &mut self.clients[client];
        if of.id.is_none() {
            self.tickets.insert(ticket, Sent::Open { client });
            return Payload::Open.wrap(b"");
        }
        let open = of.first_open().map_or(0, |first| of.batches.len() - first);
        let sequence = match (of.first_open(), rng.below(4)) {
            _ if of.batches.is_empty() || (open < OPEN && rng.chance(400)) => {
                let (append, records) = oracle.fresh(1 + rng.below(3) as u64);
                of.batches.push(Batch { append, records, placed: None });
                of.batches.len()
            }
            (Some(first), 0..3) => first + 1,
            _ => of.known().start() + rng.below(of.known().count()),
        };
        self.send(ticket, client, sequence)
    }

    fn send(&mut self, ticket: u64, client: usize, sequence: usize) -> Bytes {
        let of = &self.clients[client];
        let stamp = Stamp { producer: of.id.unwrap(), sequence: sequence as u64 };
        self.tickets.insert(ticket, Sent::Batch { client, stamp });
        stamped_payload(stamp, &of.batches[sequence - 1].records).unwrap()
    }

    /// All that a partition must have answers to, under tickets from this one on.
    pub(super) fn everything(&mut self, ticket: u64) -> Vec<Bytes> {
        let of =
            |(client, of): (usize, &Client)| of.known().map(move |sequence| (client, sequence)).collect::<Vec<_>>();
        let all: Vec<_> = self.clients.iter().enumerate().flat_map(of).collect();
        (ticket..).zip(all).map(|(ticket, (client, sequence))| self.send(ticket, client, sequence)).collect()
    }

    /// Whether any batch has no answer.
    pub(super) fn wait(&self) -> bool {
        self.clients.iter().any(|client| client.first_open().is_some())
    }

    /// A client is told, by the newest leader or another one; `false` where it is none of these.
    pub(super) fn hear(
        &mut self,
        ticket: u64,
        acked: Result<Acked, Unplaced>,
        newest: bool,
        oracle: &mut Oracle,
    ) -> bool {
        let Some(sent) = self.tickets.remove(&ticket) else { return false };
        match (sent, acked.map(|acked| acked.durable().expect("a producer's append is durable"))) {
            (Sent::Open { client }, Ok(placed)) => {
                self.clients[client].id.get_or_insert(ProducerId(placed.lsn));
            }
            (Sent::Batch { client, stamp }, Ok(placed)) => {
                let batch = &mut self.clients[client].batches[stamp.sequence as usize - 1];
                match batch.placed {
                    Some(before) => {
                        self.again += 1;
                        assert_eq!(placed, before, "another answer to {stamp:?}");
                    }
                    None => {
                        batch.placed = Some(placed);
                        oracle.acknowledge(&batch.append, placed.offset);
                    }
                }
            }
            (_, Err(Unplaced::Unknown { .. } | Unplaced::NotLeader | Unplaced::Busy)) => {}
            // Whoever was replaced may lack what came later.
            (Sent::Batch { .. }, Err(Unplaced::Gap { .. } | Unplaced::UnknownProducer)) if !newest => {}
            (Sent::Batch { client, .. }, Err(Unplaced::Gap { expected })) => {
                let kept =
                    self.clients[client].batches.iter().skip(expected as usize - 1).any(|of| of.placed.is_some());
                assert!(!kept, "a gap at {expected} before what was acknowledged");
            }
            (_, Err(why)) => panic!("a producer was told {why:?}"),
        }
        true
    }
}
