//! Who a member is: what tells a member from another one, from a fresh disk under its id, and from an old copy of its own disk.
//!
//! A member's hard state (votes, logs) is worth something only while all of it is there. So three things stand beside it, in the same table:
//! the **id**, given once by the global group; the **incarnation**, 16 random bytes made with the disk; and the **life**, a number and
//! 16 random bytes, new at each start. At a start the member has the global group replace its last life by the next one, by
//! compare-and-set; a copy of the disk that was made before holds an older life, and is refused from then on. A copy that was made since has the same
//! life: it is refused where a leader knows that it lacks what the member had acknowledged to it, and cannot be told from its original otherwise.
//!
//! Every frame between members carries a [`Hello`], and *both* ends check the other's, since an old disk must neither ask for votes nor give
//! one. [`check`] judges by what the global group has said so far as this member knows. It may know less than the other one does, and then must
//! not shut it out, or it could never catch up:
//!
//! | the speaker | judgement |
//! |---|---|
//! | id above all that were given, as far as known here | from my future: let in |
//! | id that was never given, below others that were | [`Stranger::Unknown`] |
//! | removed | [`Stranger::Removed`] |
//! | another incarnation: a fresh disk, or the disk of another member | [`Stranger::OtherIncarnation`] |
//! | last life or next life is the recorded one | let in: it has started, or is about to |
//! | last life has a higher number than the recorded one | from my future: let in |
//! | any other life, or one before a start that stands in the log here, committed or not | [`Stranger::OldCopy`] |
//!
//! A learner that has just been made knows nobody: everyone is from its future. So what holds a stranger off is that it must be known to
//! a quorum: a member that lags behind lets an old copy in which it cannot tell from the member, but a life counts once a quorum has it.
//! Who is at the other end of a link at all (keys, addresses) is the transport's business.

use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};
use thiserror::Error;

use super::GlobalState;
use super::codec;
use crate::replication::MemberId;
use crate::{Batch, Durability, Error, Family, Tables};

/// 16 random bytes made together with a member's disk.
pub type Incarnation = [u8; 16];

/// The group number that no group has: the member itself stands there.
const NO_GROUP: u64 = u64::MAX;

/// What is new at each start of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Life {
    /// Starts before this one.
    pub number: u64,
    /// Random.
    pub nonce: [u8; 16],
}

/// What a member says of itself in every frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// Its id.
    pub member: MemberId,
    /// Of its disk.
    pub incarnation: Incarnation,
    /// The life that the global group confirmed last.
    pub previous: Life,
    /// The life that it has begun, or begins; the same as `previous` once it is confirmed.
    pub next: Life,
}

impl Hello {
    /// Whether the cluster has confirmed the life that it names, as the speaker says.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.previous == self.next
    }

    /// Whether its disk is older than the one on which this life began.
    pub(super) fn is_before(&self, began: Life) -> bool {
        self.previous.number < began.number && self.next != began
    }
}

/// Why a member is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Stranger {
    /// No member has this id.
    #[error("no member of the cluster has this id: add it first")]
    Unknown,
    /// The member was removed.
    #[error("the member was removed from the cluster: add it again, with an empty disk; it gets a new id")]
    Removed,
    /// Its disk is not the one that it was added with.
    #[error("the disk is not the one of the member with this id: remove the member, and add it again under a new id")]
    OtherIncarnation,
    /// Its disk is an old copy.
    #[error(
        "the disk is an old copy: the member has gone on from a newer one, and what it promised there is missing here. Start it from the newest \
         disk, or remove the member and add it again with an empty disk"
    )]
    OldCopy,
    /// The frame names another member than the link that it came over.
    #[error(
        "the member at the other end of the link says that it is another one: the disk of one member may be at another one; else look at the addresses of the members"
    )]
    OtherMember,
}

/// Judges a speaker by what is known here. See the table above.
///
/// # Errors
/// Why it is not let in.
pub fn check(state: &GlobalState, hello: &Hello) -> Result<(), Stranger> {
    let Some(member) = state.member(hello.member) else {
        return if state.may_be_given(hello.member) { Ok(()) } else { Err(Stranger::Unknown) };
    };
    if member.removed {
        return Err(Stranger::Removed);
    }
    if member.incarnation != hello.incarnation {
        return Err(Stranger::OtherIncarnation);
    }
    let known = [hello.previous, hello.next].contains(&member.life);
    if known || hello.previous.number > member.life.number { Ok(()) } else { Err(Stranger::OldCopy) }
}

/// Who this member is, as its disk says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Its id; none until the cluster has given it one.
    pub member: Option<MemberId>,
    /// Of this disk.
    pub incarnation: Incarnation,
    /// The life that was confirmed last.
    pub life: Life,
    /// A life that was asked for; whether it was confirmed is not known yet.
    pub next: Option<Life>,
}

