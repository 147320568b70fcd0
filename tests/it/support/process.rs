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
    child: Child,
    pub log: PathBuf,
    // Holds the configuration file.
    folder: PathBuf,
}

impl Process {
    pub fn start(bed: &Bed, more: &str) -> Process {
        let folder = std::env::temp_dir().join(format!(
            "{}-{}",
            bed.amqp_name,
            postrider::clock::random_id().simple()
        ));
        std::fs::create_dir_all(&folder).expect("a folder for the configuration");
        let (file, log) = (folder.join("postrider.toml"), folder.join("log"));
        // Tables may not be opened twice in one file, dotted keys may: `more` uses dotted keys.
        std::fs::write(&file, format!("{}\n{more}", bed.overrides())).expect("the configuration is written");
        let output = File::create(&log).expect("the log is created");
        let child = Command::new(env!("CARGO_BIN_EXE_postrider"))
            .args(["--config", file.to_str().expect("a plain path"), "run"])
            .env_remove("DATABASE_URL")
            .env_remove("AMQP_URL")
            .env_remove("POSTRIDER_SECRET")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .expect("the worker starts");
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

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}
