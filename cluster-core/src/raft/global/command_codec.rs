//! Encodings of commands and answers of the global group: `tag:u8`, then the fields in their order.

use super::{
    BTreeSet, CodecError, Decode, Encode, GlobalAnswer, GlobalCommand, GlobalRefusal, LogName, MAX_ADDRESS,
    MAX_ADDRESSES, MAX_GROUP_MEMBERS, MAX_LOG_NAME_BYTES, MAX_LOG_SPEC, MAX_MEMBER_NAME, MAX_PARTITIONS, MAX_PEER_ID,
    MemberId, NewLog, NewMember, Reader, Role, Spread, Writer,
};
use crate::raft::global::spread::{put_whole, whole};

pub(in super::super) fn put_addresses(out: &mut Writer, addresses: &[String]) {
    out.list(addresses, |out, address| {
        out.text(address);
    });
}

pub(in super::super) fn addresses(input: &mut Reader<'_>) -> Result<Vec<String>, CodecError> {
    input.list(MAX_ADDRESSES, |input| input.text(MAX_ADDRESS).map(str::to_owned))
}

pub(in super::super) fn put_role(out: &mut Writer, role: Role) {
    out.bool(role == Role::Voter);
}

pub(in super::super) fn role(input: &mut Reader<'_>) -> Result<Role, CodecError> {
    input.bool().map(|voter| if voter { Role::Voter } else { Role::Learner })
}

pub(in super::super) fn log_name(input: &mut Reader<'_>) -> Result<LogName, CodecError> {
    let invalid = |_| CodecError::Invalid { what: "log name", why: "not a name" };
    input.text(MAX_LOG_NAME_BYTES)?.parse().map_err(invalid)
}

pub(in super::super) fn partitions(input: &mut Reader<'_>) -> Result<u32, CodecError> {
    match input.u32()? {
        count if (1..=MAX_PARTITIONS).contains(&count) => Ok(count),
        _ => Err(CodecError::Invalid { what: "partitions of a log", why: "not 1 to 4096" }),
    }
}

pub(in super::super) fn small(input: &mut Reader<'_>, max: usize) -> Result<Vec<u8>, CodecError> {
    input.bytes(max).map(<[u8]>::to_vec)
}

fn member(input: &mut Reader<'_>) -> Result<MemberId, CodecError> {
    input.u64().map(MemberId)
}

impl Encode for NewMember {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.name).bytes(&self.peer);
        put_addresses(out, &self.addresses);
        out.raw(&self.incarnation).put(&self.life);
    }
}

impl Decode for NewMember {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let name = input.text(MAX_MEMBER_NAME)?.to_owned();
        let (peer, addresses) = (small(input, MAX_PEER_ID)?, addresses(input)?);
        Ok(Self { name, peer, addresses, incarnation: input.array()?, life: input.get()? })
    }
}

impl NewLog {
    fn encode_with(&self, out: &mut Writer, put_spread: impl FnOnce(&mut Writer, &Spread)) {
        out.text(self.name.as_str()).bytes(&self.spec).u32(self.partitions);
        put_spread(out, &self.spread);
        out.bool(self.weak);
        let healthy: Vec<MemberId> = self.healthy.iter().copied().collect();
        out.list(&healthy, |out, member| {
            out.u64(member.0);
        });
        out.option(self.adopt.as_ref(), |out, (member, incarnation)| {
            out.u64(member.0).u64(*incarnation);
        });
    }

    fn decode_with(
        input: &mut Reader<'_>,
        spread: impl FnOnce(&mut Reader<'_>) -> Result<Spread, CodecError>,
    ) -> Result<Self, CodecError> {
        let (name, spec, partitions) = (log_name(input)?, small(input, MAX_LOG_SPEC)?, partitions(input)?);
        let (spread, weak) = (spread(input)?, input.bool()?);
        let list = input.list(MAX_GROUP_MEMBERS, member)?;
        if list.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(CodecError::Invalid { what: "healthy members", why: "not ascending" });
        }
        let healthy: BTreeSet<MemberId> = list.into_iter().collect();
        let adopt = input.option(|input| Ok((member(input)?, input.u64()?)))?;
        Ok(Self { name, spec, partitions, spread, weak, healthy, adopt })
    }
}

impl Encode for GlobalCommand {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::AddMember(new) => {
                out.u8(0).put(new);
            }
            Self::RemoveMember { member } => {
                out.u8(1).u64(member.0);
            }
            Self::SetRole { member, role } => {
                put_role(out.u8(2).u64(member.0), *role);
            }
            Self::SetAddresses { member, addresses } => put_addresses(out.u8(3).u64(member.0), addresses),
            Self::Start { member, incarnation, previous, next } => {
                out.u8(4).u64(member.0).raw(incarnation).put(previous).put(next);
            }
            Self::CreateLog(new) if new.spread.is_whole() => new.encode_with(out.u8(5), put_whole),
            Self::CreateLog(new) => new.encode_with(out.u8(10), |out, spread| {
                out.put(spread);
            }),
            Self::DeleteLog { name } => {
                out.u8(6).text(name.as_str());
            }
            Self::MovePartition { partition, nodeset } => {
                out.u8(7).u64(*partition).put(nodeset);
            }
            Self::LeaseNumber { member } => {
                out.u8(8).u64(member.0);
            }
            Self::ReleaseNumber { member } => {
                out.u8(9).u64(member.0);
            }
        }
    }
}

