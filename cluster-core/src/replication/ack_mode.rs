//! When an append is acknowledged.

/// When an append is acknowledged. The safe one is the default.
///
/// Whatever the mode, the entry is stored, recovered and released like any other. What is acknowledged earlier than durable may be lost
/// by crashes, and its position is a hole then; nothing else in the partition is any less safe for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum AckMode {
    /// When W members have it on disk: it is never lost, as long as fewer than W disks are.
    #[default]
    Durable,
    /// When W members have it in memory. Lost if their power goes at the same time.
    Replicated,
    /// When one member has it in memory. Lost if that one crashes.
    Cached,
}
