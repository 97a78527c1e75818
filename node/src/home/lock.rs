//! One process per home.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};

use super::Home;
use crate::error::{Error, Result};

/// Held as long as this process uses the home. The kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct HomeLock {
    file: File,
    path: PathBuf,
}

impl HomeLock {
    /// Takes the lock, or says who holds it.
    pub fn take(home: &Home) -> Result<Self> {
        let path = home.root().join("pyralogd.lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| Error::io("open", &path, e))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            let _ = (&mut file).take(32).read_to_string(&mut holder);
            let who = holder.trim().parse::<u32>().map_or_else(|_| String::new(), |pid| format!(" (process {pid})"));
            return Err(Error::home(
                home.root(),
                format!("another pyralogd{who} already runs on this home; stop it first, or use another --home"),
            ));
        }
        let lock = Self { file, path };
        lock.write_pid().map_err(|e| Error::io("write", &lock.path, e))?;
        Ok(lock)
    }

    fn write_pid(&self) -> std::io::Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())
    }
}
