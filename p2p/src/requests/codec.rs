//! Carries frames for libp2p's request/response handler.

use std::io;

use bytes::Bytes;
use futures::{AsyncRead, AsyncWrite};
use libp2p::{StreamProtocol, request_response};
use tokio::sync::oneshot;

use crate::budget::Budget;

use super::frame::{self, Received, Status};

#[cfg(test)]
#[path = "codec_test.rs"]
mod tests;

/// One protocol's limits and the memory shared by all.
#[derive(Clone, Debug)]
pub(crate) struct Codec {
    pub(crate) max_request: usize,
    pub(crate) max_response: usize,
    pub(crate) budget: Budget,
}

/// Both directions of a request.
#[derive(Debug)]
pub(crate) enum Request {
    Outgoing(Bytes),
    Incoming(Received),
}

/// Both directions of a response.
#[derive(Debug)]
pub(crate) enum Response {
    /// A refusal, written at once.
    Refuse(Status),
    /// The node's answer, awaited by the connection and not by the swarm.
    Later(oneshot::Receiver<Bytes>),
    /// What a peer answered.
    Incoming(Status, Bytes),
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        Ok(Request::Incoming(frame::read_request(io, self.max_request, &self.budget).await?))
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        let (status, data) = frame::read_response(io, self.max_response).await?;
        Ok(Response::Incoming(status, data))
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Request) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        match request {
            Request::Outgoing(data) => frame::write_request(io, &data).await,
            Request::Incoming(_) => Err(io::Error::other("an incoming request cannot be sent")),
        }
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Response) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let (status, data) = match response {
            Response::Refuse(status) => (status, Bytes::new()),
            Response::Incoming(status, data) => (status, data),
            Response::Later(answer) => match answer.await {
                Ok(data) => (Status::Ok, data),
                Err(_) => (Status::Refused, Bytes::new()),
            },
        };
        frame::write_response(io, status, &data).await
    }
}
