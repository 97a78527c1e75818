//! The global state as a snapshot: `version:u8`, then the fields in their order, maps as lists in the order of their keys.
//!
//! Version 1 says of a log R and W; version 2, which is written where N > R in one of them, see [`Spread`].

use std::collections::{BTreeMap, BTreeSet};

use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

use super::command::{addresses, log_name, partitions, put_addresses, put_role, role, small};
use super::{
    GlobalState, Lease, LogPlace, MAX_ALL_PARTITIONS, MAX_LOG_SPEC, MAX_LOGS, MAX_MEMBER_NAME, MAX_MEMBERS,
    MAX_PEER_ID, Member, NODE_NUMBERS, PartitionPlace, spread::put_whole, spread::whole,
};
use crate::replication::MemberId;

fn put_map<'a, K: 'a, V: 'a>(
    out: &mut Writer,
    map: impl ExactSizeIterator<Item = (&'a K, &'a V)>,
    mut f: impl FnMut(&mut Writer, &K, &V),
) {
    // Each map is bounded far below.
    out.u32(map.len() as u32);
    map.for_each(|(key, value)| f(out, key, value));
}

fn map<K: Ord, V>(
    input: &mut Reader<'_>,
    max: usize,
    f: impl FnMut(&mut Reader<'_>) -> Result<(K, V), CodecError>,
) -> Result<BTreeMap<K, V>, CodecError> {
    let list = input.list(max, f)?;
    if list.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err(CodecError::Invalid { what: "global state", why: "keys out of order" });
    }
    Ok(list.into_iter().collect())
}

fn put_member(out: &mut Writer, member: &Member) {
    out.text(&member.name).bytes(&member.peer);
    put_addresses(out, &member.addresses);
    out.raw(&member.incarnation).put(&member.life);
    put_role(out, member.role);
    out.bool(member.removed);
}

fn member(input: &mut Reader<'_>) -> Result<Member, CodecError> {
    Ok(Member {
        name: input.text(MAX_MEMBER_NAME)?.to_owned(),
        peer: small(input, MAX_PEER_ID)?,
        addresses: addresses(input)?,
        incarnation: input.array()?,
        life: input.get()?,
        role: role(input)?,
        removed: input.bool()?,
    })
}

fn put_log(out: &mut Writer, version: u8, log: &LogPlace) {
    out.u64(log.incarnation).bytes(&log.spec).u64(log.first_partition).u32(log.partitions);
    match version {
        1 => put_whole(out, &log.spread),
        _ => drop(out.put(&log.spread)),
    }
    out.bool(log.weak);
}

fn log(input: &mut Reader<'_>, version: u8) -> Result<LogPlace, CodecError> {
    Ok(LogPlace {
        incarnation: input.u64()?,
        spec: small(input, MAX_LOG_SPEC)?,
        first_partition: input.u64()?,
        partitions: partitions(input)?,
        spread: if version == 1 { whole(input)? } else { input.get()? },
        weak: input.bool()?,
    })
}

impl Encode for GlobalState {
    fn encode(&self, out: &mut Writer) {
        let version = if self.logs.values().all(|log| log.spread.is_whole()) { 1 } else { 2 };
        out.u8(version);
        put_map(out, self.members.iter(), |out, id, member| put_member(out.u64(id.0), member));
        out.u64(self.last_member);
        put_map(out, self.logs.iter(), |out, name, log| put_log(out.text(name.as_str()), version, log));
        put_map(out, self.partitions.iter(), |out, id, place| {
            out.u64(*id).u64(place.log).put(&place.nodeset);
        });
        out.u64(self.last_log).u64(self.last_partition);
        put_map(out, self.leases.iter(), |out, number, lease| {
            out.u16(*number).option(lease.member.as_ref(), |out, member| {
                out.u64(member.0);
            });
            out.u64(lease.incarnation);
        });
        out.u64(self.last_lease);
    }
}

impl Decode for GlobalState {
    fn decode(input: &mut Reader<'_>) -> Result<Self, CodecError> {
        let version = match input.u8()? {
            version @ (1 | 2) => version,
            found => return Err(CodecError::Tag { what: "version of the global state", found: found.into() }),
        };
        let members = map(input, MAX_MEMBERS, |input| Ok((MemberId(input.u64()?), member(input)?)))?;
        let last_member = input.u64()?;
        let logs = map(input, MAX_LOGS, |input| Ok((log_name(input)?, log(input, version)?)))?;
        let sparse = logs.values().any(|log| !log.spread.is_whole());
        if sparse != (version == 2) || logs.values().any(|log| log.spread.check(true).is_err()) {
            return Err(CodecError::Invalid { what: "global state", why: "copies that cannot be" });
        }
        let partitions = map(input, MAX_ALL_PARTITIONS, |input| {
            Ok((input.u64()?, PartitionPlace { log: input.u64()?, nodeset: input.get()? }))
        })?;
        let (last_log, last_partition) = (input.u64()?, input.u64()?);
        let leases = map(input, NODE_NUMBERS.into(), |input| {
            let number = input.u16()?;
            let member = input.option(|input| input.u64().map(MemberId))?;
            Ok((number, Lease { member, incarnation: input.u64()? }))
        })?;
        let last_lease = input.u64()?;
        let state = Self { members, last_member, logs, partitions, last_log, last_partition, leases, last_lease };
        state.check()?;
        Ok(state)
    }
}

impl GlobalState {
    /// Numbers that will be given must not have been given, and each partition has the log that has it.
    fn check(&self) -> Result<(), CodecError> {
        let invalid = |why| Err(CodecError::Invalid { what: "global state", why });
        if [self.last_member, self.last_log, self.last_partition, self.last_lease].iter().any(|last| *last >= 1 << 62) {
            return invalid("numbers that are nearly used up");
        }
        if self.members.keys().next_back().is_some_and(|last| last.0 > self.last_member) {
            return invalid("a member above the last id");
        }
        if self.leases.keys().next_back().is_some_and(|last| *last >= NODE_NUMBERS) {
            return invalid("a node number above 1023");
        }
        if self.leases.values().any(|lease| lease.incarnation > self.last_lease) {
            return invalid("a lease above the last one");
        }
        let mut logs = BTreeSet::new();
        let mut placed = 0;
        for log in self.logs.values() {
            let Some(end) = log.first_partition.checked_add(log.partitions.into()) else {
                return invalid("partitions without end");
            };
            if log.incarnation > self.last_log || end > self.last_partition.saturating_add(1) {
                return invalid("a log above the last one");
            }
            let own = self.partitions.range(log.first_partition..end);
            let own = own.filter(|(_, place)| place.log == log.incarnation).count();
            if !logs.insert(log.incarnation) || own != log.partitions as usize {
                return invalid("a log without its partitions");
            }
            placed += own;
        }
        if placed == self.partitions.len() { Ok(()) } else { invalid("partitions without a log") }
    }
}
