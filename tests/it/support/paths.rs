//! Where the repository and the worker's binary are, for tests of the root package and for the benches.
//!
//! Cargo names the binary only to the package that owns it; elsewhere it stands beside the folder of the
//! running test, because all packages share one target folder.

use std::path::{Path, PathBuf};

/// The repository's root: the folder of the lock file.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").exists())
        .expect("a package stands inside the workspace")
}

/// The worker, built with the same profile as the running test.
pub fn worker() -> PathBuf {
    option_env!("CARGO_BIN_EXE_postrider").map_or_else(beside_this_program, PathBuf::from)
}

fn beside_this_program() -> PathBuf {
    let running = std::env::current_exe().expect("the running program has a path");
    let programs = running.parent().and_then(Path::parent).expect("a test runs in target/PROFILE/deps");
    programs.join("postrider")
}
