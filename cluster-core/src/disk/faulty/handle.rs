//! An open file of the faulty disk.

use std::io;

use super::inode::{ByteOp, Inode, write};
use super::{FaultyDisk, File, Hook, State};

const SECTOR: u64 = 512;

#[derive(Debug)]
pub(super) struct Handle {
    pub(super) disk: FaultyDisk,
    pub(super) inode: u64,
    pub(super) boot: u64,
}

impl Handle {
    fn with<T>(&self, act: impl FnOnce(&mut State, u64) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state();
        if state.boot != self.boot {
            return Err(io::Error::other("the handle is from before the crash"));
        }
        act(&mut state, self.inode)
    }
}

fn inode(state: &mut State, number: u64) -> &mut Inode {
    state.inodes.entry(number).or_default()
}

/// Calls what waits for something. The disk is not locked meanwhile.
fn call(hook: Option<Hook>) {
    if let Some(Hook(hook)) = hook {
        hook();
    }
}

impl File for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|state, number| {
            let visible = &inode(state, number).visible;
            let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(visible.len());
            let read = buffer.len().min(visible.len() - begin);
            buffer[..read].copy_from_slice(&visible[begin..begin + read]);
            Ok(read)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let hook = self.disk.state().before_write.clone();
        call(hook);
        self.with(|state, number| {
            state.change()?;
            if state.misdirects() {
                state.misdirect(bytes);
                return Ok(());
            }
            let free = state.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(state.used()));
            let inode = inode(state, number);
            let growth = (offset + bytes.len() as u64).saturating_sub(inode.visible.len() as u64);
            let fits = bytes.len().saturating_sub(growth.saturating_sub(free) as usize);
            write(&mut inode.visible, offset, &bytes[..fits]);
            inode.pending.push(ByteOp::Write(offset, bytes[..fits].to_vec()));
            if fits == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
        })
    }

    fn size(&self) -> io::Result<u64> {
        self.with(|state, number| Ok(inode(state, number).visible.len() as u64))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|state, number| {
            state.change()?;
            let inode = inode(state, number);
            inode.visible.resize(len as usize, 0);
            inode.pending.push(ByteOp::SetLen(len));
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        let hook = self.disk.state().before_sync.clone();
        call(hook);
        self.with(|state, number| {
            state.syncs += 1;
            let (powered, reached) = state.synced();
            let reached = reached && !state.ignore_syncs;
            let failed = state.syncs_left == Some(0);
            state.syncs_left = state.syncs_left.and_then(|left| left.checked_sub(1));
            let inode = inode(state, number);
            if failed {
                inode.pending.clear();
                return Err(io::Error::other("injected: input/output error"));
            }
            if reached {
                inode.persist();
            }
            powered
        })
    }
}

impl State {
    /// Counts a write; whether this is the one that goes astray.
    fn misdirects(&mut self) -> bool {
        let now = self.writes_until_misdirected == Some(0);
        self.writes_until_misdirected = self.writes_until_misdirected.and_then(|left| left.checked_sub(1));
        now
    }

    /// Puts bytes somewhere inside some file, as far as it reaches.
    fn misdirect(&mut self, bytes: &[u8]) {
        let named: Vec<u64> = self.names.values().copied().collect();
        let number = named[self.below(named.len() as u64) as usize];
        let length = inode(self, number).visible.len() as u64;
        let offset = self.below(length.div_ceil(SECTOR)) * SECTOR;
        let fits = bytes.len().min(length.saturating_sub(offset) as usize);
        let inode = inode(self, number);
        write(&mut inode.visible, offset, &bytes[..fits]);
        inode.pending.push(ByteOp::Write(offset, bytes[..fits].to_vec()));
    }
}
