//! Peers that are programs of their own: found, started on free ports in a directory below the benchmark's, and ended by pid.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::localnet::ports;

/// How long a program may take to answer for the first time, and to end.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// Characters of its output that a failure shows.
const TAIL: usize = 600;

/// The program of that name in `PATH`.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Free ports.
pub fn ports(count: usize) -> Result<Vec<u16>> {
    ports::pick(count, &BTreeSet::new(), u64::from(std::process::id()) * 7)
}

/// A running program; ended when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it with both outputs in `dir/output`.
    pub fn start<A: AsRef<OsStr>>(program: &Path, args: &[A], dir: &Path) -> Result<Self> {
        let log = dir.join("output");
        let output = File::create(&log).with_context(|| format!("cannot make {}", log.display()))?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, log })
    }

    /// Tries until the program answers.
    pub fn wait<T>(&mut self, mut answer: impl FnMut() -> Result<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let error = match answer() {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended ({status}) before it answered: {}", self.tail());
            }
            if Instant::now() > deadline {
                return Err(error.context(format!("it does not answer: {}", self.tail())));
            }
            std::thread::sleep(POLL);
        }
    }

    /// The end of what it wrote.
    fn tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let skip = text.chars().count().saturating_sub(TAIL);
        text.chars().skip(skip).collect::<String>().trim().to_owned()
    }

    fn end(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        // The child is not waited for yet, so its pid is nobody else's.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            anstream::eprintln!("bench: process {} was not ended: {error:#}", self.child.id());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_started_and_ended() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(find("no-program-has-this-name"), None);
        let mut server = Server::start(&find("sleep").unwrap(), &["600"], dir.path()).unwrap();
        let mut tries = 0;
        let answer = server.wait(|| {
            tries += 1;
            if tries < 3 { bail!("not yet") } else { Ok(tries) }
        });
        assert_eq!(answer.unwrap(), 3);
        let pid = server.child.id();
        drop(server);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn a_program_that_ends_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let args = ["-c", "echo no such option >&2; exit 3"];
        let mut server = Server::start(&find("sh").unwrap(), &args, dir.path()).unwrap();
        let error = server.wait(|| -> Result<()> { bail!("connection refused") }).unwrap_err();
        assert!(format!("{error:#}").contains("no such option"), "{error:#}");
    }
}
