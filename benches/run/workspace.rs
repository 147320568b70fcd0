//! Where one run takes place: a database, a queue's name, addresses and a folder of its own.
//!
//! Made before the run and taken away after it. Programs get it through the environment, all of them under
//! the same names.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use sqlx::AssertSqlSafe;

use crate::{report::Medium, servers::Servers, support::env::free_port};

pub const ACCOUNT_SID: &str = "AC00000000000000000000000000000001";
pub const TWILIO_TOKEN: &str = "simulated-twilio-auth-token";
pub const MAILGUN_KEY: &str = "simulated-mailgun-api-key";
pub const FROM_NUMBER: &str = "+15005550006";
pub const MAIL_DOMAIN: &str = "mg.blancapeak.example";

pub struct Workspace {
    /// Of the database, and of the exchange or the prefix of queues.
    pub name: String,
    pub database_url: String,
    pub amqp_url: String,
    /// The provider's `host:port`.
    pub provider: String,
    /// Where the row takes webhooks, and where it may listen besides.
    pub port: u16,
    pub private_port: u16,
    pub medium: Medium,
    pub folder: PathBuf,
    /// Folder of the programs that are compared.
    pub programs: PathBuf,
}

impl Workspace {
    /// `copied`: the database to copy; no connection to it may be open.
    pub async fn make(servers: &Servers, medium: Medium, copied: Option<&str>) -> anyhow::Result<Workspace> {
        let name = format!("bench_{}", postrider_clock::random_id().simple());
        // Copied file by file, so that a large one is not written to the log as well.
        let from = copied.map_or_else(String::new, |from| format!(" template {from} strategy file_copy"));
        let create = AssertSqlSafe(format!("create database {name}{from}"));
        sqlx::query(create).execute(&mut servers.connect().await?).await.context("create a database")?;
        let folder = servers.stack.folder.join(&name);
        std::fs::create_dir_all(&folder).context("create a folder")?;
        Ok(Workspace {
            database_url: servers.database(&name)?,
            amqp_url: servers.amqp_url.clone(),
            provider: String::new(),
            port: free_port(),
            private_port: free_port(),
            name,
            medium,
            folder,
            programs: servers.programs.clone(),
        })
    }

    pub fn queue(&self) -> String {
        format!("{}.requests", self.name)
    }

    pub fn public_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Environment variables for a program; nothing of the harness's own environment is passed on.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let token = if self.medium == Medium::Sms { TWILIO_TOKEN } else { MAILGUN_KEY };
        vec![
            ("DATABASE_URL", self.database_url.clone()),
            ("AMQP_URL", self.amqp_url.clone()),
            ("QUEUE", self.queue()),
            ("MEDIUM", self.medium.as_str().to_owned()),
            ("PROVIDER_URL", format!("http://{}", self.provider)),
            ("PUBLIC_URL", self.public_url()),
            ("LISTEN_PORT", self.port.to_string()),
            ("ACCOUNT_SID", ACCOUNT_SID.to_owned()),
            ("AUTH_TOKEN", token.to_owned()),
            ("FROM_NUMBER", FROM_NUMBER.to_owned()),
            ("MAIL_DOMAIN", MAIL_DOMAIN.to_owned()),
        ]
    }

    /// A command in the workspace's folder with its `variables`.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.envs(self.variables()).current_dir(&self.folder);
        command
    }

    pub async fn remove(&self, servers: &Servers) -> anyhow::Result<()> {
        let statement = AssertSqlSafe(format!("drop database {} with (force)", self.name));
        sqlx::query(statement).execute(&mut servers.connect().await?).await.context("drop a database")?;
        std::fs::remove_dir_all(&self.folder).context("remove a folder")
    }
}
