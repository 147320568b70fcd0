//! A private Postgres and RabbitMQ of one test's own, to be stopped and started as it likes.
//!
//! The same script as behind `make`, in a folder of its own.

use std::{path::PathBuf, process::Command};

/// A running stack; its end takes everything with it.
pub struct Stack {
    pub folder: PathBuf,
    pub database_url: String,
    pub amqp_url: String,
}

impl Stack {
    pub fn start(name: &str) -> Stack {
        let folder = PathBuf::from(format!("/tmp/postrider-test-{}-{name}", std::process::id()));
        let mut stack = Stack { folder, database_url: String::new(), amqp_url: String::new() };
        let told = stack.tell(&["up"]);
        let url = |variable: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(&format!("export {variable}=")));
            line.unwrap_or_else(|| panic!("{variable} is not in {told}")).trim_matches('\'').to_owned()
        };
        (stack.database_url, stack.amqp_url) = (url("DATABASE_URL"), url("AMQP_URL"));
        stack
    }

    /// Runs a command of deploy/dev/stack on this stack; gives what it printed.
    pub fn tell(&self, arguments: &[&str]) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/dev/stack");
        let output = Command::new(script)
            .args(arguments)
            .env("POSTRIDER_DEV_DIR", &self.folder)
            .env_remove("DATABASE_URL")
            .env_remove("AMQP_URL")
            .output()
            .expect("the stack's script runs");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "stack {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        printed
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/dev/stack");
        let cleaned = Command::new(script)
            .arg("clean")
            .env("POSTRIDER_DEV_DIR", &self.folder)
            .env_remove("DATABASE_URL")
            .env_remove("AMQP_URL")
            .output();
        drop(cleaned);
    }
}
