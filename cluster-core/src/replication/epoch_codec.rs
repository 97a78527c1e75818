//! Canonical encodings of what consensus carries and keeps of an epoch store.

use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

use super::{Answer, Command, EpochStore, MAX_EARLIER, MAX_KNOWN_GOOD, Metadata};
use crate::replication::{Epoch, MAX_NODESET, MemberId, NodeSet};

/// Most clean epochs of one partition.
const MAX_CLEAN: usize = 1 << 20;

/// `members:list<u64> (ascending) replication:u8 copies:u8`
impl Encode for NodeSet {
    fn encode(&self, out: &mut Writer) {
        out.list(self.members(), |out, member| {
            out.u64(member.0);
        });
        // Both are at most the number of members, which is at most 32.
        out.u8(self.replication() as u8).u8(self.copies() as u8);
    }
}

impl Decode for NodeSet {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let members = input.list(MAX_NODESET, |input| input.u64().map(MemberId))?;
        let (replication, copies) = (input.u8()?.into(), input.u8()?.into());
        let set = Self::new(members.iter().copied(), replication, copies);
        let set = set.map_err(|_| CodecError::Invalid { what: "nodeset", why: "numbers that do not fit" })?;
        if set.members() != members {
            return Err(CodecError::Invalid { what: "nodeset", why: "members are not in order" });
        }
        Ok(set)
    }
}

/// `tag:u8`, then 0: `sequencer:u64 option<nodeset>`; 1: `epoch:u64 known_good:u64`; 2: `from:u64`.
impl Encode for Command {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::TakeEpoch { sequencer, nodeset } => {
                out.u8(0).u64(sequencer.0).option(nodeset.as_ref(), |out, nodeset| {
                    out.put(nodeset);
                })
            }
            Self::AdvanceClean { epoch, known_good } => out.u8(1).u64(epoch.0).u64(*known_good),
            Self::Ask { from } => out.u8(2).u64(from.0),
        };
    }
}

impl Decode for Command {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        match input.u8()? {
            0 => Ok(Self::TakeEpoch { sequencer: MemberId(input.u64()?), nodeset: input.option(Reader::get)? }),
            1 => Ok(Self::AdvanceClean { epoch: Epoch(input.u64()?), known_good: input.u64()? }),
            2 => Ok(Self::Ask { from: Epoch(input.u64()?) }),
            found => Err(CodecError::Tag { what: "epoch command", found: found.into() }),
        }
    }
}

fn put_known_good<'a>(out: &mut Writer, known_good: impl ExactSizeIterator<Item = (&'a Epoch, &'a u64)>) {
    // Bounded by MAX_CLEAN or MAX_KNOWN_GOOD.
    out.u32(known_good.len() as u32);
    for (epoch, good) in known_good {
        out.u64(epoch.0).u64(*good);
    }
}

/// Clean epochs, in order, none behind the last clean one.
fn known_good(input: &mut Reader<'_>, max: usize, last_clean: Epoch) -> Result<Vec<(Epoch, u64)>, CodecError> {
    let list = input.list(max, |input| Ok((Epoch(input.u64()?), input.u64()?)))?;
    let rising = list.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let clean = list.last().is_none_or(|(epoch, _)| *epoch <= last_clean);
    let begun = list.first().is_none_or(|(epoch, _)| *epoch > Epoch::NONE);
    if rising && clean && begun {
        Ok(list)
    } else {
        Err(CodecError::Invalid { what: "known good", why: "epochs that are not clean, or not in order" })
    }
}

/// Epoch, sequencer and last clean epoch, which is below the newest.
fn head(input: &mut Reader<'_>) -> Result<(Epoch, MemberId, Epoch), CodecError> {
    let (epoch, sequencer, last_clean) = (Epoch(input.u64()?), MemberId(input.u64()?), Epoch(input.u64()?));
    if last_clean > epoch.previous() {
        return Err(CodecError::Invalid { what: "last clean epoch", why: "not below the newest" });
    }
    Ok((epoch, sequencer, last_clean))
}

