//! The decoders of this module, for fuzzers.

use pyralog_crypto::{CodecError, Decode, Encode, Reader, Writer};

use super::codec::{
    bytes_of, entry, log_id, membership, meta, put_entry, put_log_id, put_membership, put_meta, put_vote, vote, whole,
};
use super::wire::{Reply, Request, frame, unframe};
use super::{GlobalAnswer, GlobalCommand, GlobalState, Hello, Identity, ShardAnswer, ShardCommand, ShardState};

/// Whether the bytes are a value, which then has no other encoding.
fn value<T: Encode + Decode>(bytes: &[u8]) -> bool {
    T::from_bytes(bytes).map(|value| assert_eq!(value.to_bytes(), bytes, "two encodings of one value")).is_ok()
}

fn record<T>(
    bytes: &[u8],
    get: impl Fn(&mut Reader<'_>) -> Result<T, CodecError>,
    put: impl Fn(&mut Writer, &T),
) -> bool {
    let found = whole("record", bytes, get);
    found.map(|found| assert_eq!(bytes_of(|out| put(out, &found)), bytes, "two encodings of one record")).is_ok()
}

fn message<T: Encode + Decode>(bytes: &[u8]) -> bool {
    let found: Result<(Hello, T), _> = unframe(bytes);
    found.map(|(hello, found)| assert_eq!(frame(&hello, &found), bytes, "two encodings of one message")).is_ok()
}

/// A frame of one member to another.
pub(crate) fn messages(bytes: &[u8]) -> bool {
    message::<Request>(bytes) | message::<Reply>(bytes)
}

/// What stands in the table of the groups.
pub(crate) fn records(bytes: &[u8]) -> bool {
    record(bytes, vote, put_vote)
        | record(bytes, log_id, put_log_id)
        | record(bytes, membership, put_membership)
        | record(bytes, entry, put_entry)
        | record(bytes, meta, put_meta)
        | record(bytes, Identity::decode, |out, identity| identity.encode(out))
}

/// Commands, answers and state of the global group.
pub(crate) fn global(bytes: &[u8]) -> bool {
    value::<GlobalCommand>(bytes) | value::<GlobalAnswer>(bytes) | value::<GlobalState>(bytes)
}

/// Commands, answers and state of an epoch shard.
pub(crate) fn shard(bytes: &[u8]) -> bool {
    value::<ShardCommand>(bytes) | value::<ShardAnswer>(bytes) | value::<ShardState>(bytes)
}
