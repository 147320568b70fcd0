//! A worker as a process of its own, to be killed.
//!
//! Its configuration is a file, its log is kept for the test to read.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use super::Bed;

/// `postrider run` with a test's configuration; killed when dropped.
pub struct Process {
    pub(super) child: Child,
    pub log: PathBuf,
    // Holds the configuration file.
    folder: PathBuf,
}

impl Process {
    pub fn start(bed: &Bed, more: &str) -> Process {
        Process::start_with(bed, more, |_| {})
    }

    /// The same, with an environment or outputs of its own.
    pub fn start_with(bed: &Bed, more: &str, change: impl FnOnce(&mut Command)) -> Process {
        let folder = std::env::temp_dir().join(format!(
            "{}-{}",
            bed.amqp_name,
            postrider::clock::random_id().simple()
        ));
        std::fs::create_dir_all(&folder).expect("a folder for the configuration");
        let (file, log) = (folder.join("postrider.toml"), folder.join("log"));
        let mut settings = table(&bed.overrides());
        merge(&mut settings, table(more));
        std::fs::write(&file, settings.to_string()).expect("the configuration is written");
        let output = File::create(&log).expect("the log is created");
        let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
        command
            .args(["--config", file.to_str().expect("a plain path"), "run"])
            .env_remove("DATABASE_URL")
            .env_remove("AMQP_URL")
            .env_remove("POSTRIDER_SECRET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output);
        change(&mut command);
        let child = command.spawn().expect("the worker starts");
        Process { child, log, folder }
    }

    /// SIGKILL: nothing is said good-bye to.
    pub fn kill(&mut self) {
        self.child.kill().expect("the worker was running");
        self.child.wait().expect("the worker is gone");
    }

    /// SIGTERM, and its exit status.
    pub fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(sent.success(), "the worker was running");
        self.child.wait().expect("the worker ends").code()
    }

    pub fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the log is readable")
    }
}

fn table(text: &str) -> toml::Table {
    text.parse().expect("settings are TOML")
}

/// As layers of configuration do: what comes later counts.
fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(value)) => merge(inner, value),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}
