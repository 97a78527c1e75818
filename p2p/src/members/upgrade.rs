//! How a lane's stream begins.

use std::{io, sync::Arc, vec};

use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, future::BoxFuture};
use libp2p::{InboundUpgrade, OutboundUpgrade, PeerId, Stream, StreamProtocol, core::UpgradeInfo};

use super::{Lane, frame::malformed, roster::Roster};

/// Takes streams of members and refuses all others before a byte is read. Without members nothing is offered.
#[derive(Debug)]
pub(crate) struct Admit {
    pub(crate) protocol: StreamProtocol,
    pub(crate) roster: Arc<Roster>,
    pub(crate) peer: PeerId,
}

impl UpgradeInfo for Admit {
    type Info = StreamProtocol;
    type InfoIter = vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        if self.roster.any() { vec![self.protocol.clone()] } else { Vec::new() }.into_iter()
    }
}

impl InboundUpgrade<Stream> for Admit {
    type Output = (Lane, Stream);
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Output>>;

    fn upgrade_inbound(self, mut stream: Stream, _: StreamProtocol) -> Self::Future {
        let admitted = self.roster.contains(&self.peer);
        if !admitted {
            self.roster.common().metrics.strangers.inc();
            tracing::debug!(peer = %self.peer, "no member: its member stream is refused");
        }
        async move {
            if !admitted {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, "no member"));
            }
            let mut byte = [0];
            stream.read_exact(&mut byte).await?;
            let lane = Lane::from_byte(byte[0]).ok_or_else(|| malformed("unknown lane"))?;
            Ok((lane, stream))
        }
        .boxed()
    }
}

/// Opens a lane.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) protocol: StreamProtocol,
    pub(crate) lane: Lane,
}

impl UpgradeInfo for Open {
    type Info = StreamProtocol;
    type InfoIter = std::iter::Once<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(self.protocol.clone())
    }
}

impl OutboundUpgrade<Stream> for Open {
    type Output = Stream;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Stream>>;

    fn upgrade_outbound(self, mut stream: Stream, _: StreamProtocol) -> Self::Future {
        async move {
            stream.write_all(&[self.lane.index() as u8]).await?;
            stream.flush().await?;
            Ok(stream)
        }
        .boxed()
    }
}