fn put_nodesets<'a>(
    out: &mut Writer,
    nodeset: &NodeSet,
    earlier: impl ExactSizeIterator<Item = (&'a Epoch, &'a NodeSet)>,
) {
    // Bounded by MAX_EARLIER.
    out.put(nodeset).u32(earlier.len() as u32);
    for (last, nodeset) in earlier {
        out.u64(last.0).put(nodeset);
    }
}

/// The newest nodeset, and those before it.
fn nodesets(input: &mut Reader<'_>) -> Result<(NodeSet, Vec<(Epoch, NodeSet)>), CodecError> {
    let nodeset = input.get()?;
    let earlier = input.list(MAX_EARLIER, |input| Ok((Epoch(input.u64()?), input.get()?)))?;
    Ok((nodeset, earlier))
}

/// Nodesets of epochs that are not clean, in order, each other than the next.
fn check_earlier(
    nodeset: &NodeSet,
    earlier: &[(Epoch, NodeSet)],
    epoch: Epoch,
    last_clean: Epoch,
) -> Result<(), CodecError> {
    let rising = earlier.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1);
    let unclean = earlier.first().is_none_or(|(first, _)| *first > last_clean);
    let before = earlier.last().is_none_or(|(last, of)| *last < epoch && of != nodeset);
    if rising && unclean && before {
        Ok(())
    } else {
        Err(CodecError::Invalid { what: "earlier nodesets", why: "of other epochs, not in order, or the same" })
    }
}

/// `nodeset earlier:list<(last:u64, nodeset)> epoch:u64 sequencer:u64 last_clean:u64 known_good:list<(epoch:u64, known_good:u64)>`
impl Encode for Metadata {
    fn encode(&self, out: &mut Writer) {
        put_nodesets(out, &self.nodeset, self.earlier.iter().map(|(last, nodeset)| (last, nodeset)));
        out.u64(self.epoch.0).u64(self.sequencer.0).u64(self.last_clean.0);
        put_known_good(out, self.known_good.iter().map(|(epoch, good)| (epoch, good)));
    }
}

impl Decode for Metadata {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (nodeset, earlier) = nodesets(input)?;
        let (epoch, sequencer, last_clean) = head(input)?;
        check_earlier(&nodeset, &earlier, epoch, last_clean)?;
        let known_good = known_good(input, MAX_KNOWN_GOOD, last_clean)?;
        Ok(Self { nodeset, earlier, epoch, sequencer, last_clean, known_good })
    }
}

/// `tag:u8 (0 taken, 1 advanced, 2 refused, 3 asked) metadata`
impl Encode for Answer {
    fn encode(&self, out: &mut Writer) {
        let tag = match self {
            Self::Taken(_) => 0,
            Self::Advanced(_) => 1,
            Self::Refused(_) => 2,
            Self::Asked(_) => 3,
        };
        out.u8(tag).put(self.metadata());
    }
}

impl Decode for Answer {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let kind = match input.u8()? {
            0 => Self::Taken,
            1 => Self::Advanced,
            2 => Self::Refused,
            3 => Self::Asked,
            found => return Err(CodecError::Tag { what: "epoch answer", found: found.into() }),
        };
        input.get().map(kind)
    }
}

impl EpochStore {
    /// Who stores the partition: the nodeset of the newest epoch.
    #[must_use]
    pub fn nodeset(&self) -> &NodeSet {
        &self.nodeset
    }
}

/// As [`Metadata`], with all that is known good.
impl Encode for EpochStore {
    fn encode(&self, out: &mut Writer) {
        put_nodesets(out, &self.nodeset, self.earlier.iter());
        out.u64(self.epoch.0).u64(self.sequencer.0).u64(self.last_clean.0);
        put_known_good(out, self.known_good.iter());
    }
}

impl Decode for EpochStore {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (nodeset, earlier) = nodesets(input)?;
        let (epoch, sequencer, last_clean) = head(input)?;
        check_earlier(&nodeset, &earlier, epoch, last_clean)?;
        let known_good = known_good(input, MAX_CLEAN, last_clean)?.into_iter().collect();
        let earlier = earlier.into_iter().collect();
        Ok(Self { nodeset, earlier, epoch, sequencer, last_clean, known_good })
    }
}

#[cfg(test)]
#[path = "epoch_codec/tests.rs"]
mod tests;
