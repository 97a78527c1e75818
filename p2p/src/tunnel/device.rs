//! The network device by which other programs of this machine see the tunnels (Linux: `tun(4)`).
//!
//! It has our address inside with a prefix of 8 bits, from which the system makes the route to all others, and the MTU of the tunnels. It is not
//! persistent: it goes with the process, however that ends.

use std::{
    fmt, io,
    net::Ipv6Addr,
    path::Path,
    time::{Duration, Instant},
};

use nix::{errno::Errno, net::if_::if_nametoindex};
use tokio::net::UdpSocket;
use tun_rs::{AsyncDevice, DeviceBuilder, Layer};

use super::ip::INNER_MTU;
use crate::TunnelError;

#[cfg(test)]
#[path = "device_test.rs"]
mod tests;

/// Where the system gives out devices.
const CLONES: &str = "/dev/net/tun";
/// All overlay addresses begin with the same 8 bits, `fd`.
const PREFIX: u8 = 8;
/// Longest name of an interface, bytes (`IFNAMSIZ` without its zero).
const MAX_NAME: usize = 15;

/// How long the system may take until programs can use an address: milliseconds, more where it is busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// A device, up and with its address.
pub(crate) struct Device {
    io: AsyncDevice,
    name: String,
}

impl Device {
    /// Makes a device. `%d` in its name stands for the first number that is free.
    ///
    /// # Errors
    /// [`TunnelError::NoCapability`], [`TunnelError::Device`].
    pub(crate) async fn open(name: &str, overlay: Ipv6Addr) -> Result<Self, TunnelError> {
        let failed = |reason: String| TunnelError::Device { name: name.to_owned(), reason };
        check(name).map_err(failed)?;
        if !Path::new(CLONES).exists() {
            return Err(failed(format!("there is no {CLONES}: load the module of the kernel with `modprobe tun`")));
        }
        let refused = |error: io::Error| match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
            Errno::EPERM => TunnelError::NoCapability { name: name.to_owned() },
            Errno::EBUSY => failed(taken()),
            Errno::EACCES => {
                failed(format!("this user may not open {CLONES}: `chmod 666 {CLONES}` is what most systems have"))
            }
            _ => failed(error.to_string()),
        };
        let builder = DeviceBuilder::new().name(name).layer(Layer::L3).mtu(INNER_MTU as u16);
        let io = builder.inherit_enable_state().build_async().map_err(refused)?;
        let name = io.name().map_err(refused)?;
        let addressed = match io.add_address_v6(overlay, PREFIX).and_then(|()| io.enabled(true)) {
            Ok(()) => usable(overlay).await,
            Err(error) => Err(error),
        };
        addressed.map_err(|error| {
            failed(format!(
                "it takes no address: {error} (the system must have IPv6: `sysctl net.ipv6.conf.all.disable_ipv6` says whether it is off)"
            ))
        })?;
        // The runtime learns that there is room; before, nothing would be written.
        io.writable().await.map_err(refused)?;
        Ok(Self { io, name })
    }

    /// Its name, with the number that it got.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Hands a packet to the system; whether it took it.
    pub(crate) fn give(&self, packet: &[u8]) -> bool {
        self.io.try_send(packet).is_ok()
    }

    /// The system has a packet for a tunnel, or the device is gone.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    /// # Errors
    /// `WouldBlock` where there is none now.
    pub(crate) fn try_take(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.try_recv(buffer)
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Waits until programs can use the address: the system looks at a new one in its own time.
async fn usable(overlay: Ipv6Addr) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match UdpSocket::bind((overlay, 0)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            other => return other.map(drop),
        }
    }
}

/// A name that the system takes and nobody has. One that somebody has could be a device that outlives us.
fn check(name: &str) -> Result<(), String> {
    let plain = name.replacen("%d", "0", 1);
    let letters = plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if plain.is_empty() || name.len() > MAX_NAME || !letters || plain.bytes().all(|byte| byte == b'.') {
        return Err(format!(
            "a name has 1 to {MAX_NAME} letters, digits, dashes and dots, and may have one %d for a number (tunnel.device, --tunnel-device)"
        ));
    }
    if plain == name && if_nametoindex(name).is_ok() {
        return Err(taken());
    }
    Ok(())
}

fn taken() -> String {
    "there is an interface of this name: choose another one with tunnel.device, --tunnel-device, or pyra%d for the first free one".to_owned()
}
