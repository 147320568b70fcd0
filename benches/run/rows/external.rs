//! Rows that are other programs: families of a TOML file, each with the settings that are tried before the
//! rounds (`sweep`). Paths are relative to the file.
//!
//! ```toml
//! [[families]]
//! name = "celery-threads"
//! install = ["celery/run", "install"]    # once, before anything
//! versions = ["celery/run", "versions"]  # prints lines of a name and a version
//! schema = "schema.sql"                  # applied to each run's fresh database
//! web = ["celery/run", "web"]            # started first where webhooks could be posted; takes LISTEN_PORT
//! worker = ["celery/run", "worker"]
//! celery_task = "peers.ask"              # only for Celery: jobs come as calls of this task
//! env = { POOL = "threads" }             # beside what site.rs tells every program
//! settings = [{ CONCURRENCY = "16" }, { CONCURRENCY = "32" }]
//! sweep_requests = 4_000                 # jobs of a run of the sweep
//! sent = "request where status in ('sent', 'delivered')"
//! delivered = "request where status = 'delivered'"
//! ```

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use anyhow::{Context, ensure};
use serde::Deserialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{publish::Envelope, report::Goal, report::Medium, workspace::Workspace};

/// Variables of the environment.
type Setting = BTreeMap<String, String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    families: Vec<Family>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    name: String,
    install: Vec<String>,
    #[serde(default)]
    versions: Vec<String>,
    schema: PathBuf,
    #[serde(default)]
    web: Vec<String>,
    worker: Vec<String>,
    celery_task: Option<String>,
    #[serde(default)]
    env: Setting,
    settings: Vec<Setting>,
    sweep_requests: usize,
    sent: String,
    delivered: String,
    #[serde(skip)]
    folder: PathBuf,
}

/// A family with one of its settings.
#[derive(Debug, Clone)]
pub struct External {
    family: Arc<Family>,
    setting: usize,
}

/// Each family with its first setting, by name.
pub fn read(file: &Path) -> anyhow::Result<Vec<(String, External)>> {
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let read: File = toml::from_str(&text).with_context(|| format!("understand {}", file.display()))?;
    let folder = file.canonicalize()?.parent().context("a file lies in a folder")?.to_owned();
    let mut all = Vec::new();
    for family in read.families {
        ensure!(!family.settings.is_empty(), "the family {} has no setting", family.name);
        let family = Arc::new(Family { folder: folder.clone(), ..family });
        all.push((family.name.clone(), External { family, setting: 0 }));
    }
    Ok(all)
}

impl External {
    /// The family with each of its settings.
    pub fn settings(&self) -> impl Iterator<Item = External> + '_ {
        let with = |setting| External { family: Arc::clone(&self.family), setting };
        (0..self.family.settings.len()).map(with)
    }

    /// The setting in words.
    pub fn setting(&self) -> String {
        let words = self.family.settings[self.setting].iter().map(|(name, value)| format!("{name}={value}"));
        words.collect::<Vec<_>>().join(" ")
    }

    pub fn sweep_requests(&self) -> usize {
        self.family.sweep_requests
    }

    pub async fn install(&self) -> anyhow::Result<()> {
        self.printed(&self.family.install).await.map(drop)
    }

    /// Name and version of what it runs on.
    pub async fn versions(&self) -> anyhow::Result<Vec<(String, String)>> {
        if self.family.versions.is_empty() {
            return Ok(Vec::new());
        }
        let printed = self.printed(&self.family.versions).await?;
        let pairs = printed.lines().filter_map(|line| line.rsplit_once(' '));
        Ok(pairs.map(|(name, version)| (name.to_owned(), version.to_owned())).collect())
    }

    async fn printed(&self, words: &[String]) -> anyhow::Result<String> {
        let mut command = self.command(words)?;
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{words:?}: {}", said.trim());
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub async fn prepare(&self, site: &Workspace) -> anyhow::Result<()> {
        let schema = self.family.folder.join(&self.family.schema);
        let text = fs::read_to_string(schema).context("read the schema")?;
        let mut connection = PgConnection::connect(&site.database_url).await?;
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.context("apply the schema")?;
        Ok(())
    }

    pub fn envelope(&self) -> Envelope {
        self.family.celery_task.clone().map_or(Envelope::Plain, |task| Envelope::Celery { task })
    }

    pub fn programs(&self, site: &Workspace) -> anyhow::Result<Vec<(String, Command)>> {
        let Family { name, web, worker, .. } = &*self.family;
        let mut programs = Vec::new();
        // Email is measured to *sent* only: no webhook could come.
        if !web.is_empty() && site.medium == Medium::Sms {
            programs.push((format!("{name}-web"), self.command(web)?));
        }
        programs.push((format!("{name}-worker"), self.command(worker)?));
        for (_, command) in &mut programs {
            command.envs(site.variables()).current_dir(&site.folder);
        }
        Ok(programs)
    }

    fn command(&self, words: &[String]) -> anyhow::Result<Command> {
        let (program, arguments) = words.split_first().context("a command has a word")?;
        let mut command = Command::new(self.family.folder.join(program));
        command.args(arguments).envs(&self.family.env).envs(&self.family.settings[self.setting]);
        Ok(command)
    }

    pub fn reached(&self, goal: Goal) -> &str {
        match goal {
            Goal::Sent => &self.family.sent,
            Goal::Delivered => &self.family.delivered,
        }
    }
}
