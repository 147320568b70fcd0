//! A wall clock of a worker's own, which a test moves while it runs.
//!
//! A library of thirty lines, `fixtures/clock.c`, stands before the C library's; the compiler is the one
//! that building needs anyway. Monotonic time is left alone, as a jump of a machine's clock leaves it.

use std::{fs::File, os::unix::fs::FileExt, path::PathBuf, process::Command};

/// Removed when dropped.
pub struct MovedClock {
    folder: PathBuf,
    file: File,
}

impl MovedClock {
    pub fn new() -> MovedClock {
        let folder = std::env::temp_dir().join(format!("clock-{}", postrider_clock::random_id().simple()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/clock.c");
        let made = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .args([folder.join("clock.so").as_os_str(), source.as_ref()])
            .status()
            .expect("the C compiler runs");
        assert!(made.success(), "the clock compiles");
        let file = File::create(folder.join("moved")).expect("a file");
        let clock = MovedClock { folder, file };
        clock.move_to_millis(0);
        clock
    }

    /// Shows the real time and so many milliseconds.
    pub fn move_to_millis(&self, millis: i64) {
        self.file.write_all_at(&(millis * 1_000_000).to_ne_bytes(), 0).expect("written");
    }

    /// Lets a process look at this clock.
    pub fn give(&self, command: &mut Command) {
        command.env("LD_PRELOAD", self.folder.join("clock.so")).env("CLOCK_FILE", self.folder.join("moved"));
    }
}

impl Drop for MovedClock {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}
