//! A worker as a process of its own, to be killed; and other commands, run to their end.
//!
//! Its configuration is a file, its log is kept for the test to read. `Kept` starts it again whenever it
//! has died, as an orchestrator does.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Mutex,
};

use super::{TestEnv, wait};

/// Variables of the environment, for `src/failpoint.rs`.
pub type Variables<'a> = &'a [(&'a str, &'a str)];

/// `postrider run` with a test's configuration; killed when dropped.
pub struct Process {
    pub(super) child: Child,
    pub log: PathBuf,
    // Holds the configuration file.
    folder: PathBuf,
}

/// A folder of its own with a configuration file in it.
fn configured(env: &TestEnv, more: &str) -> PathBuf {
    let folder =
        std::env::temp_dir().join(format!("{}-{}", env.amqp_name, postrider_clock::random_id().simple()));
    std::fs::create_dir_all(&folder).expect("a folder for the configuration");
    std::fs::write(folder.join("postrider.toml"), settings(env, more)).expect("the configuration is written");
    folder
}

fn command(folder: &Path, arguments: &[&str], variables: Variables) -> Command {
    let mut command = Command::new(super::paths::worker());
    command
        .arg("--config")
        .arg(folder.join("postrider.toml"))
        .args(arguments)
        .env_remove("DATABASE_URL")
        .env_remove("AMQP_URL")
        .env_remove("POSTRIDER_SECRET")
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    command
}

/// Runs a command of the test's world to its end.
pub async fn tell(env: &TestEnv, arguments: &[&str], variables: Variables<'_>) -> Output {
    let folder = configured(env, "");
    let mut command = command(&folder, arguments, variables);
    let ended = tokio::task::spawn_blocking(move || command.output()).await.expect("waited");
    drop(std::fs::remove_dir_all(&folder));
    ended.expect("the command runs")
}

/// The same, where it must succeed; gives what it printed.
pub async fn told(env: &TestEnv, arguments: &[&str]) -> String {
    let output = tell(env, arguments, &[]).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Process {
    pub fn start(env: &TestEnv, more: &str) -> Process {
        Process::start_with(env, more, &[])
    }

    pub fn start_with(env: &TestEnv, more: &str, variables: Variables) -> Process {
        Process::start_changed(env, more, |command| {
            command.envs(variables.iter().copied());
        })
    }

    /// The same, with an environment or outputs of its own.
    pub fn start_changed(env: &TestEnv, more: &str, change: impl FnOnce(&mut Command)) -> Process {
        let folder = configured(env, more);
        let log = folder.join("log");
        let output = File::create(&log).expect("the log is created");
        let mut command = command(&folder, &["run"], &[]);
        command.stdout(Stdio::null()).stderr(output);
        change(&mut command);
        let child = command.spawn().expect("the worker starts");
        Process { child, log, folder }
    }

    /// SIGKILL: nothing is said good-bye to.
    pub fn kill(&mut self) {
        self.child.kill().expect("the worker was running");
        self.child.wait().expect("the worker is gone");
    }

    /// Waits until it has died by itself.
    pub async fn died(&mut self) {
        let child = Mutex::new(&mut self.child);
        wait::until("the worker has died", || async {
            child.lock().expect("no panic while locked").try_wait().expect("asked").is_some()
        })
        .await;
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

/// A worker that is started again whenever it has died.
pub struct Kept<'a> {
    env: &'a TestEnv,
    more: &'a str,
    variables: Variables<'a>,
    /// The one that runs, and how many died before it.
    now: Mutex<(Process, usize)>,
}

impl<'a> Kept<'a> {
    pub fn start(env: &'a TestEnv, more: &'a str, variables: Variables<'a>) -> Kept<'a> {
        let now = Mutex::new((Process::start_with(env, more, variables), 0));
        Kept { env, more, variables, now }
    }

    /// Starts it again if it has died; gives how often it did. To be asked while a test waits.
    pub fn deaths(&self) -> usize {
        let mut now = self.now.lock().expect("no panic while locked");
        if now.0.child.try_wait().expect("asked").is_some() {
            *now = (Process::start_with(self.env, self.more, self.variables), now.1 + 1);
        }
        now.1
    }

    /// The one that runs now, for the test to end.
    pub fn last(self) -> Process {
        self.now.into_inner().expect("no panic while locked").0
    }
}

/// A world's settings with more on top.
pub fn settings(env: &TestEnv, more: &str) -> String {
    let mut settings = table(&env.overrides());
    merge(&mut settings, table(more));
    settings.to_string()
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
