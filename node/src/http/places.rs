//! The places of one listener: who holds one, and who loses it when all are taken.
//!
//! Whoever opens connections and never asks anything costs nothing and would keep everybody else out until the patience ends. So where
//! no place is free a new connection takes the place of the one that has waited longest without asking, or else of the one whose request has
//! a body that is longest on its way; a connection whose request is being answered, or that became a WebSocket, keeps its place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::rate::network;

/// A connection has at least so long to ask before another may take its place. It also bounds how often places change hands.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);
/// A connection that has asked has at least so long to send the body of its request.
const LEAST_BODY_PATIENCE: Duration = Duration::from_secs(1);
/// A client that is not on this machine holds at most one place in so many.
const SHARES: usize = 4;

/// See the module.
#[derive(Debug)]
pub struct Places {
    most: usize,
    held: Mutex<Held>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Held {
    seats: BTreeMap<u64, Arc<Seat>>,
    next: u64,
}

/// What one connection does with its place.
#[derive(Debug)]
pub struct Seat {
    client: IpAddr,
    doing: Mutex<Doing>,
    displaced: Notify,
}

#[derive(Clone, Copy, Debug)]
enum Doing {
    /// No whole header of its next request is here. `asked`: there was a request before.
    Waiting { since: Instant, asked: bool },
    /// The header of its request is here, and not all of the body.
    Sending { since: Instant },
    /// Its request is being answered, or it is a WebSocket.
    Served,
    /// The answer is given to the connection and not written yet.
    Answered,
    /// Another connection has its place.
    Displaced,
}

/// A place that is held; dropping it frees it.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    number: u64,
    seat: Arc<Seat>,
}

/// What a new connection gets at once.
#[derive(Debug)]
enum Attempt {
    Taken(Place),
    /// Its client holds its whole share.
    Refused,
    /// Nobody may be displaced yet.
    Later,
}

impl Places {
    /// So many places, all of them free.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), held: Mutex::default(), freed: Notify::new() })
    }

    /// Waits for a place; `None` where `client` holds its share already and none of it can be given up.
    pub async fn take(self: &Arc<Self>, client: IpAddr) -> Option<Place> {
        loop {
            match self.attempt(client, Instant::now()) {
                Attempt::Taken(place) => return Some(place),
                Attempt::Refused => return None,
                // One that is freed between the attempt and this line leaves a permit behind.
                Attempt::Later => drop(timeout(LEAST_PATIENCE, self.freed.notified()).await),
            }
        }
    }

    fn attempt(self: &Arc<Self>, client: IpAddr, now: Instant) -> Attempt {
        let client = network(client.to_canonical());
        let mut held = lock(&self.held);
        let own = |seat: &Seat| seat.client == client;
        let share = (self.most / SHARES).max(1);
        let over_share = !client.is_loopback() && held.seats.values().filter(|seat| own(seat)).count() >= share;
        let given_up = match over_share {
            true => held.displace(now, own),
            false if held.seats.len() >= self.most => held.displace(now, |_| true),
            false => return Attempt::Taken(self.seat(&mut held, client, now)),
        };
        match given_up {
            true => Attempt::Taken(self.seat(&mut held, client, now)),
            false if over_share => Attempt::Refused,
            false => Attempt::Later,
        }
    }

    fn seat(self: &Arc<Self>, held: &mut Held, client: IpAddr, now: Instant) -> Place {
        let doing = Mutex::new(Doing::Waiting { since: now, asked: false });
        let seat = Arc::new(Seat { client, doing, displaced: Notify::new() });
        let number = held.next;
        held.next += 1;
        held.seats.insert(number, Arc::clone(&seat));
        Place { places: Arc::clone(self), number, seat }
    }
}

impl Held {
    /// Frees the place of the one among `these` that has waited longest; those that never asked go first, then those that have nothing
    /// under way, which lose nothing but their connection.
    fn displace(&mut self, now: Instant, these: impl Fn(&Seat) -> bool) -> bool {
        let waiting = |(number, seat): (&u64, &Arc<Seat>)| {
            let (rank, since, least) = match *lock(&seat.doing) {
                Doing::Waiting { since, asked } => (u8::from(asked), since, LEAST_PATIENCE),
                Doing::Sending { since } => (2, since, LEAST_BODY_PATIENCE),
                _ => return None,
            };
            (now.saturating_duration_since(since) >= least).then_some((rank, since, *number))
        };
        let mut candidates: Vec<_> = self.seats.iter().filter(|(_, seat)| these(seat)).filter_map(waiting).collect();
        candidates.sort_unstable();
        // One that begins to ask, or has sent all, at this moment keeps its place, and the next one goes.
        let gone =
            candidates.into_iter().find(|(_, _, number)| self.seats.get(number).is_some_and(|seat| seat.leave()));
        gone.is_some_and(|(_, _, number)| self.seats.remove(&number).is_some())
    }
}

impl Seat {
    /// A whole header is here; a body follows it where the request `sends` one. `false` where the place is lost already: the request must
    /// not be answered.
    pub fn begin(&self, sends: bool) -> bool {
        let mut doing = lock(&self.doing);
        let keeps = !matches!(*doing, Doing::Displaced);
        if keeps {
            *doing = if sends { Doing::Sending { since: Instant::now() } } else { Doing::Served };
        }
        keeps
    }

    /// The whole body is here, or no more of it is wanted. `false` where the place is lost already.
    pub fn received(&self) -> bool {
        let mut doing = lock(&self.doing);
        if matches!(*doing, Doing::Sending { .. }) {
            *doing = Doing::Served;
        }
        !matches!(*doing, Doing::Displaced)
    }

    /// The whole answer is given to the connection.
    pub fn answered(&self) {
        let mut doing = lock(&self.doing);
        if matches!(*doing, Doing::Served | Doing::Sending { .. }) {
            *doing = Doing::Answered;
        }
    }

    /// All that was given to the connection is written.
    pub fn flushed(&self) {
        let mut doing = lock(&self.doing);
        if matches!(*doing, Doing::Answered) {
            *doing = Doing::Waiting { since: Instant::now(), asked: true };
        }
    }

    /// Ready when another connection has taken the place: this one must be closed.
    pub async fn displaced(&self) {
        self.displaced.notified().await;
    }

    /// Gives the place up, unless a whole request is here.
    fn leave(&self) -> bool {
        let mut doing = lock(&self.doing);
        let waits = matches!(*doing, Doing::Waiting { .. } | Doing::Sending { .. });
        if waits {
            *doing = Doing::Displaced;
            self.displaced.notify_one();
        }
        waits
    }
}

impl Place {
    /// Who sits there.
    pub fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // One that was displaced has none to give back.
        if lock(&self.places.held).seats.remove(&self.number).is_some() {
            self.places.freed.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "places_test.rs"]
mod tests;
