//! The bytes of one exchange.
//!
//! Request: `u32` length (big-endian), then that many bytes, then the end of the stream.
//! Response: one status byte, `u32` length, that many bytes (none unless the status is 0), the end of the stream.

use std::io::{self, ErrorKind};

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::budget::{Budget, Hold};

#[cfg(test)]
mod tests;

/// The first byte of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The answer follows.
    Ok = 0,
    /// Over a limit now; another time may do.
    Busy = 1,
    /// The node gave no answer.
    Refused = 2,
    /// The request is longer than the protocol allows.
    TooLarge = 3,
}

impl TryFrom<u8> for Status {
    type Error = io::Error;

    fn try_from(byte: u8) -> io::Result<Self> {
        Ok(match byte {
            0 => Self::Ok,
            1 => Self::Busy,
            2 => Self::Refused,
            3 => Self::TooLarge,
            other => return Err(malformed(format!("unknown status {other}"))),
        })
    }
}

/// What came in as a request.
#[derive(Debug)]
pub(crate) enum Received {
    /// A whole request, its bytes counted in the budget while the hold lives.
    Request(Bytes, Hold),
    /// Nothing was read: answer with this status.
    Refuse(Status),
}

/// Reads a request of at most `max` bytes. Memory is taken from `budget` before it is allocated.
pub(crate) async fn read_request<R>(io: &mut R, max: usize, budget: &Budget) -> io::Result<Received>
where
    R: AsyncRead + Unpin + Send,
{
    let length = read_length(io).await?;
    if length > max {
        return Ok(Received::Refuse(Status::TooLarge));
    }
    let Some(hold) = budget.take(length) else { return Ok(Received::Refuse(Status::Busy)) };
    let data = read_rest(io, length).await?;
    Ok(Received::Request(data, hold))
}

/// Reads a response of at most `max` bytes.
pub(crate) async fn read_response<R>(io: &mut R, max: usize) -> io::Result<(Status, Bytes)>
where
    R: AsyncRead + Unpin + Send,
{
    let mut status = [0];
    io.read_exact(&mut status).await?;
    let status = Status::try_from(status[0])?;
    let length = read_length(io).await?;
    if length > max {
        return Err(malformed(format!("{length} bytes are over the limit of {max}")));
    }
    if status != Status::Ok && length != 0 {
        return Err(malformed("a refusal carries bytes"));
    }
    Ok((status, read_rest(io, length).await?))
}

/// Writes a request.
pub(crate) async fn write_request<W>(io: &mut W, data: &[u8]) -> io::Result<()>
where
    W: AsyncWrite + Unpin + Send,
{
    io.write_all(&length_bytes(data)?).await?;
    io.write_all(data).await
}

/// Writes a response; `data` is sent with status Ok only.
pub(crate) async fn write_response<W>(io: &mut W, status: Status, data: &[u8]) -> io::Result<()>
where
    W: AsyncWrite + Unpin + Send,
{
    let data = if status == Status::Ok { data } else { &[] };
    let [a, b, c, d] = length_bytes(data)?;
    io.write_all(&[status as u8, a, b, c, d]).await?;
    io.write_all(data).await
}

/// Reads a request frame from memory for its errors alone: the entry for fuzzers. Returns the request's length, or
/// `None` where it would be refused for its size.
///
/// # Errors
/// Missing or trailing bytes.
pub fn check_request_frame(mut bytes: &[u8], max: usize) -> io::Result<Option<usize>> {
    match futures::executor::block_on(read_request(&mut bytes, max, &Budget::new(max)))? {
        Received::Request(data, _) => Ok(Some(data.len())),
        Received::Refuse(_) => Ok(None),
    }
}

/// Reads a response frame from memory for its errors alone: the entry for fuzzers.
///
/// # Errors
/// An unknown status, a length over `max`, bytes behind a refusal, missing or trailing bytes.
pub fn check_response_frame(mut bytes: &[u8], max: usize) -> io::Result<usize> {
    futures::executor::block_on(read_response(&mut bytes, max)).map(|(_, data)| data.len())
}

async fn read_length<R: AsyncRead + Unpin + Send>(io: &mut R) -> io::Result<usize> {
    let mut bytes = [0; 4];
    io.read_exact(&mut bytes).await?;
    usize::try_from(u32::from_be_bytes(bytes)).map_err(malformed)
}

/// `length` bytes and then the end of the stream. The caller has checked `length` against its limit.
async fn read_rest<R: AsyncRead + Unpin + Send>(io: &mut R, length: usize) -> io::Result<Bytes> {
    let mut data = vec![0; length];
    io.read_exact(&mut data).await?;
    if io.read(&mut [0]).await? != 0 {
        return Err(malformed("trailing bytes"));
    }
    Ok(data.into())
}

fn length_bytes(data: &[u8]) -> io::Result<[u8; 4]> {
    Ok(u32::try_from(data.len()).map_err(malformed)?.to_be_bytes())
}

fn malformed(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}
