//! What the numbers were measured on.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// A machine and the build that ran on it.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// As `/proc/cpuinfo` names it.
    pub processor: String,
    /// Hardware threads that this process may use.
    pub cores: usize,
    /// Kernel release.
    pub kernel: String,
    /// Type of the filesystem that holds the networks' homes.
    pub filesystem: String,
    /// `dev` or `release`.
    pub profile: &'static str,
    /// Load average of the last minute before the run: above the cores, others compete.
    pub load_at_start: f64,
    /// The same after the run, the run included.
    pub load_at_end: f64,
}

impl Machine {
    /// This machine, with the filesystem of `dir`.
    pub fn look(dir: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let load = load_average();
        Self {
            processor: processor(&read("/proc/cpuinfo")).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            filesystem: filesystem(&read("/proc/mounts"), dir).to_owned(),
            profile: if cfg!(debug_assertions) { "dev" } else { "release" },
            load_at_start: load,
            load_at_end: load,
        }
    }
}

/// Load average of the last minute, 0 where the system does not say.
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

fn processor(cpuinfo: &str) -> &str {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(':')).map_or("unknown", |(_, name)| name.trim())
}

/// The type of the longest mount point above `dir`; of two mounts on one point the later one counts.
fn filesystem<'a>(mounts: &'a str, dir: &Path) -> &'a str {
    let entries = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (point, kind) = (words.nth(1)?, words.next()?);
        dir.starts_with(point).then_some((point.len(), kind))
    });
    entries.max_by_key(|(length, _)| *length).map_or("unknown", |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_names_the_filesystem() {
        let mounts = "/dev/a / ext4 rw 0 0\nnone /tmp tmpfs rw 0 0\nnone /tmp/b xfs rw 0 0\nnone /tmpo btrfs rw 0 0\n";
        assert_eq!(filesystem(mounts, Path::new("/tmp/x")), "tmpfs");
        assert_eq!(filesystem(mounts, Path::new("/tmp/b/c")), "xfs");
        assert_eq!(filesystem(mounts, Path::new("/home")), "ext4");
        assert_eq!(filesystem("", Path::new("/home")), "unknown");
    }

    #[test]
    fn the_processor_is_named_or_unknown() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\n"), "Some CPU @ 2.0GHz");
        assert_eq!(processor(""), "unknown");
    }

    #[test]
    fn this_machine_has_cores_and_a_filesystem() {
        let machine = Machine::look(&std::env::temp_dir());
        assert!(machine.cores >= 1 && machine.filesystem != "unknown");
    }
}
