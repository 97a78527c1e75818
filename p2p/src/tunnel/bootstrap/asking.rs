//! The asking side: what is wanted, and the questions on their way.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use libp2p::PeerId;
use pyralog_crypto::{Hash, PublicKey};
use rand_core::CryptoRng;

use super::download::Download;
use super::effect::Effect;
use super::limits::Limits;
use super::message::Cookie;
use super::question::{Purpose, Question};
use super::timing::PATIENCE;
use crate::BootstrapError;
use crate::tunnel::{MAX_RECORD_ADDRESSES, SignedPeerRecord};

/// A peer whose record is wanted.
struct Search {
    of: PublicKey,
    until: Duration,
    /// Questions that are not answered yet.
    open: usize,
}

/// What is wanted. Bounded by [`Limits`]: each search has a few questions, each download a window of them.
pub(super) struct Asking {
    limits: Limits,
    searches: BTreeMap<PeerId, Search>,
    downloads: BTreeMap<Hash, Download>,
    questions: BTreeMap<u64, Question>,
}

impl Asking {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, searches: BTreeMap::new(), downloads: BTreeMap::new(), questions: BTreeMap::new() }
    }

    /// Asks all of these for the record of a peer.
    pub(super) fn seek(
        &mut self,
        now: Duration,
        rng: &mut dyn CryptoRng,
        peer: PeerId,
        at: &[SocketAddr],
    ) -> Result<(), BootstrapError> {
        let of = identity(&peer).ok_or(BootstrapError::NoIdentity { peer })?;
        if at.is_empty() {
            return Err(BootstrapError::NoAddress);
        }
        self.abandon(&peer);
        if self.searches.len() >= self.limits.searches {
            return Err(BootstrapError::TooMany { what: "searches", max: self.limits.searches });
        }
        let at = &at[..at.len().min(MAX_RECORD_ADDRESSES)];
        self.searches.insert(peer, Search { of, until: now.saturating_add(PATIENCE), open: at.len() });
        at.iter().for_each(|to| self.ask(rng, *to, Purpose::Record(of)));
        Ok(())
    }

    /// Drops a search and its questions.
    pub(super) fn abandon(&mut self, peer: &PeerId) {
        if let Some(search) = self.searches.remove(peer) {
            self.questions.retain(|_, question| question.purpose != Purpose::Record(search.of));
        }
    }

    /// Begins to fetch a key, or goes on.
    pub(super) fn fetch(&mut self, now: Duration, hash: Hash, at: Vec<SocketAddr>) -> Result<(), BootstrapError> {
        if at.is_empty() {
            return Err(BootstrapError::NoAddress);
        }
        if !self.downloads.contains_key(&hash) && self.downloads.len() >= self.limits.downloads {
            // What was given up gives way.
            let paused = self.downloads.iter().find(|(_, download)| !download.is_running()).map(|(hash, _)| *hash);
            let paused = paused.ok_or(BootstrapError::TooMany { what: "keys", max: self.limits.downloads })?;
            self.cancel(&paused);
        }
        self.drop_chunks(&hash);
        let download = self.downloads.entry(hash).or_insert_with(Download::new);
        download.pause();
        download.begin(now, at);
        Ok(())
    }

    /// Drops a download with what is there of it.
    pub(super) fn cancel(&mut self, hash: &Hash) {
        if self.downloads.remove(hash).is_some() {
            self.drop_chunks(hash);
        }
    }

    /// The question that an answer from here belongs to.
    pub(super) fn question(&mut self, id: u64, from: SocketAddr) -> Option<&mut Question> {
        self.questions.get_mut(&id).filter(|question| same_place(question.to, from))
    }

    /// Takes the answer to a question for a record. `record` is none where the other side has none.
    pub(super) fn take_record(
        &mut self,
        id: u64,
        record: Option<SignedPeerRecord>,
        from: SocketAddr,
        out: &mut Vec<Effect>,
    ) {
        let Some(Question { purpose: Purpose::Record(of), .. }) = self.questions.remove(&id) else { return };
        let Some((peer, search)) = self.searches.iter_mut().find(|(_, search)| search.of == of) else { return };
        let peer = *peer;
        search.open = search.open.saturating_sub(1);
        match record {
            Some(record) => {
                self.abandon(&peer);
                out.push(Effect::Found { record: Box::new(record), from });
            }
            None if search.open == 0 => {
                self.abandon(&peer);
                out.push(Effect::NotFound { peer, error: BootstrapError::Unknown { peer } });
            }
            None => {}
        }
    }

    /// Takes a chunk of a key.
    pub(super) fn take_chunk(
        &mut self,
        now: Duration,
        id: u64,
        bytes: &[u8],
        out: &mut Vec<Effect>,
    ) -> Result<(), BootstrapError> {
        let Some(question) = self.questions.get(&id) else { return Ok(()) };
        let Purpose::Chunk(hash, number) = question.purpose else { return Ok(()) };
        let Some(download) = self.downloads.get_mut(&hash) else { return Ok(()) };
        if !download.take(now, number, bytes, question.is_repeated()) {
            return Err(BootstrapError::ChunkLength { number, found: bytes.len() });
        }
        self.questions.remove(&id);
        if download.is_complete() {
            let done = self.downloads.remove(&hash).and_then(|download| download.finish(&hash));
            self.drop_chunks(&hash);
            out.push(match done {
                Some(key) => Effect::Key { hash, key },
                None => Effect::NotFetched { hash, error: BootstrapError::KeyHash { hash } },
            });
        }
        Ok(())
    }

    /// The other side does not have the key.
    pub(super) fn take_nothing(&mut self, now: Duration, id: u64, from: SocketAddr, out: &mut Vec<Effect>) {
        match self.questions.get(&id).map(|question| question.purpose) {
            Some(Purpose::Record(_)) => self.take_record(id, None, from, out),
            Some(Purpose::Chunk(hash, _)) => self.turn(now, hash, BootstrapError::NoKey { hash }, out),
            None => {}
        }
    }

    /// Gives up what has had its time, asks for what is missing, and repeats what is not answered.
    pub(super) fn advance(&mut self, now: Duration, rng: &mut dyn CryptoRng, own: &[u8], out: &mut Vec<Effect>) {
        let late: Vec<PeerId> =
            self.searches.iter().filter(|(_, search)| now >= search.until).map(|(peer, _)| *peer).collect();
        for peer in late {
            self.abandon(&peer);
            out.push(Effect::NotFound { peer, error: BootstrapError::Silent });
        }
        let running = self.downloads.iter().filter(|(_, download)| download.is_running());
        let late: Vec<Hash> = running.filter(|(_, download)| now >= download.patience).map(|(hash, _)| *hash).collect();
        for hash in late {
            self.turn(now, hash, BootstrapError::Silent, out);
        }
        let mut asked = Vec::new();
        for (hash, download) in &mut self.downloads {
            while let Some((to, number)) = download.next_question() {
                asked.push((to, Purpose::Chunk(*hash, number)));
            }
        }
        asked.into_iter().for_each(|(to, purpose)| self.ask(rng, to, purpose));
        for (id, question) in &mut self.questions {
            let sent = question.transmit(now, *id, own);
            out.extend(sent.map(|(to, bytes)| Effect::Send { to, bytes }));
        }
    }

    /// When something is due.
    pub(super) fn wakes_at(&self) -> Option<Duration> {
        let searches = self.searches.values().map(|search| search.until);
        let running = self.downloads.values().filter(|download| download.is_running());
        let questions = self.questions.values().map(|question| question.due);
        searches.chain(running.map(|download| download.patience)).chain(questions).min()
    }

    /// A key is sought at the next address.
    fn turn(&mut self, now: Duration, hash: Hash, error: BootstrapError, out: &mut Vec<Effect>) {
        self.drop_chunks(&hash);
        let Some(download) = self.downloads.get_mut(&hash) else { return };
        if !download.turn(now) {
            download.pause();
            out.push(Effect::NotFetched { hash, error });
        }
    }

    fn ask(&mut self, rng: &mut dyn CryptoRng, to: SocketAddr, purpose: Purpose) {
        // Whoever has given us a cookie for another question accepts it for this one.
        let known = self.questions.values().find(|other| other.to == to && other.has_cookie());
        let cookie = known.map_or(Cookie::default(), Question::cookie);
        let mut id = rng.next_u64();
        while self.questions.contains_key(&id) {
            id = rng.next_u64();
        }
        self.questions.insert(id, Question::new(to, purpose, cookie));
    }

    fn drop_chunks(&mut self, hash: &Hash) {
        self.questions.retain(|_, question| !matches!(question.purpose, Purpose::Chunk(of, _) if of == *hash));
    }
}

/// The ed25519 key that a peer id is made of.
fn identity(peer: &PeerId) -> Option<PublicKey> {
    let multihash: &libp2p::multihash::Multihash<64> = peer.as_ref();
    // The identity hash of a protobuf: key type 1, 32 bytes of key.
    let key = (multihash.code() == 0).then(|| multihash.digest().strip_prefix(&[8, 1, 18, 32]))??;
    key.try_into().ok().map(PublicKey)
}

/// IPv4 may be written as IPv6 by a socket that does both.
fn same_place(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && a.ip().to_canonical() == b.ip().to_canonical()
}
