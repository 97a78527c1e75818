//! What a member of a group answers to the others.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use openraft::error::{CheckIsLeaderError, ClientWriteError, InstallSnapshotError, RaftError};
use pyralog_crypto::Decode;

use super::Machine;
use super::group::Group;
use super::wire::{Reply, Request};

impl<M: Machine> Group<M> {
    /// Answers another member.
    pub(super) async fn serve(&self, request: Request) -> Reply {
        let raft = &self.shared.raft;
        match request {
            Request::Append(rpc) => {
                raft.append_entries(rpc).await.map_or_else(|e| Reply::Stopped(e.to_string()), Reply::Append)
            }
            Request::Vote(rpc) => self.vote(rpc).await,
            Request::Snapshot(rpc) => match raft.install_snapshot(rpc).await {
                Ok(answer) => Reply::Snapshot(answer.vote),
                Err(RaftError::APIError(InstallSnapshotError::SnapshotMismatch(_))) => Reply::SnapshotMismatch,
                Err(e) => Reply::Stopped(e.to_string()),
            },
            Request::TakeOver => self.take_over().await,
            Request::Ping => Reply::Done,
            other => self.lead(other, self.shared.options.patience).await,
        }
    }

    /// Answers what only the leader can, within this time.
    pub(super) async fn lead(&self, request: Request, time: Duration) -> Reply {
        // Asked before: behind this, openraft says "not the leader" also of a command that it has begun to spread.
        if !self.leads() {
            let leader = self.leader().filter(|leader| *leader != self.shared.me);
            return Reply::NotLeader(leader.map(|leader| leader.0));
        }
        match request {
            Request::Propose(command) => self.lead_propose(command, time).await,
            Request::Change(change) => {
                let late = |_| Reply::Uncertain(BTreeSet::new());
                tokio::time::timeout(time, self.lead_change(change)).await.unwrap_or_else(late)
            }
            Request::ReadAt => match tokio::time::timeout(time, self.shared.raft.get_read_log_id()).await {
                Ok(Ok((read_at, _))) => Reply::ReadAt(read_at.map(|id| id.index)),
                Ok(Err(RaftError::APIError(CheckIsLeaderError::ForwardToLeader(to)))) => Reply::NotLeader(to.leader_id),
                Ok(Err(RaftError::Fatal(e))) => Reply::Stopped(e.to_string()),
                Ok(Err(RaftError::APIError(CheckIsLeaderError::QuorumNotEnough(heard)))) => Reply::Uncertain(heard.got),
                Err(_) => Reply::Uncertain(BTreeSet::new()),
            },
            _ => Reply::Refused("this is no question for the leader".to_owned()),
        }
    }

    async fn lead_propose(&self, command: Bytes, time: Duration) -> Reply {
        // What cannot be read would stop every member that applies it.
        if let Err(e) = M::Command::from_bytes(&command) {
            return Reply::Refused(e.to_string());
        }
        match tokio::time::timeout(time, self.shared.raft.client_write(command)).await {
            Ok(Ok(done)) => Reply::Applied { index: done.log_id.index, answer: done.data },
            Ok(Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(e)))) => Reply::Refused(e.to_string()),
            // Perhaps it was in the log, and has been cut off here; another member may still have it.
            Ok(Err(_)) | Err(_) => Reply::Uncertain(BTreeSet::new()),
        }
    }
}
