//! The system's word that nobody listens at a peer's address (ICMP port unreachable, RFC 792 and RFC 4443): what a killed
//! process does not say itself. It can be forged, so it is a hint and never the proof.

#[cfg(target_os = "linux")]
pub(crate) use linux::{drain, enable};
#[cfg(not(target_os = "linux"))]
pub(crate) use nowhere::{drain, enable};

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        io,
        net::SocketAddr,
        os::fd::{AsFd, AsRawFd},
    };

    use nix::{
        cmsg_space, libc,
        sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt},
    };
    use tokio::net::UdpSocket;

    use crate::tunnel::socket::inbound;

    /// Reports taken at one time.
    const MOST: usize = 64;

    /// Asks for the reports.
    pub(crate) fn enable(io: &UdpSocket, ipv6: bool) {
        let mut results = vec![setsockopt(&io.as_fd(), sockopt::Ipv4RecvErr, &true)];
        if ipv6 {
            results.push(setsockopt(&io.as_fd(), sockopt::Ipv6RecvErr, &true));
        }
        if let Some(error) = results.into_iter().find_map(Result::err) {
            tracing::debug!(%error, "no reports of closed ports: a killed peer is noticed by its silence");
        }
    }

    /// Moves what waits in the error queue to `addresses`.
    pub(crate) fn drain(io: &UdpSocket, addresses: &mut Vec<SocketAddr>) -> io::Result<()> {
        // The report, the reporter's address, and what else was asked of the socket.
        let mut space = cmsg_space!([u64; 64]);
        for _ in 0..MOST {
            let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
            let report = recvmsg::<SockaddrStorage>(io.as_raw_fd(), &mut [], Some(&mut space), flags)?;
            let refused = report.cmsgs()?.any(|message| match message {
                ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
                    error.ee_errno == libc::ECONNREFUSED as u32
                }
                _ => false,
            });
            if refused && let Some(address) = report.address.as_ref().and_then(socket_address) {
                addresses.push(inbound(address));
            }
        }
        Ok(())
    }

    fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
        let four = address.as_sockaddr_in().map(|four| SocketAddr::new(four.ip().into(), four.port()));
        four.or_else(|| address.as_sockaddr_in6().map(|six| SocketAddr::new(six.ip().into(), six.port())))
    }
}

#[cfg(not(target_os = "linux"))]
mod nowhere {
    use std::{io, net::SocketAddr};

    use tokio::net::UdpSocket;

    pub(crate) fn enable(_: &UdpSocket, _: bool) {}

    pub(crate) fn drain(_: &UdpSocket, _: &mut Vec<SocketAddr>) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}
