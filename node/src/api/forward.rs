//! What this member cannot answer from its own store is answered by one that can, over the member link. Whoever is asked by another member asks nobody.
//!
//! ```text
//! question   version:u8 kind:u8 length:u16 path-and-query body
//! answer     version:u8 last:u8 status:u16 retry-after-seconds:u16 body
//! ```

use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use pyralog_cluster_core::cluster::{Cluster, MAX_TOLD_BYTES};
use pyralog_cluster_core::raft::LinkError;
use pyralog_cluster_core::replication::MemberId;
use serde::de::DeserializeOwned;

use super::extract::Query;
use super::server::raw_json;
use super::{ApiState, Problem, cluster, logs, notary};

/// Time that a link may take, beside that for which an answer may wait.
pub const WAY: Duration = Duration::from_secs(10);
/// Of another form no question and no answer is understood. Earlier builds began a question with a number below 2^56.
const VERSION: u8 = 1;
/// A longer path and query is asked by nobody.
const MAX_URI: usize = 4 << 10;
/// Bytes before path and query of a question.
const QUESTION_HEAD: usize = 4;
/// Bytes before the body of an answer.
const ANSWER_HEAD: usize = 6;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A read of a record log; see [`logs::answer`].
    Records = 1,
    /// The receipt of a leaf.
    Receipt = 2,
    /// To take leaves.
    Leaves = 3,
    /// What a member holds of a record log; see [`logs::answer_extents`].
    Extents = 4,
    /// To hand the lead of the groups over.
    Transfer = 5,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Records, Self::Receipt, Self::Leaves, Self::Extents, Self::Transfer];

    /// Whether no two members are asked to where the first may have done it.
    fn changes(self) -> bool {
        matches!(self, Self::Leaves | Self::Transfer)
    }
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub kind: Kind,
    /// Path and query of the call.
    pub uri: Uri,
    /// Its body, or what else belongs to the kind.
    pub body: Bytes,
}

/// What a member answers.
pub struct Answer {
    /// Whether no other member needs to be asked. Where one may be, nothing was done.
    pub last: bool,
    /// The answer.
    pub response: Response,
}

/// What became of a question.
#[derive(Debug)]
pub enum Asked {
    /// A member has answered.
    Answered(Response),
    /// Nobody has, and nothing was done.
    Nobody,
    /// A member has been asked and does not answer: whether it has done what was asked is not known. Says why.
    Unknown(String),
}

impl Answer {
    /// What the caller is told, whatever others would say.
    pub fn last(response: Response) -> Self {
        Self { last: true, response }
    }

    /// What the caller is told if no other member says more.
    pub fn first(response: Response) -> Self {
        Self { last: false, response }
    }

    async fn into_bytes(self) -> Bytes {
        let (status, headers) = (self.response.status(), self.response.headers());
        let seconds = headers.get(header::RETRY_AFTER).and_then(|text| text.to_str().ok()?.parse().ok()).unwrap_or(0);
        match to_bytes(self.response.into_body(), MAX_TOLD_BYTES - ANSWER_HEAD).await {
            Ok(body) => framed(self.last, status, seconds, &body),
            Err(_) => framed(true, StatusCode::PAYLOAD_TOO_LARGE, 0, b""),
        }
    }

    /// `None` for bytes that are no answer to this kind of question.
    fn of(kind: Kind, mut bytes: Bytes) -> Option<Self> {
        let head: &[u8; ANSWER_HEAD] = bytes.first_chunk()?;
        let [VERSION, last @ (0 | 1), status @ .., retry, after] = *head else { return None };
        let (last, status) = (last == 1, StatusCode::from_u16(u16::from_be_bytes(status)).ok()?);
        bytes.advance(ANSWER_HEAD);
        if status == StatusCode::PAYLOAD_TOO_LARGE && bytes.is_empty() {
            return Some(Self { last, response: too_large(kind).into_response() });
        }
        if !(status.is_success() || status.is_client_error() || status.is_server_error()) {
            return None;
        }
        let mut response = raw_json(status, bytes);
        if let seconds @ 1.. = u16::from_be_bytes([retry, after]) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        Some(Self { last, response })
    }
}

fn framed(last: bool, status: StatusCode, seconds: u16, body: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(ANSWER_HEAD + body.len());
    out.put_slice(&[VERSION, u8::from(last)]);
    out.put_u16(status.as_u16());
    out.put_u16(seconds);
    out.put_slice(body);
    out.freeze()
}

