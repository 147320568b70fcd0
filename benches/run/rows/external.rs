//! Rows that are other programs, described by a TOML file; its paths are relative to it.
//!
//! ```toml
//! [[rows]]
//! name = "node"
//! before = ["node/run", "install"]     # once a run, before anything is counted
//! schema = "schema.sql"                # applied to the run's fresh database
//! worker = ["node/run", "worker"]
//! web = ["node/run", "web"]            # started too where webhooks are posted
//! celery_task = "peers.ask"            # only for Celery: jobs come as calls of this task
//! env = { PROCESSES = "2" }            # beside what site.rs tells every program
//! sent = "request where status in ('sent', 'delivered')"
//! delivered = "request where status = 'delivered'"
//! ```

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use serde::Deserialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{arguments::Medium, publish::Envelope, site::Site, throughput::Goal};

#[derive(Debug, Deserialize)]
struct File {
    rows: Vec<External>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct External {
    name: String,
    #[serde(default)]
    before: Vec<String>,
    schema: Option<PathBuf>,
    worker: Vec<String>,
    #[serde(default)]
    web: Vec<String>,
    celery_task: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    sent: String,
    delivered: String,
    #[serde(skip)]
    folder: PathBuf,
}

pub fn read(file: &Path) -> anyhow::Result<Vec<(String, External)>> {
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let read: File = toml::from_str(&text).with_context(|| format!("understand {}", file.display()))?;
    let folder = file.canonicalize()?.parent().context("a file lies in a folder")?.to_owned();
    Ok(read
        .rows
        .into_iter()
        .map(|row| (row.name.clone(), External { folder: folder.clone(), ..row }))
        .collect())
}

impl External {
    pub async fn prepare(&self, site: &Site) -> anyhow::Result<()> {
        if !self.before.is_empty() {
            let mut command = self.command(&self.before, site)?;
            let output = tokio::task::spawn_blocking(move || command.output()).await??;
            ensure!(
                output.status.success(),
                "{:?}: {}",
                self.before,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        if let Some(schema) = &self.schema {
            let text = fs::read_to_string(self.folder.join(schema)).context("read the schema")?;
            let mut connection = PgConnection::connect(&site.database_url).await?;
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.context("apply the schema")?;
        }
        Ok(())
    }

    pub fn envelope(&self) -> Envelope {
        self.celery_task.clone().map_or(Envelope::Plain, |task| Envelope::Celery { task })
    }

    pub fn programs(&self, site: &Site) -> anyhow::Result<Vec<(String, Command)>> {
        let mut programs = vec![(format!("{}-worker", self.name), self.command(&self.worker, site)?)];
        // Email is measured to *sent* only: no webhook comes.
        if !self.web.is_empty() && site.medium == Medium::Sms {
            programs.insert(0, (format!("{}-web", self.name), self.command(&self.web, site)?));
        }
        Ok(programs)
    }

    fn command(&self, words: &[String], site: &Site) -> anyhow::Result<Command> {
        let (program, arguments) = words.split_first().context("a command has a word")?;
        let mut command = super::command(self.folder.join(program), site);
        command.args(arguments).envs(&self.env);
        Ok(command)
    }

    pub fn reached(&self, goal: Goal) -> &str {
        match goal {
            Goal::Sent => &self.sent,
            Goal::Delivered => &self.delivered,
        }
    }
}
