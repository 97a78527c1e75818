//! What record logs refuse, as problems.

use axum::http::StatusCode;
use pyralog_cluster_core::Error;
use pyralog_cluster_core::cluster::AppendError;
use serde_json::{Value, json};

use super::answers::appended;
use crate::api::Problem;
use crate::logs::{LogError, Partly};

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        let message = error.to_string();
        match error {
            LogError::NotaryName(_) => {
                Self::new(StatusCode::CONFLICT, "log_exists", message).remedy("choose another name")
            }
            LogError::OwnName(_) | LogError::ReservedName(_) => {
                Self::new(StatusCode::FORBIDDEN, "own_log", message).remedy("choose another name")
            }
            LogError::Signing => Self::new(StatusCode::SERVICE_UNAVAILABLE, "signing", message)
                .remedy("see why no block is decided, and send again; nothing was done")
                .retry_after(5),
            LogError::Home(_) => Self::internal(message),
            LogError::Replaced { found, .. } => Self::new(StatusCode::CONFLICT, "log_replaced", message)
                .remedy("read the log as it is now from its first record, under the incarnation that it has")
                .detail("incarnation", found.to_string()),
            LogError::NoProducers(_) => Self::new(StatusCode::CONFLICT, "no_producers", message)
                .remedy("append without a producer, or make a log on disk"),
            LogError::WhichPartition { .. } => {
                Self::bad(message).remedy("name the partition that the producer was opened for, with ?partition=")
            }
            LogError::Store(error) => store(&error),
            LogError::Append(error) => append(&error),
            LogError::Group(error) => error.into(),
            LogError::Elsewhere(_) => Self::new(StatusCode::MISDIRECTED_REQUEST, "elsewhere", message)
                .remedy("GET /v1/cluster shows where the members listen and who stores which partition"),
            LogError::NoCopies(_) => Self::new(StatusCode::CONFLICT, "no_cluster", message)
                .remedy("make the log without copysets, nodeset, replication and copies, or add members first"),
            LogError::CopiesInMemory(_) => Self::bad(message)
                .remedy("leave copysets, nodeset, replication and copies out, or take storage \"disk\""),
            LogError::Copies(_) => Self::bad(message).remedy("send numbers that fit, or leave them out"),
            LogError::Absent { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "absent", message)
                .remedy("start the members that store the partition, and send again")
                .retry_after(2),
            LogError::Newcomer { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "behind", message)
                .remedy("send again in a moment; where it stays so, start the members that stored the partition before")
                .retry_after(2),
            LogError::NotStarted => Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_started", message)
                .remedy("start the other members, or send again in a few seconds; nothing was taken")
                .retry_after(2),
            LogError::Unknown(error) => unknown(&error),
            LogError::Partly(partly) => some(message, &partly),
            LogError::Unreadable { .. } | LogError::Panicked | LogError::Unsigned(_) => {
                tracing::error!(error = message, "a record log failed");
                Self::internal(message)
            }
            LogError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
                .remedy("send again when it has started; what was appended may or may not be in the log")
                .retry_after(5),
        }
    }
}

/// The store refused and took nothing.
fn store(error: &Error) -> Problem {
    let message = error.to_string();
    let not_found = |code| Problem::new(StatusCode::NOT_FOUND, code, message.clone());
    let conflict = |code| Problem::new(StatusCode::CONFLICT, code, message.clone());
    match error {
        Error::LogName { .. } | Error::Size { .. } => {
            Problem::bad(message.clone()).remedy("keep to the bounds that the message names")
        }
        Error::NoSuchLog { .. } => not_found("no_such_log").remedy("GET /v1/cluster/logs lists all"),
        Error::NoSuchPartition { .. } => {
            not_found("no_such_partition").remedy("GET /v1/cluster/logs/{name} shows the partitions")
        }
        Error::LogExists { .. } => conflict("log_exists").remedy("delete it first, or choose another name"),
        Error::NoSuchProof(_) => Problem::bad(message.clone())
            .remedy("give the sizes of two checkpoints of the partition, the older one as old"),
        Error::NoCheckpoints { .. } => conflict("no_checkpoints").remedy("ask without proof=1"),
        Error::LogRetracted { .. } => {
            conflict("log_conflict").remedy("put back the newest copy of the home, or append to another log")
        }
        Error::NoSuchRecord { first, next, asked, .. } => out_of_range(*first, *next, *asked),
        Error::Busy { .. } => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message.clone())
            .remedy("send again after the given time; nothing was taken")
            .retry_after(1),
        Error::DiskFull { .. } => {
            disk_full(message.clone()).remedy("free space there and start the node again; no record was taken")
        }
        Error::DiskLow { .. } => disk_full(message.clone())
            .remedy("free some space on the node's disk and send again; no record was taken, and the node goes on"),
        Error::Closed => unavailable(message.clone()).remedy("send again when the node has started; nothing was taken"),
        // Of one log only: the store goes on.
        Error::Damaged { .. } => {
            tracing::error!(%error, "a record log is damaged");
            Problem::internal(message.clone())
                .remedy("stop the node and run pyralogd fsck --home HOME, which names all that is damaged; the other partitions are served")
        }
        other => {
            tracing::error!(error = %other, "the store does not serve a record log");
            unavailable(message.clone()).remedy("see the node's log, and restart the node when its cause is mended")
        }
    }
}

