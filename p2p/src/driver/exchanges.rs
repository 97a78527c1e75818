//! Requests in and out.

use std::{collections::HashMap, sync::Arc, time::Instant};

use bytes::Bytes;
use libp2p::{
    PeerId,
    request_response::{self as rr, InboundRequestId, OutboundFailure, OutboundRequestId, ResponseChannel},
};
use tokio::sync::oneshot;

use crate::{
    Error, Event, Reply,
    requests::{
        behaviour,
        codec::{Request, Response},
        frame::{Received, Status},
    },
};

use super::Driver;

type Answer = oneshot::Sender<Result<Bytes, Error>>;

/// Exchanges under way; a protocol is its index.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    serving: HashMap<(usize, InboundRequestId), PeerId>,
    served: HashMap<(usize, PeerId), usize>,
    asking: HashMap<(usize, OutboundRequestId), (PeerId, Answer)>,
    asked: HashMap<(usize, PeerId), usize>,
}

impl Exchanges {
    fn begin_serving(&mut self, protocol: usize, id: InboundRequestId, peer: PeerId) {
        if self.serving.insert((protocol, id), peer).is_none() {
            *self.served.entry((protocol, peer)).or_default() += 1;
        }
    }

    fn end_serving(&mut self, protocol: usize, id: InboundRequestId) -> bool {
        let Some(peer) = self.serving.remove(&(protocol, id)) else { return false };
        decrease(&mut self.served, (protocol, peer));
        true
    }

    fn begin_asking(&mut self, protocol: usize, id: OutboundRequestId, peer: PeerId, answer: Answer) {
        self.asking.insert((protocol, id), (peer, answer));
        *self.asked.entry((protocol, peer)).or_default() += 1;
    }

    fn end_asking(&mut self, protocol: usize, id: OutboundRequestId) -> Option<(PeerId, Answer)> {
        let (peer, answer) = self.asking.remove(&(protocol, id))?;
        decrease(&mut self.asked, (protocol, peer));
        Some((peer, answer))
    }

    fn served(&self, protocol: usize, peer: PeerId) -> usize {
        self.served.get(&(protocol, peer)).copied().unwrap_or(0)
    }

    fn asked(&self, protocol: usize, peer: PeerId) -> usize {
        self.asked.get(&(protocol, peer)).copied().unwrap_or(0)
    }
}

fn decrease(counts: &mut HashMap<(usize, PeerId), usize>, key: (usize, PeerId)) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

