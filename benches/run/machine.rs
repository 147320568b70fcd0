//! What the figures were measured on: commit, machine, versions. No path and no name of the machine.
//!
//! Absolute figures mean nothing without it, ratios little.

use std::{fs, process::Command};

use serde::Serialize;
use sqlx::Row;

use crate::servers::Servers;

#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    pub commit: String,
    pub date: String,
    pub processor: String,
    pub cores: usize,
    pub memory_gib: u64,
    pub kernel: String,
    pub versions: Vec<(String, String)>,
}

impl Machine {
    /// `others`: name and version of what the peers run on.
    pub async fn look(servers: &Servers, others: &[(String, String)]) -> anyhow::Result<Machine> {
        let row = sqlx::query("show server_version").fetch_one(&mut servers.connect().await?).await?;
        let postgres: String = row.try_get(0)?;
        let broker = servers.stack.tell(&["rabbitmqctl", "--quiet", "version"]).trim().to_owned();
        let changed =
            if printed("git", &["status", "--porcelain"]).is_empty() { "" } else { ", with changes" };
        let commit = printed("git", &["rev-parse", "--short=12", "HEAD"]);
        let kib = line_of("/proc/meminfo", "MemTotal").trim_end_matches(" kB").trim().parse().unwrap_or(0u64);
        let mut versions = vec![
            ("Rust".to_owned(), printed("rustc", &["--version"])),
            ("PostgreSQL".to_owned(), postgres),
            ("RabbitMQ".to_owned(), broker),
        ];
        versions.extend_from_slice(others);
        Ok(Machine {
            commit: format!("{commit}{changed}"),
            date: postrider::clock::wall().format("%Y-%m-%d").to_string(),
            processor: line_of("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: kib.div_ceil(1024 * 1024),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            versions,
        })
    }
}

fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// What follows the colon of the first line of that name.
fn line_of(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
    line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}
