//! The measured commit, the machine and the versions. No path and no name of the machine.
//!
//! The commit is the last one that changed the program or the benchmark, so that committing results makes no
//! figure look old.

use sqlx::Row;
use std::{fs, process::Command};

use crate::{
    arguments::Arguments,
    report::{Machine, Origin},
    servers::Servers,
};

/// Paths with an influence on the figures.
const MEASURED: [&str; 8] = [
    "src",
    "migrations",
    "Cargo.toml",
    "Cargo.lock",
    "benches/run",
    "benches/limit",
    "benches/peers",
    "tests/it/support",
];

/// `others`: name and version of what the peers run on.
pub async fn look(
    arguments: &Arguments,
    servers: &Servers,
    others: &[(String, String)],
) -> anyhow::Result<Origin> {
    let row = sqlx::query("show server_version").fetch_one(&mut servers.connect().await?).await?;
    let postgres: String = row.try_get(0)?;
    let broker = servers.stack.tell(&["rabbitmqctl", "--quiet", "version"]).trim().to_owned();
    let kib = line_of("/proc/meminfo", "MemTotal").trim_end_matches(" kB").trim().parse().unwrap_or(0u64);
    let mut versions = vec![
        ("Rust".to_owned(), printed("rustc", &["--version"])),
        ("PostgreSQL".to_owned(), postgres),
        ("RabbitMQ".to_owned(), broker),
    ];
    versions.extend_from_slice(others);
    Ok(Origin {
        commit: commit(arguments),
        at: postrider_clock::wall(),
        machine: Machine {
            processor: line_of("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: kib.div_ceil(1024 * 1024),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            versions,
        },
    })
}

fn commit(arguments: &Arguments) -> String {
    let git = |words: &[&str]| printed("git", &[words, &["--"], &MEASURED].concat());
    let mut commit = git(&["log", "-1", "--abbrev=12", "--format=%h"]);
    if !git(&["status", "--porcelain"]).is_empty() {
        commit.push_str(", with changes");
    }
    if arguments.programs.is_some() {
        commit.push_str(", programs of another build");
    }
    commit
}

fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// The text after the colon of the first line of that name.
fn line_of(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
    line.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}
