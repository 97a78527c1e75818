//! `pyralogd obelisk` and `pyralogd ids`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{BufWriter, ErrorKind, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::args::{IdsArgs, ObeliskArgs};
use super::commands::{env, print, stop_signal};
use crate::config::{Resolved, Sources};
use crate::ids::{Generators, IdsClient, IdsServer, ListenOn};
use crate::logging;

/// How long a draw that waits for the disk may keep the process from ending.
const GRACE: Duration = Duration::from_secs(3);

/// `obelisk`
pub(super) fn serve(args: &ObeliskArgs, flags: BTreeMap<&'static str, String>) -> Result<()> {
    // Settings of a node that may stand in the same environment are none of ours.
    let log_env = |name: &str| name.starts_with("PYRALOG_LOG_").then(|| env(name)).flatten();
    logging::init(&Resolved::load(&Sources { file: None, env: &log_env, flags })?.config.log)?;
    let on = ListenOn::parse(&args.listen, args.without_tls, args.allowed_hosts.clone())?;
    let generators = Arc::new(Generators::open(&args.dir, args.node)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the system gives no threads")?;
    let result = runtime.block_on(async {
        let signal = stop_signal()?;
        let server = IdsServer::start(Arc::clone(&generators), &on).await?;
        let url = server.url();
        tracing::info!(url, node = args.node.number(), dir = %args.dir.display(), "ids are served");
        print(&json!({"url": url, "node": args.node.number(), "pid": std::process::id()}), &args.json)?;
        server.run(signal).await.map_err(anyhow::Error::from)
    });
    runtime.shutdown_timeout(GRACE);
    // The last of them: what was reserved and not used is given back.
    drop(generators);
    tracing::info!("stopped");
    result
}

/// `ids`
pub(super) fn draw(args: &IdsArgs) -> Result<()> {
    let mut client = IdsClient::new(&args.from)?;
    let out = BufWriter::new(std::io::stdout().lock());
    let drawn = match args.counter {
        false => write_all(out, "ids", args, |count| client.scarabs(count)),
        true => write_all(out, "values", args, |count| client.counter(count)),
    };
    match drawn {
        // The reader has seen enough.
        Err(error) if error.downcast_ref().is_some_and(is_broken_pipe) => Ok(()),
        other => other,
    }
}

fn is_broken_pipe(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
}

/// One id per line as they come, or all in one document called `name` when all are here.
fn write_all<I: IntoIterator<Item: Display>>(
    mut out: impl Write,
    name: &str,
    args: &IdsArgs,
    mut round: impl FnMut(u32) -> crate::Result<I>,
) -> Result<()> {
    let mut kept = Vec::new();
    let mut left = args.count;
    while left > 0 {
        let count = u32::try_from(left).unwrap_or(u32::MAX).min(IdsClient::ROUND);
        let ids = round(count)?;
        left -= u64::from(count);
        if args.json.json {
            kept.push(ids);
            continue;
        }
        for id in ids {
            writeln!(out, "{id}")?;
        }
    }
    if args.json.json {
        write!(out, "{{\"{name}\":[")?;
        for (at, id) in kept.into_iter().flatten().enumerate() {
            write!(out, "{}\"{id}\"", if at == 0 { "" } else { "," })?;
        }
        writeln!(out, "]}}")?;
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
#[path = "ids_test.rs"]
mod tests;