/// The cluster did not acknowledge.
fn append(error: &AppendError) -> Problem {
    let message = error.to_string();
    let unavailable = |code| Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, message.clone());
    match error {
        AppendError::NoSuchPartition { .. } => {
            Problem::new(StatusCode::NOT_FOUND, "no_such_log", message.clone()).remedy("GET /v1/cluster/logs lists all")
        }
        AppendError::NoLeader => unavailable("no_leader")
            .remedy("nothing was taken: send again; GET /v1/cluster shows which members are up")
            .retry_after(1),
        AppendError::Busy => {
            unavailable("busy").remedy("nothing was taken: send again after the given time").retry_after(1)
        }
        AppendError::DiskFull => disk_full(message.clone())
            .remedy("free some space on the members' disks and send again; no record was taken, and the nodes go on"),
        AppendError::Invalid(error) => store(error),
        AppendError::Gap { expected } => Problem::new(StatusCode::CONFLICT, "gap", message.clone())
            .remedy("nothing was taken: send the appends of this producer in their order, from the one in \"expected\" on")
            .detail("expected", expected.to_string()),
        AppendError::UnknownProducer => Problem::new(StatusCode::CONFLICT, "unknown_producer", message.clone())
            .remedy("POST /v1/cluster/logs/{name}/producers opens another one; read before you append again what it has not answered"),
        _ => unavailable("unknown")
            .remedy("read the log before you send again: the records may or may not be in it, now or later"),
    }
}

/// What a producer sends again does no harm: whoever does not know is not told to read first.
pub fn of_producer(error: LogError) -> Problem {
    let unknown = matches!(error, LogError::Append(AppendError::Unknown { .. }));
    let problem = Problem::from(error);
    let again = "send the same records again under the same sequence number: they stand there once";
    if unknown { problem.remedy(again).retry_after(1) } else { problem }
}

/// The store failed, and nobody knows what it holds of the request.
fn unknown(error: &Error) -> Problem {
    let problem = match error {
        Error::DiskFull { .. } => disk_full(error.to_string()),
        _ => unavailable(error.to_string()),
    };
    problem.remedy("read the log when the node has started again: the records may or may not be in it")
}

/// Some records are acknowledged. Not 503: who sends the same again appends these twice.
fn some(message: String, Partly { acknowledged, unknown, .. }: &Partly) -> Problem {
    let entry = |(number, place)| -> Value {
        let mut entry = appended(place);
        entry["record"] = json!(number);
        entry
    };
    let acknowledged: Vec<Value> = acknowledged.iter().map(|(number, place)| entry((*number, *place))).collect();
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "partly_appended", message)
        .remedy(
            "send only records again that are not in \"acknowledged\", by their number in the request from 0 on; those in \"unknown\" \
             may be in the log: read it before",
        )
        .detail("acknowledged", acknowledged)
        .detail("unknown", json!(unknown))
}

fn out_of_range(first: u64, end: u64, asked: u64) -> Problem {
    let message =
        format!("the partition holds the records from {first} up to but not including {end}; {asked} was asked for");
    Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "out_of_range", message)
        .remedy("read from an offset between these two, or without \"from\"")
        .detail("first_offset", first.to_string())
        .detail("end_offset", end.to_string())
}

fn disk_full(message: String) -> Problem {
    Problem::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", message)
}

fn unavailable(message: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).retry_after(5)
}

#[cfg(test)]
#[path = "problem_test.rs"]
mod tests;
