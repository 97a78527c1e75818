//! Where there is no `tun(4)` as Linux has it there is no device.

use std::{future::pending, io, net::Ipv6Addr};

use crate::TunnelError;

/// There is none.
#[derive(Debug)]
pub(crate) enum Device {}

impl Device {
    /// # Errors
    /// Always.
    pub(crate) async fn open(name: &str, _: Ipv6Addr) -> Result<Self, TunnelError> {
        let reason = "only Linux has such devices: set tunnel.mode = \"userspace\"".to_owned();
        Err(TunnelError::Device { name: name.to_owned(), reason })
    }

    pub(crate) fn name(&self) -> &str {
        match *self {}
    }

    pub(crate) fn give(&self, _: &[u8]) -> bool {
        match *self {}
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        pending().await
    }

    pub(crate) fn try_take(&self, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }
}