impl Identity {
    /// What the disk says.
    ///
    /// # Errors
    /// As [`Tables::get`], and [`Error::Damaged`] where it cannot be read.
    pub fn load(tables: &dyn Tables) -> Result<Option<Self>, Error> {
        let Some(bytes) = tables.get(Family::Raft, &key())? else { return Ok(None) };
        let identity = codec::whole("identity of a member", &bytes, |input| input.get());
        identity.map(Some).map_err(|e| super::store::damaged("identity", &e))
    }

    /// What the disk says, or a new incarnation without an id where it says nothing. It is durable on return.
    ///
    /// # Errors
    /// As [`Identity::load`] and [`Tables::write`], and [`Error::Io`] where the system gives no random bytes.
    pub fn load_or_make(tables: &dyn Tables) -> Result<Self, Error> {
        if let Some(identity) = Self::load(tables)? {
            return Ok(identity);
        }
        let life = Life { number: 0, nonce: random()? };
        let identity = Self { member: None, incarnation: random()?, life, next: None };
        identity.save(tables)?;
        Ok(identity)
    }

    /// Keeps what is in it; durable on return.
    ///
    /// # Errors
    /// As [`Tables::write`].
    pub fn save(&self, tables: &dyn Tables) -> Result<(), Error> {
        let mut batch = Batch::default();
        batch.put(Family::Raft, key(), codec::bytes_of(|out| self.encode(out)));
        tables.write(batch, Durability::Synced)
    }

    /// The member has this id from now on; durable on return.
    ///
    /// # Errors
    /// As [`Tables::write`].
    pub fn assign(&mut self, tables: &dyn Tables, member: MemberId) -> Result<(), Error> {
        self.member = Some(member);
        self.save(tables)
    }

    /// Begins a life, unless one is begun already; durable on return. `None` where the member has no id yet.
    pub(super) fn begin(&mut self, tables: &dyn Tables) -> Result<Option<Hello>, Error> {
        let Some(member) = self.member else { return Ok(None) };
        let next = match self.next {
            Some(next) => next,
            None => {
                let next = Life { number: self.life.number.saturating_add(1), nonce: random()? };
                self.next = Some(next);
                self.save(tables)?;
                next
            }
        };
        Ok(Some(Hello { member, incarnation: self.incarnation, previous: self.life, next }))
    }

    /// The life that was begun is confirmed; durable on return.
    pub(super) fn confirm(&mut self, tables: &dyn Tables) -> Result<(), Error> {
        if let Some(next) = self.next.take() {
            self.life = next;
            self.save(tables)?;
        }
        Ok(())
    }
}

fn key() -> Vec<u8> {
    NO_GROUP.to_be_bytes().to_vec()
}

fn random() -> Result<[u8; 16], Error> {
    let mut bytes = [0; 16];
    let failed = |e: getrandom::Error| std::io::Error::other(e.to_string());
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::io("read random bytes for", std::path::Path::new("raft"), failed(e)))?;
    Ok(bytes)
}

/// `number:u64 nonce[16]`
impl Encode for Life {
    fn encode(&self, out: &mut Writer) {
        out.u64(self.number).raw(&self.nonce);
    }
}

impl Decode for Life {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Self { number: input.u64()?, nonce: input.array()? })
    }
}

/// `member:u64 incarnation[16] previous next`
impl Encode for Hello {
    fn encode(&self, out: &mut Writer) {
        out.u64(self.member.0).raw(&self.incarnation).put(&self.previous).put(&self.next);
    }
}

impl Decode for Hello {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (member, incarnation) = (MemberId(input.u64()?), input.array()?);
        Ok(Self { member, incarnation, previous: input.get()?, next: input.get()? })
    }
}

/// `tag:u8 (0 unknown, 1 removed, 2 other incarnation, 3 old copy, 4 other member)`
impl Encode for Stranger {
    fn encode(&self, out: &mut Writer) {
        out.u8(match self {
            Self::Unknown => 0,
            Self::Removed => 1,
            Self::OtherIncarnation => 2,
            Self::OldCopy => 3,
            Self::OtherMember => 4,
        });
    }
}

impl Decode for Stranger {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match input.u8()? {
            0 => Self::Unknown,
            1 => Self::Removed,
            2 => Self::OtherIncarnation,
            3 => Self::OldCopy,
            4 => Self::OtherMember,
            found => return Err(CodecError::Tag { what: "stranger", found: found.into() }),
        })
    }
}

/// `member:option<u64> incarnation[16] life next:option<life>`
impl Encode for Identity {
    fn encode(&self, out: &mut Writer) {
        out.option(self.member.as_ref(), |out, member| {
            out.u64(member.0);
        });
        out.raw(&self.incarnation).put(&self.life);
        out.option(self.next.as_ref(), |out, next| {
            out.put(next);
        });
    }
}

impl Decode for Identity {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let member = input.option(|input| input.u64().map(MemberId))?;
        let (incarnation, life) = (input.array()?, input.get()?);
        Ok(Self { member, incarnation, life, next: input.option(Reader::get)? })
    }
}

#[cfg(test)]
mod tests;
