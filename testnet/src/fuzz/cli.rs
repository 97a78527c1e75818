//! `pyralog-testnet fuzz`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use super::{TARGETS, seeds, target};

/// What to do with the fuzz targets.
#[derive(Debug, Clone, Subcommand)]
pub enum FuzzCommand {
    /// Print the names of all targets
    List,
    /// Write the seed files of every target to DIR/TARGET/, over those of the same name
    Seeds {
        /// Such as testnet/corpus
        #[arg(value_name = "DIR")]
        into: PathBuf,
    },
    /// Run a target once per file, to repeat a find
    Run {
        /// Its name, see `list`
        target: String,
        /// Inputs
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Runs it.
///
/// # Errors
/// Files that cannot be read or written, a target that is unknown.
pub fn run(command: &FuzzCommand) -> Result<()> {
    match command {
        FuzzCommand::List => TARGETS.iter().for_each(|target| anstream::println!("{}", target.name)),
        FuzzCommand::Seeds { into } => {
            let files = write_seeds(into)?;
            anstream::eprintln!("{files} seed files for {} targets in {}", TARGETS.len(), into.display());
        }
        FuzzCommand::Run { target: name, files } => {
            let Some(target) = target(name) else { bail!("no target is called {name}; `fuzz list` names them") };
            for file in files {
                let bytes = fs::read(file).with_context(|| file.display().to_string())?;
                let verdict = if (target.run)(&bytes) { "accepted" } else { "refused" };
                anstream::println!("{}: {verdict}", file.display());
            }
        }
    }
    Ok(())
}

/// Writes every seed; answers how many there are.
///
/// # Errors
/// A directory or file that cannot be written.
pub fn write_seeds(into: &Path) -> Result<usize> {
    let seeds = seeds();
    for seed in &seeds {
        let dir = into.join(seed.target);
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        let path = dir.join(&seed.name);
        fs::write(&path, &seed.bytes).with_context(|| path.display().to_string())?;
    }
    Ok(seeds.len())
}
