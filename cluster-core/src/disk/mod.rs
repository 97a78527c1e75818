//! What the store needs of a disk, and nothing more, so that crash tests can inject one that loses, tears and fails.
//!
//! Rules that callers keep and the faulty disk punishes: bytes are durable only after [`File::sync`]; a name (created, renamed
//! or removed) is durable only after [`Disk::sync_dir`] of its directory; after a failed sync nothing is known.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

#[cfg(any(test, feature = "testkit"))]
mod faulty;
mod overlay;
mod real;
mod whole;

#[cfg(any(test, feature = "testkit"))]
pub use faulty::FaultyDisk;
pub use overlay::Overlay;
pub use real::RealDisk;
pub use whole::write_whole;

/// A file system.
pub trait Disk: Debug + Send + Sync {
    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// The operating system's; `NotFound` where there is no such file.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Opens an existing file for reading only, as one can on a disk that takes no writes.
    ///
    /// # Errors
    /// As [`Disk::open`].
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Creates an empty file for reading and writing, truncating one of that name.
    ///
    /// # Errors
    /// The operating system's.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Creates a directory and its parents; an existing one is fine.
    ///
    /// # Errors
    /// The operating system's.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Names in a directory, sorted.
    ///
    /// # Errors
    /// The operating system's; `NotFound` where there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Renames a file, replacing the target.
    ///
    /// # Errors
    /// The operating system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The operating system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// The operating system's.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// The operating system's; never to be retried.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes an exclusive lock, held until the answer is dropped, or answers what the lock file says about its holder.
    ///
    /// # Errors
    /// The operating system's.
    fn lock(&self, path: &Path) -> io::Result<Result<Box<dyn Lock>, String>>;

    /// Free bytes for unprivileged users where `dir` stands; `None` where unknown.
    fn free_bytes(&self, dir: &Path) -> Option<u64>;

    /// 64 bits that no earlier caller got.
    ///
    /// # Errors
    /// The operating system's source of randomness failed.
    fn nonce(&self) -> io::Result<u64>;
}

/// An open file. Positioned access only, so that readers and the writer share it.
pub trait File: Debug + Send + Sync {
    /// Reads until `buffer` is full or the file ends; answers how many bytes.
    ///
    /// # Errors
    /// The operating system's.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes`. After an error any part of it may be written.
    ///
    /// # Errors
    /// The operating system's; `StorageFull` where the disk is full.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// The operating system's.
    fn size(&self) -> io::Result<u64>;

    /// Cuts or extends (with zeros) to a length.
    ///
    /// # Errors
    /// The operating system's.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes bytes and length durable (`fdatasync`).
    ///
    /// # Errors
    /// The operating system's; never to be retried.
    fn sync(&self) -> io::Result<()>;
}

/// A held lock; released when dropped, or when the process ends however it ends.
pub trait Lock: Debug + Send + Sync {}