impl Driver {
    pub(super) fn on_exchange(&mut self, (protocol, event): behaviour::Event) {
        match event {
            rr::Event::Message { peer, message: rr::Message::Request { request_id, request, channel }, .. } => {
                self.on_request(protocol, peer, request_id, request, channel);
            }
            rr::Event::Message { message: rr::Message::Response { request_id, response }, .. } => {
                self.on_response(protocol, request_id, response);
            }
            rr::Event::OutboundFailure { request_id, error, .. } => {
                if let Some((peer, answer)) = self.exchanges.end_asking(protocol, request_id) {
                    self.metrics.protocols[protocol].failed.inc();
                    let _ = answer.send(Err(self.outbound_error(protocol, peer, error)));
                }
            }
            rr::Event::InboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, protocol = %self.protocol_names[protocol], %error, "request not answered");
                if self.exchanges.end_serving(protocol, request_id) {
                    self.metrics.protocols[protocol].unanswered.inc();
                }
            }
            rr::Event::ResponseSent { request_id, .. } => {
                if self.exchanges.end_serving(protocol, request_id) {
                    self.metrics.protocols[protocol].answered.inc();
                }
            }
        }
    }

    fn on_request(
        &mut self,
        protocol: usize,
        peer: PeerId,
        id: InboundRequestId,
        request: Request,
        channel: ResponseChannel<Response>,
    ) {
        let spec = &self.settings.protocols[protocol];
        let metrics = &self.metrics.protocols[protocol];
        let in_rate = self.is_member(&peer) || self.request_rate.take(peer, 1, Instant::now());
        let has_room = self.exchanges.served(protocol, peer) < spec.concurrent
            && self.exchanges.serving.len() < self.settings.limits.requests_served;
        let response = match request {
            Request::Incoming(Received::Request(data, hold)) if in_rate && has_room => match self.outbox.reserve() {
                Some(place) => {
                    metrics.received.inc();
                    let (reply, answer) = Reply::new(spec.max_response, hold);
                    let protocol_name = Arc::clone(&self.protocol_names[protocol]);
                    place.send(Event::Request { peer, protocol: protocol_name, data, reply });
                    self.exchanges.begin_serving(protocol, id, peer);
                    Response::Later(answer)
                }
                None => Response::Refuse(Status::Busy),
            },
            Request::Incoming(Received::Refuse(status)) => Response::Refuse(status),
            Request::Incoming(Received::Request(..)) | Request::Outgoing(_) => Response::Refuse(Status::Busy),
        };
        match response {
            Response::Refuse(Status::TooLarge) => metrics.too_large.inc(),
            Response::Refuse(_) => metrics.busy.inc(),
            _ => 0,
        };
        if let Some(one) = self.swarm.behaviour_mut().requests.get_mut(protocol) {
            // An error says that the requester is gone; an InboundFailure tells of it too.
            let _ = one.send_response(channel, response);
        }
        if !in_rate {
            self.over_rate(peer, 1, "requests over its rate");
        }
    }

    fn on_response(&mut self, protocol: usize, id: OutboundRequestId, response: Response) {
        let Some((peer, answer)) = self.exchanges.end_asking(protocol, id) else { return };
        let result = match response {
            Response::Incoming(Status::Ok, data) => Ok(data),
            Response::Incoming(Status::Busy, _) => Err(Error::Busy { peer }),
            Response::Incoming(Status::TooLarge, _) => Err(Error::PeerLimit { peer }),
            Response::Incoming(Status::Refused, _) | Response::Refuse(_) | Response::Later(_) => {
                Err(Error::Refused { peer })
            }
        };
        if result.is_err() {
            self.metrics.protocols[protocol].failed.inc();
        }
        let _ = answer.send(result);
    }

    pub(super) fn request(&mut self, peer: PeerId, protocol: usize, data: Bytes, answer: Answer) {
        let spec = &self.settings.protocols[protocol];
        let refusal = if self.bans.contains(&peer) {
            Some(Error::Banned { peer })
        } else if self.exchanges.asking.len() >= self.settings.limits.requests_sent {
            Some(Error::Overloaded("too many requests of ours are under way"))
        } else if self.exchanges.asked(protocol, peer) >= spec.concurrent {
            Some(Error::Overloaded("too many requests of ours to this peer are under way"))
        } else {
            None
        };
        if let Some(error) = refusal {
            let _ = answer.send(Err(error));
            return;
        }
        let addresses = self.book.addresses(&peer).to_vec();
        if let Some(one) = self.swarm.behaviour_mut().requests.get_mut(protocol) {
            let id = one.send_request_with_addresses(&peer, Request::Outgoing(data), addresses);
            self.metrics.protocols[protocol].sent.inc();
            self.exchanges.begin_asking(protocol, id, peer, answer);
        }
    }

    fn outbound_error(&self, protocol: usize, peer: PeerId, error: OutboundFailure) -> Error {
        match error {
            OutboundFailure::Timeout => Error::Timeout { peer },
            OutboundFailure::UnsupportedProtocols => {
                Error::UnsupportedProtocol { peer, protocol: self.settings.protocols[protocol].name.clone() }
            }
            OutboundFailure::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Error::BadResponse { peer, reason: error.to_string() }
            }
            error => Error::Unreachable { peer, reason: error.to_string() },
        }
    }
}
