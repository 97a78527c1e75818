//! Serving connections: each has a limited time to send the header of its next request and then its body, and less where others wait for
//! its place.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::serve::Listener;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::arrival::{Arrival, ArrivingBody};
use super::{ClientAddr, QuotingListener};

/// How long a client may take to send what it has to say.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A connection that has not sent a whole header so long after it was opened, or after the last answer, is closed.
    pub header: Duration,
    /// A request whose body is not whole so long after its header is answered with 408, and its connection closed.
    pub body: Duration,
}

impl Patience {
    /// What all listeners have.
    pub const DEFAULT: Self = Self { header: Duration::from_secs(10), body: Duration::from_secs(30) };
}

/// Serves until `stopping` turns true, then lets open requests end; each connection by the routes that there are when it is opened. `patience` is [`Patience::DEFAULT`] but in tests.
pub async fn serve_connections(
    mut listener: QuotingListener,
    routes: watch::Receiver<Router>,
    mut stopping: watch::Receiver<bool>,
    patience: Patience,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience.header);
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            (stream, address) = listener.accept() => {
                let client = ConnectInfo(ClientAddr(address));
                let routes = routes.borrow().clone();
                open.spawn(serve_one(http.clone(), stream, routes, client, stopping.clone(), patience.body));
                // Each gets its turn to read before more are accepted, which could take its place.
                tokio::task::yield_now().await;
            }
            Some(_) = open.join_next() => {}
            () = stopped(&mut stopping) => break,
        }
    }
    // Nothing more is accepted while the last requests end.
    drop(listener);
    while open.join_next().await.is_some() {}
}

async fn serve_one(
    http: http1::Builder,
    stream: <QuotingListener as Listener>::Io,
    routes: Router,
    client: ConnectInfo<ClientAddr>,
    mut stopping: watch::Receiver<bool>,
    body_patience: Duration,
) {
    let routes = TowerToHyperService::new(routes);
    let seat = Arc::clone(stream.inner().seat());
    let place = Arc::clone(&seat);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let sends = !request.body().is_end_stream();
        let arrival = Arrival::of(sends);
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(arrival.clone());
        let arriving = |body| ArrivingBody::new(body, Arc::clone(&seat), arrival.clone(), body_patience);
        let answer = seat.begin(sends).then(|| routes.call(request.map(arriving)));
        let seat = Arc::clone(&seat);
        async move {
            let Some(answer) = answer else { return Err(io::Error::from(io::ErrorKind::ConnectionAborted)) };
            let Ok(mut response) = answer.await;
            // Whatever was made of the error that ended the body.
            if arrival.is_late() && response.status() != StatusCode::REQUEST_TIMEOUT {
                response = (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time").into_response();
            }
            // Bodies are whole here, so the next flush behind this has written all of it. A WebSocket is served until it ends.
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                seat.answered();
            }
            Ok(response)
        }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    // An error is the client's: it went away, was too slow, or does not speak HTTP.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = place.displaced() => return,
        () = stopped(&mut stopping) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error says that the node is gone already.
    let _ = stopping.wait_for(|stop| *stop).await;
}

#[cfg(test)]
#[path = "connections_test.rs"]
mod tests;