impl Decode for GlobalCommand {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match input.u8()? {
            0 => Self::AddMember(input.get()?),
            1 => Self::RemoveMember { member: member(input)? },
            2 => Self::SetRole { member: member(input)?, role: role(input)? },
            3 => Self::SetAddresses { member: member(input)?, addresses: addresses(input)? },
            4 => {
                let (member, incarnation) = (member(input)?, input.array()?);
                Self::Start { member, incarnation, previous: input.get()?, next: input.get()? }
            }
            5 => Self::CreateLog(NewLog::decode_with(input, whole)?),
            6 => Self::DeleteLog { name: log_name(input)? },
            7 => Self::MovePartition { partition: input.u64()?, nodeset: input.get()? },
            8 => Self::LeaseNumber { member: member(input)? },
            9 => Self::ReleaseNumber { member: member(input)? },
            10 => match NewLog::decode_with(input, |input| input.get())? {
                new if new.spread.is_whole() => {
                    return Err(CodecError::Invalid {
                        what: "copies of a log",
                        why: "they stand elsewhere where all have all",
                    });
                }
                new => Self::CreateLog(new),
            },
            found => return Err(CodecError::Tag { what: "global command", found: found.into() }),
        })
    }
}

impl Encode for GlobalAnswer {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::Done => out.u8(0),
            Self::Added { member } => out.u8(1).u64(member.0),
            Self::Started => out.u8(2),
            Self::Created { incarnation, first_partition } => out.u8(3).u64(*incarnation).u64(*first_partition),
            Self::Leased { number, incarnation } => out.u8(4).u16(*number).u64(*incarnation),
            Self::Refused(why) => out.u8(5).put(why),
        };
    }
}

impl Decode for GlobalAnswer {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match input.u8()? {
            0 => Self::Done,
            1 => Self::Added { member: member(input)? },
            2 => Self::Started,
            3 => Self::Created { incarnation: input.u64()?, first_partition: input.u64()? },
            4 => Self::Leased { number: input.u16()?, incarnation: input.u64()? },
            5 => Self::Refused(input.get()?),
            found => return Err(CodecError::Tag { what: "global answer", found: found.into() }),
        })
    }
}

/// What there may be too many of; its place here is its encoding.
const KINDS: [&str; 3] = ["members", "logs", "partitions"];

impl Encode for GlobalRefusal {
    fn encode(&self, out: &mut Writer) {
        match self {
            Self::AlreadyMember { member } => out.u8(0).u64(member.0),
            Self::Stranger { member, why } => out.u8(1).u64(member.0).put(why),
            Self::LastMember { member } => out.u8(2).u64(member.0),
            Self::TooMany { what, limit } => {
                let kind = KINDS.iter().position(|kind| kind == what).unwrap_or_default();
                out.u8(3).u8(kind as u8).u64(*limit)
            }
            Self::LogExists { name, incarnation } => out.u8(4).text(name.as_str()).u64(*incarnation),
            Self::NoSuchLog { name } => out.u8(5).text(name.as_str()),
            Self::NoSuchPartition { partition } => out.u8(6).u64(*partition),
            Self::Numbers { replication, copies } => out.u8(7).u8(*replication).u8(*copies),
            Self::Weak { replication, copies } => out.u8(8).u8(*replication).u8(*copies),
            Self::NoNumbers => out.u8(9),
            Self::Incarnation { incarnation } => out.u8(10).u64(*incarnation),
            Self::Nodeset { nodeset, replication } => out.u8(11).u8(*nodeset).u8(*replication),
            Self::HeldUp { nodeset, copies } => out.u8(12).u8(*nodeset).u8(*copies),
        };
    }
}

impl Decode for GlobalRefusal {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(match input.u8()? {
            0 => Self::AlreadyMember { member: member(input)? },
            1 => Self::Stranger { member: member(input)?, why: input.get()? },
            2 => Self::LastMember { member: member(input)? },
            3 => {
                let kind = input.u8()?;
                let unknown = CodecError::Tag { what: "kind of a limit", found: kind.into() };
                let what = *KINDS.get(usize::from(kind)).ok_or(unknown)?;
                Self::TooMany { what, limit: input.u64()? }
            }
            4 => Self::LogExists { name: log_name(input)?, incarnation: input.u64()? },
            5 => Self::NoSuchLog { name: log_name(input)? },
            6 => Self::NoSuchPartition { partition: input.u64()? },
            7 => Self::Numbers { replication: input.u8()?, copies: input.u8()? },
            8 => Self::Weak { replication: input.u8()?, copies: input.u8()? },
            9 => Self::NoNumbers,
            10 => Self::Incarnation { incarnation: input.u64()? },
            11 => Self::Nodeset { nodeset: input.u8()?, replication: input.u8()? },
            12 => Self::HeldUp { nodeset: input.u8()?, copies: input.u8()? },
            found => return Err(CodecError::Tag { what: "global refusal", found: found.into() }),
        })
    }
}