fn too_large(kind: Kind) -> Problem {
    let message = "the answer of the member that stores this is too large to be sent on";
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message).remedy(match kind {
        Kind::Records => "ask for fewer records, or ask that member: GET /v1/cluster shows it",
        _ => "ask that member: GET /v1/cluster shows it",
    })
}

impl Question {
    /// Whether it can be sent to a member.
    pub fn fits(&self) -> bool {
        let uri = self.path_and_query().len();
        uri <= MAX_URI && QUESTION_HEAD + uri + self.body.len() <= MAX_TOLD_BYTES
    }

    fn path_and_query(&self) -> &str {
        self.uri.path_and_query().map_or("", |text| text.as_str())
    }

    /// `None` for a question that is too long for a link.
    fn to_bytes(&self) -> Option<Bytes> {
        let uri = self.path_and_query();
        let length = u16::try_from(uri.len()).ok().filter(|_| self.fits())?;
        let mut out = BytesMut::with_capacity(QUESTION_HEAD + uri.len() + self.body.len());
        out.put_slice(&[VERSION, self.kind as u8]);
        out.put_u16(length);
        out.put_slice(uri.as_bytes());
        out.put_slice(&self.body);
        Some(out.freeze())
    }

    /// `None` for bytes that are no question which this build knows.
    fn of(mut bytes: Bytes) -> Option<Self> {
        let [VERSION, kind, length @ ..] = *bytes.first_chunk::<QUESTION_HEAD>()? else { return None };
        let kind = Kind::ALL.into_iter().find(|known| *known as u8 == kind)?;
        let length = usize::from(u16::from_be_bytes(length));
        bytes.advance(QUESTION_HEAD);
        if length > MAX_URI.min(bytes.len()) {
            return None;
        }
        let uri = std::str::from_utf8(&bytes.split_to(length)).ok()?.parse().ok()?;
        Some(Self { kind, uri, body: bytes })
    }

    /// Asks members one after another until one has said the last word, each for so long.
    pub async fn ask(&self, cluster: &Cluster, members: &[MemberId], within: Duration) -> Asked {
        let Some(bytes) = self.to_bytes() else { return Asked::Nobody };
        let mut first = None;
        for member in members {
            let why = match cluster.ask_node(*member, bytes.clone(), within).await {
                Ok(None) => "it cannot answer, and has done nothing".to_owned(),
                Ok(Some(told)) => match Answer::of(self.kind, told) {
                    Some(Answer { last: true, response }) => return Asked::Answered(response),
                    Some(Answer { response, .. }) => {
                        first.get_or_insert(response);
                        continue;
                    }
                    None if self.kind.changes() => return unknown(*member, "its answer is not understood"),
                    None => "its answer is not understood".to_owned(),
                },
                Err(LinkError::Lost(why)) if self.kind.changes() => return unknown(*member, &why),
                Err(reason) => reason.to_string(),
            };
            // The next one may be nearer.
            tracing::debug!(member = member.0, kind = ?self.kind, why, "a question could not be sent on");
        }
        first.map_or(Asked::Nobody, Asked::Answered)
    }
}

fn unknown(member: MemberId, why: &str) -> Asked {
    Asked::Unknown(format!("member {} of the cluster was asked and gave no answer: {why}", member.0))
}

/// Has the questions of other members answered here.
pub fn answer_members(cluster: &Cluster, api: &Arc<ApiState>) {
    let api = Arc::downgrade(api);
    cluster.answer_with(Arc::new(move |question| {
        let api = api.upgrade();
        Box::pin(async move { answer(api?, question).await })
    }));
}

async fn answer(api: Arc<ApiState>, question: Bytes) -> Option<Bytes> {
    let question = Question::of(question)?;
    let answer = match question.kind {
        Kind::Records => logs::answer(api, &question).await,
        Kind::Extents => logs::answer_extents(&api, &question).await,
        Kind::Transfer => cluster::answer_transfer(&api, &question).await,
        Kind::Receipt => notary::answer_receipt(&api, &question).await,
        Kind::Leaves => notary::answer_leaves(&api, question).await,
    };
    Some(answer?.into_bytes().await)
}

/// The parameters behind `?`, if they can be read.
pub fn query<T: DeserializeOwned>(uri: &Uri) -> Option<Query<T>> {
    axum::extract::Query::try_from_uri(uri).ok().map(|axum::extract::Query(asked)| Query(asked))
}

#[cfg(test)]
#[path = "forward_test.rs"]
mod tests;
