//! Programs of a row, or the provider, as processes: each leads a group, so that nothing outlives it.
//!
//! They end by SIGTERM, as in production; what does not end in time is killed, and said.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::net::TcpStream;

const END_WITHIN: Duration = Duration::from_secs(60);
const LISTEN_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOG_LINES_SHOWN: usize = 20;

pub struct Program {
    pub name: String,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it with its outputs in a file; `command`'s own standard output goes before.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> anyhow::Result<Program> {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).context("create a log")?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        Ok(Program { name: name.to_owned(), child, log })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Fails if it has ended by itself.
    pub fn must_run(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended by itself, {status}; it said:\n{}", self.name, self.last_lines()),
        }
    }

    /// Waits until it takes connections.
    pub async fn must_listen(&mut self, port: u16) -> anyhow::Result<()> {
        let listens = tokio::time::timeout(LISTEN_WITHIN, async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                self.must_run()?;
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        });
        listens.await.with_context(|| format!("{} does not listen", self.name))?
    }

    pub fn last_lines(&self) -> String {
        let printed = self.printed();
        let lines: Vec<&str> = printed.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }

    /// SIGTERM to the group's leader, which ends the others as it does in production.
    pub async fn end(mut self) -> anyhow::Result<()> {
        signal("-TERM", &self.id().to_string());
        let ended = tokio::time::timeout(END_WITHIN, async {
            while self.child.try_wait()?.is_none() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok::<_, std::io::Error>(())
        });
        match ended.await {
            Ok(ended) => Ok(ended?),
            Err(_) => {
                bail!("{} did not end within {END_WITHIN:?}; it said:\n{}", self.name, self.last_lines())
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Its group outlives it where it left children behind.
        signal("-KILL", &format!("-{}", self.id()));
        drop(self.child.wait());
    }
}

/// An error means that the process is gone.
fn signal(which: &str, whom: &str) {
    drop(Command::new("kill").args([which, "--", whom]).stderr(Stdio::null()).status());
}
