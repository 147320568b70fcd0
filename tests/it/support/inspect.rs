//! The outside of a worker's process: its signals and end, its metrics and health, its threads.
//!
//! Reads and signals only; `process` starts and ends it. An absent metric is zero, as Prometheus sees it.

use std::{os::unix::process::ExitStatusExt, process::Command, time::Duration};

use serde_json::Value;

use super::{http, process::Process, wait};

/// A worker just started may still read its companies.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

/// Sends a signal by its name to any process of ours.
pub fn signal(pid: u32, name: &str) {
    let sent =
        Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().expect("kill runs");
    assert!(sent.success(), "process {pid} takes SIG{name}");
}

impl Process {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for the process's end.
    pub async fn exit(&mut self, within: Duration) -> Exit {
        let stat = format!("/proc/{}/stat", self.pid());
        wait::until_some_within(within, "the process ends", || async {
            let stat = std::fs::read_to_string(&stat).unwrap_or_default();
            // The state stands behind the name in brackets; a zombie waits to be asked how it ended.
            let state = stat.rsplit(") ").next().unwrap_or_default().to_owned();
            (state.is_empty() || state.starts_with('Z')).then_some(())
        })
        .await;
        let status = self.child.wait().expect("the process is ours");
        match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.expect("either a code or a signal")),
        }
    }

    /// One line of the log by its message, once it is there.
    pub async fn logged(&self, message: &str) -> Value {
        wait::until_some(&format!("the worker says {message:?}"), || async {
            let printed = self.printed();
            let mut lines = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.find(|line| line["fields"]["message"] == message)
        })
        .await
    }

    /// The answer of a private route: status and text. `None` without an answer in time.
    pub async fn ask(&self, path: &str) -> Option<(u16, String)> {
        let started = self.logged("worker started").await;
        let private = started["fields"]["private"].as_str().expect("an address").to_owned();
        let asked = http().get(format!("http://{private}{path}")).timeout(ANSWER_WITHIN);
        let answer = asked.send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    pub async fn is_ready(&self) -> bool {
        self.ask("/readyz").await.is_some_and(|(status, _)| status == 200)
    }

    /// The sum of a metric over its labels.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.ask("/metrics").await.expect("the worker answers");
        let values = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with([' ', '{']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        });
        values.sum()
    }

    /// Waits until a metric is as wanted; gives it.
    pub async fn until_metric(&self, name: &str, wanted: impl Fn(f64) -> bool) -> f64 {
        wait::until_some(&format!("{name} is as wanted"), || async {
            let value = self.metric(name).await;
            wanted(value).then_some(value)
        })
        .await
    }

    /// Threads by the start of their name.
    pub fn threads(&self, name: &str) -> usize {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("the process is there");
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|found| found.starts_with(name)).count()
    }

    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("the process is there").count()
    }

    /// A field of its status in kB, such as VmRSS.
    pub fn kilobytes(&self, field: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process is there");
        let line = status.lines().find(|line| line.starts_with(field)).expect("the field is there");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }

    /// Processor time used so far.
    pub fn processor_time(&self) -> Duration {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("the process is there");
        let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
        // The kernel tells in hundredths of a second, whatever its own clock: utime and stime.
        let ticks: u64 = fields[11..=12].iter().map(|field| field.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 10)
    }
}

/// A process and its children, the parent first.
pub fn family(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc is there");
    let children = processes.filter_map(|entry| {
        let process: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // State and parent stand behind the name in brackets.
        let found = stat.rsplit(") ").next()?.split(' ').nth(1)?.parse::<u32>().ok()?;
        (found == parent).then_some(process)
    });
    std::iter::once(parent).chain(children).collect()
}
