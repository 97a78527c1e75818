//! Encodings of an epoch shard: `tag:u8`, then the fields in their order. The state: `version:u8 (1) partitions:list<(id:u64, epoch store)>`, ascending.

use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

use super::{MAX_BATCH, ShardAnswer, ShardCommand, ShardState};
use crate::raft::global::MAX_ALL_PARTITIONS;

impl Encode for ShardCommand {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Create { partition, nodeset } => {
                out.u8(0).u64(*partition).put(nodeset);
            }
            Self::Remove { partition } => {
                out.u8(1).u64(*partition);
            }
            Self::One { partition, command } => {
                out.u8(2).u64(*partition).put(command);
            }
            Self::CreateAll(all) => {
                out.u8(4).list(all, |out, (partition, nodeset)| {
                    out.u64(*partition).put(nodeset);
                });
            }
            Self::Batch(commands) => {
                out.u8(3).list(commands, |out, (partition, command)| {
                    out.u64(*partition).put(command);
                });
            }
        }
    }
}

impl Decode for ShardCommand {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match input.u8()? {
            0 => Self::Create { partition: input.u64()?, nodeset: input.get()? },
            1 => Self::Remove { partition: input.u64()? },
            2 => Self::One { partition: input.u64()?, command: input.get()? },
            3 => Self::Batch(input.list(MAX_BATCH, |input| Ok((input.u64()?, input.get()?)))?),
            4 => Self::CreateAll(input.list(MAX_BATCH, |input| Ok((input.u64()?, input.get()?)))?),
            found => return Err(CodecError::Tag { what: "shard command", found: found.into() }),
        })
    }
}

impl Encode for ShardAnswer {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Done => out.u8(0),
            Self::Exists => out.u8(1),
            Self::NoSuchPartition => out.u8(2),
            Self::Full => out.u8(5),
            Self::One(answer) => out.u8(3).put(answer),
            Self::Batch(answers) => out.u8(4).list(answers, |out, answer| {
                out.option(answer.as_ref(), |out, answer| {
                    out.put(answer);
                });
            }),
        };
    }
}

impl Decode for ShardAnswer {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match input.u8()? {
            0 => Self::Done,
            1 => Self::Exists,
            2 => Self::NoSuchPartition,
            3 => Self::One(input.get()?),
            4 => Self::Batch(input.list(MAX_BATCH, |input| input.option(Reader::get))?),
            5 => Self::Full,
            found => return Err(CodecError::Tag { what: "shard answer", found: found.into() }),
        })
    }
}

impl Encode for ShardState {
    fn encode(&self, out: &mut Writer) {
        // Bounded by the partitions of a cluster.
        out.u8(1).u32(self.partitions.len() as u32);
        for (id, store) in &self.partitions {
            out.u64(*id).put(store);
        }
    }
}

impl Decode for ShardState {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        input.version("epoch shard", 1)?;
        let list: Vec<(u64, _)> = input.list(MAX_ALL_PARTITIONS, |input| Ok((input.u64()?, input.get()?)))?;
        if list.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return Err(CodecError::Invalid { what: "epoch shard", why: "partitions out of order" });
        }
        Ok(Self { partitions: list.into_iter().collect() })
    }
}
