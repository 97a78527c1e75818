//! What can go wrong with the key exchange.

use crate::tunnel::rosenpass::KeyId;

/// Why [`crate::tunnel::rosenpass::Rosenpass`] did not do what an input asked for. The machine goes on in every case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RosenpassError {
    // ---- the sender of the datagram ----
    /// The first byte is none of Rosenpass.
    #[error("a datagram of type {0:#04x} is none of Rosenpass")]
    Kind(u8),
    /// The datagram is cut short or padded.
    #[error("a Rosenpass datagram of type {kind:#04x} has {expected} bytes, not {found}")]
    Length {
        /// Its first byte.
        kind: u8,
        /// The length of its kind.
        expected: usize,
        /// The length found.
        found: usize,
    },
    /// The mac is not made for our key: the sender has another public key of ours, or none.
    #[error("the sender does not have our public key: its mac is wrong")]
    Mac,
    /// The static ciphertext does not open with our secret key, although the mac is right.
    #[error("an InitHello was not encrypted to our key")]
    NotForUs,
    /// The initiator is none of our peers.
    #[error("the initiator {peer} is none of our peers: add it here, or stop it there")]
    UnknownPeer {
        /// Who it says it is.
        peer: KeyId,
    },
    /// The initiator is right in everything but the pre-shared key.
    #[error("initiator {peer} has another pre-shared key than we have for it: set the same on both sides, or none")]
    PreSharedKey {
        /// The initiator.
        peer: KeyId,
    },
    /// No handshake of ours has this session id, or none any more.
    #[error("an answer to a handshake that we have not begun, or that is over")]
    NoSuchSession,
    /// A RespHello does not belong to our InitHello.
    #[error("the answer to our InitHello does not come from {peer}, or was changed on the way")]
    AnswerAuth {
        /// The responder.
        peer: KeyId,
    },
    /// An EmptyData does not acknowledge our InitConf.
    #[error("an acknowledgement does not come from {peer}, or was changed on the way")]
    AckAuth {
        /// The responder.
        peer: KeyId,
    },
    /// A CookieReply does not answer our InitHello.
    #[error("a cookie does not come from {peer}, or was changed on the way")]
    CookieAuth {
        /// The responder.
        peer: KeyId,
    },
    /// The biscuit of an InitConf does not open: not ours, too old by two epochs, or from before a restart of ours.
    #[error("the biscuit of an InitConf is not of our making, or from before our start")]
    Biscuit,
    /// The biscuit is older than a key may be.
    #[error("initiator {peer} brings a biscuit that is older than a key may be")]
    OldBiscuit {
        /// The initiator.
        peer: KeyId,
    },
    /// The biscuit was used, or a later one was.
    #[error("initiator {peer} brings a biscuit that is spent: a replay, or a handshake that was overtaken")]
    SpentBiscuit {
        /// The initiator.
        peer: KeyId,
    },
    /// An InitConf does not belong to its biscuit.
    #[error("an InitConf does not come from {peer}, or was changed on the way")]
    ConfAuth {
        /// The initiator.
        peer: KeyId,
    },
    /// Two handshakes have crossed, and ours holds.
    #[error("the handshake of {peer} has crossed ours, which holds for now")]
    Contested {
        /// The initiator.
        peer: KeyId,
    },
    /// A datagram came twice, or an answer after another one.
    #[error("an answer of {peer} that we have already")]
    Repeated {
        /// The peer.
        peer: KeyId,
    },
    /// Too many RespHellos to one InitHello.
    #[error("too many answers to one InitHello to {peer}: somebody forges them")]
    TooManyAnswers {
        /// The responder.
        peer: KeyId,
    },

    // ---- the state of this node ----
    /// Under load: a CookieReply was sent instead of an answer.
    #[error("under load: the initiator was asked for a cookie")]
    NeedsCookie,
    /// The sender's network has sent too many InitHellos.
    #[error("too many InitHellos from one network")]
    SourceOverRate,
    /// Too many InitHellos from everywhere.
    #[error("too many InitHellos")]
    Exhausted,

    // ---- the caller's input ----
    /// The peer is there already.
    #[error("peer {peer} is there already: remove it first")]
    KnownPeer {
        /// The peer.
        peer: KeyId,
    },
    /// There is no such peer.
    #[error("there is no peer {peer}")]
    NoSuchPeer {
        /// The peer.
        peer: KeyId,
    },
    /// The key of a peer is our own.
    #[error("the public key of a peer is our own")]
    OwnKey,
    /// More peers than [`crate::tunnel::rosenpass::Limits::peers`].
    #[error("more than {max} Rosenpass peers")]
    TooManyPeers {
        /// The bound.
        max: usize,
    },
}
