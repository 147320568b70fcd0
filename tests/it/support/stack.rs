//! A private Postgres and RabbitMQ of one test's own, to be stopped and started as it likes.
//!
//! The same script as behind `make`, in a folder of its own.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

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

    /// A broker alone, for a test that needs no database of its own.
    pub fn broker(name: &str) -> Stack {
        let mut stack = Stack::only(name, "start-broker");
        stack.amqp_url = stack.server("rabbitmq").1;
        stack
    }

    /// A database server alone.
    pub fn postgres(name: &str) -> Stack {
        let mut stack = Stack::only(name, "start-postgres");
        stack.database_url = stack.server("postgres").1;
        stack
    }

    fn only(name: &str, command: &str) -> Stack {
        let folder = PathBuf::from(format!("/tmp/postrider-test-{}-{name}", std::process::id()));
        let stack = Stack { folder, database_url: String::new(), amqp_url: String::new() };
        stack.tell(&[command]);
        stack
    }

    /// Process and address of `postgres` or `rabbitmq`.
    pub fn server(&self, name: &str) -> (u32, String) {
        // Its status says 1 where one of the two does not run.
        let printed = String::from_utf8_lossy(&self.run(&["status"]).stdout).into_owned();
        let line = printed.lines().find(|line| line.starts_with(name)).expect("each server has its line");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[1..3], ["running", "process"], "{line}");
        (words[3].parse().expect("a process id"), words[4].to_owned())
    }

    /// The database server's files.
    pub fn postgres_data(&self) -> PathBuf {
        self.folder.join("postgres/data")
    }

    /// Runs a command of deploy/dev/stack on this stack; gives what it printed.
    pub fn tell(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "stack {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        printed
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let script = super::paths::repository().join("deploy/dev/stack");
        Command::new(script)
            .args(arguments)
            .env("POSTRIDER_DEV_DIR", &self.folder)
            .env_remove("DATABASE_URL")
            .env_remove("AMQP_URL")
            .output()
            .expect("the stack's script runs")
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        drop(self.run(&["clean"]));
    }
}
