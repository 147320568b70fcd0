//! Where a part's figures come from: commit, time, machine. No path and no name of the machine.
//!
//! Absolute figures mean nothing without it, ratios little. Parts are measured by different runs, so each has
//! its own.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One part of the benchmark as it was last measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part<T> {
    pub origin: Origin,
    /// Each peer that took part, with its setting.
    pub peers: Vec<String>,
    /// Failures of the run, in sentences.
    pub troubles: Vec<String>,
    pub runs: T,
}

impl<T> Part<T> {
    /// Of Postrider, the limit and these peers.
    pub fn new(origin: &Origin, peers: &[String], runs: T) -> Part<T> {
        Part { origin: origin.clone(), peers: peers.to_vec(), troubles: Vec::new(), runs }
    }
}

/// One run of the harness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The last that changed what is measured or how; says too what is not committed.
    pub commit: String,
    /// When the run began.
    pub at: DateTime<Utc>,
    pub machine: Machine,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_gib: u64,
    pub kernel: String,
    pub versions: Vec<(String, String)>,
}

impl Origin {
    /// Under a part's title, beside the run that measured something last.
    pub fn words(&self, newest: &Origin) -> String {
        let Origin { commit, at, machine } = self;
        let mut words = format!("Measured at {commit} on {}", at.format("%Y-%m-%d"));
        if *commit != newest.commit {
            words.push_str(&format!("; **other parts are newer** ({})", newest.commit));
        }
        if !machine.same(&newest.machine) {
            words.push_str(&format!("; **on another machine**: {}", machine.words()));
        }
        let others = machine.other_versions(&newest.machine);
        if !others.is_empty() {
            words.push_str(&format!("; with {}", others.join(", ")));
        }
        format!("{words}.")
    }
}

impl Machine {
    pub fn words(&self) -> String {
        let Machine { processor, cores, memory_gib, kernel, .. } = self;
        format!("{cores} cores of {processor}, {memory_gib} GiB, Linux {kernel}")
    }

    fn same(&self, other: &Machine) -> bool {
        self.words() == other.words()
    }

    /// Those that both know and that differ.
    fn other_versions(&self, newest: &Machine) -> Vec<String> {
        let differs = |(name, version): &&(String, String)| {
            newest.versions.iter().any(|(known, newer)| known == name && newer != version)
        };
        self.versions.iter().filter(differs).map(|(name, version)| format!("{name} {version}")).collect()
    }
}

/// An error as the page may show it: its first line, free of paths and addresses.
pub fn plain(error: &str) -> String {
    let private = |word: &str| {
        let bare = word.trim_start_matches(['"', '\'', '`', '(', '[', '=']);
        bare.starts_with('/') || bare.contains("://")
    };
    let line = error.lines().next().unwrap_or_default();
    let words = line.split_whitespace().map(|word| if private(word) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ").replace('|', "/")
}
