//! The private Postgres and RabbitMQ of this run, and what their processes have cost so far.
//!
//! deploy/dev/stack as it is; the statement counter is loaded by one restart. Nothing else is tuned: every
//! row meets the same servers.

use std::path::PathBuf;

use anyhow::Context;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    arguments::Arguments,
    cpu,
    support::{self, stack::Stack},
};

pub struct Servers {
    /// Folder of the programs that are compared.
    pub programs: PathBuf,
    pub stack: Stack,
    pub database_url: String,
    pub amqp_url: String,
    postmaster: u32,
    broker: u32,
}

impl Servers {
    pub async fn start(arguments: &Arguments) -> anyhow::Result<Servers> {
        println!("starting a private Postgres and RabbitMQ");
        let stack = tokio::task::spawn_blocking(|| Stack::start("bench")).await?;
        run(&stack.database_url, "alter system set shared_preload_libraries = 'pg_stat_statements'").await?;
        stack.tell(&["restart-postgres"]);
        let (postmaster, database_url) = stack.server("postgres");
        let (broker, amqp_url) = stack.server("rabbitmq");
        run(&database_url, "create extension pg_stat_statements").await?;
        let ours = || support::paths::worker().with_file_name("");
        let programs = arguments.programs.clone().unwrap_or_else(ours).canonicalize()?;
        Ok(Servers { programs, stack, database_url, amqp_url, postmaster, broker })
    }

    pub async fn connect(&self) -> anyhow::Result<PgConnection> {
        PgConnection::connect(&self.database_url).await.context("connect to postgres")
    }

    /// The address of another database on the same server.
    pub fn database(&self, name: &str) -> anyhow::Result<String> {
        let mut url = url::Url::parse(&self.database_url).context("read the server's address")?;
        url.set_path(name);
        Ok(url.to_string())
    }

    /// CPU seconds of Postgres, of all its processes, also of those that have ended.
    pub fn postgres_cpu(&self) -> f64 {
        cpu::of_tree(self.postmaster)
    }

    /// CPU seconds of RabbitMQ.
    pub fn broker_cpu(&self) -> f64 {
        cpu::of_tree(self.broker)
    }
}

async fn run(url: &str, statement: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(url).await.context("connect to postgres")?;
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await?;
    Ok(())
}
