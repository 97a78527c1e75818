//! Clients that send their records again until they hear of them.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::{AckMode, Lsn, MAX_PRODUCER_RECORDS, Payload, ProducerId, Refusal, Stamp};
use super::rng::Rng;

/// Clients that are producers.
const CLIENTS: usize = 3;
/// Records of one from the first that waits for an answer on, at most.
const OPEN: usize = 3;

/// What a record is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sent {
    Plain,
    Open { client: usize },
    Stamped { client: usize, stamp: Stamp },
}

/// One client. What it sends under one number is the same record each time.
#[derive(Debug, Default)]
struct Client {
    id: Option<ProducerId>,
    records: Vec<u64>,
    acknowledged: BTreeMap<u64, Lsn>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Clients {
    clients: Vec<Client>,
    records: Vec<Sent>,
    /// The record of each append, and when an acknowledgement is wanted.
    tickets: Vec<(u64, AckMode)>,
}

/// One append.
#[derive(Debug)]
pub(super) struct Append {
    pub ticket: u64,
    pub record: u64,
    pub first: bool,
    pub mode: AckMode,
    pub payload: Bytes,
}

impl Clients {
    pub fn new() -> Self {
        let clients = (0..CLIENTS).map(|_| Client::default()).collect();
        Self { clients, records: Vec::new(), tickets: Vec::new() }
    }

    /// The next append of anybody; of nobody in particular where producers would be refused.
    pub fn next(&mut self, rng: &mut Rng, plain: bool) -> Append {
        let client = rng.below(CLIENTS);
        let mode = *rng
            .pick(&[AckMode::Durable, AckMode::Durable, AckMode::Replicated, AckMode::Cached])
            .unwrap_or(&AckMode::Durable);
        if plain || rng.chance(500) {
            return self.fresh(Sent::Plain, mode);
        }
        let Client { id: Some(producer), records, .. } = &self.clients[client] else {
            return self.fresh(Sent::Open { client }, AckMode::Durable);
        };
        let (producer, last) = (*producer, records.len());
        let open = self.clients[client].first_open().map_or(0, |first| last - first + 1);
        if open < OPEN && rng.chance(500) {
            let stamp = Stamp { producer, sequence: last as u64 + 1 };
            return self.fresh(Sent::Stamped { client, stamp }, mode);
        }
        let known = last.min(MAX_PRODUCER_RECORDS);
        if known == 0 { self.fresh(Sent::Plain, mode) } else { self.again(client, last - rng.below(known)) }
    }

    /// What the client still waits for, first things first.
    pub fn unanswered(&mut self) -> Vec<Append> {
        let open = |(client, state): (usize, &Client)| Some((client, state.first_open()?));
        let open: Vec<(usize, usize)> = self.clients.iter().enumerate().filter_map(open).collect();
        open.into_iter().map(|(client, sequence)| self.again(client, sequence)).collect()
    }

    pub fn has_unanswered(&self) -> bool {
        self.clients.iter().any(|client| client.first_open().is_some())
    }

    fn fresh(&mut self, sent: Sent, mode: AckMode) -> Append {
        self.records.push(sent);
        let record = self.records.len() as u64;
        if let Sent::Stamped { client, .. } = sent {
            self.clients[client].records.push(record);
        }
        self.append(record, mode, true)
    }

    fn again(&mut self, client: usize, sequence: usize) -> Append {
        self.append(self.clients[client].records[sequence - 1], AckMode::Durable, false)
    }

    fn append(&mut self, record: u64, mode: AckMode, first: bool) -> Append {
        self.tickets.push((record, mode));
        let kind = match self.sent(record) {
            Sent::Plain => Payload::Plain,
            Sent::Open { .. } => Payload::Open,
            Sent::Stamped { stamp, .. } => Payload::Stamped(stamp),
        };
        let (ticket, payload) = (self.tickets.len() as u64, kind.wrap(&record.to_be_bytes()));
        Append { ticket, record, first, mode, payload }
    }

    pub fn record(&self, ticket: u64) -> (u64, AckMode) {
        self.tickets[ticket as usize - 1]
    }

    pub fn sent(&self, record: u64) -> Sent {
        self.records[record as usize - 1]
    }

    /// The record is durable for good; where it is, as the client was told before.
    pub fn acknowledged(&mut self, record: u64, lsn: Lsn) -> Option<Lsn> {
        match self.sent(record) {
            Sent::Plain => None,
            Sent::Open { client } => {
                self.clients[client].id.get_or_insert(ProducerId(lsn));
                None
            }
            Sent::Stamped { client, stamp } if self.clients[client].id == Some(stamp.producer) => {
                self.clients[client].acknowledged.insert(stamp.sequence, lsn)
            }
            Sent::Stamped { .. } => None,
        }
    }

    /// The append was refused. Whether that cannot be: `forgetful` where producers may be forgotten.
    pub fn refused(&mut self, ticket: u64, why: Refusal, forgetful: bool) -> bool {
        let Sent::Stamped { client, stamp } = self.sent(self.record(ticket).0) else { return false };
        let state = &mut self.clients[client];
        if state.id != Some(stamp.producer) {
            return false;
        }
        match why {
            Refusal::UnknownProducer if forgetful => {
                *state = Client::default();
                false
            }
            // It has no more records on their way than are known of it.
            Refusal::UnknownProducer => true,
            Refusal::Gap { expected } => state.acknowledged.range(expected..).next().is_some(),
            _ => false,
        }
    }
}

impl Client {
    fn first_open(&self) -> Option<usize> {
        (1..=self.records.len()).find(|sequence| !self.acknowledged.contains_key(&(*sequence as u64)))
    }
}
