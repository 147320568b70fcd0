//! `postrider requests`: what became of requests, why, and what a person may do to one.
//!
//! `list` shows the columns that people know, `show` one request with its timeline, `why` each rule's word
//! and what happened since; `act` pauses, resumes, cancels and retries. The words are `crate::requests`',
//! which the API shares. A command that found nothing to do ends with status 1 and says why.

mod act;
mod list;
mod show;
mod why;

use anyhow::Context;
use uuid::Uuid;

pub(super) use act::resume;

use crate::{config::Config, worker};
use postrider_domain::ids::CompanyId;
use postrider_ledger::{Ledger, requests::RequestDetail};

/// Look at requests, and pause, resume, cancel or retry one.
#[derive(Debug, clap::Subcommand)]
pub enum Requests {
    /// List requests, newest first.
    List(list::List),
    /// Show everything about one request, with its timeline.
    Show(Look),
    /// Say what each rule found, what happened since, and when it could pass.
    Explanation(Look),
    /// Stop a queued request until it is resumed; it still expires.
    Pause(One),
    /// Let a paused request go on, if the rules still let it.
    Resume(One),
    /// Take back a request that is not yet handed over.
    Cancel(One),
    /// Send a failed request once more, as a new message, on record.
    Retry(act::Retry),
    /// Note that the customer answered elsewhere: nothing more is sent for this request.
    Answered(One),
}

/// One request to look at.
#[derive(Debug, clap::Args)]
pub struct Look {
    /// The request's id.
    id: Uuid,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// One request to act on.
#[derive(Debug, clap::Args)]
pub struct One {
    /// The request's id.
    id: Uuid,
}

impl Requests {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let ledger = worker::admin_ledger(&config)?;
        ledger.check_schema().await?;
        match self {
            Requests::List(list) => list.run(&ledger).await,
            Requests::Show(look) => show::run(&ledger, look.id, look.json).await,
            Requests::Explanation(look) => why::run(&config, &ledger, look.id, look.json).await,
            Requests::Pause(one) => act::pause(&ledger, one.id).await,
            Requests::Resume(one) => act::resume(&config, &ledger, one.id).await,
            Requests::Cancel(one) => act::cancel(&ledger, one.id).await,
            Requests::Retry(retry) => retry.run(&config, &ledger).await,
            Requests::Answered(one) => act::answered(&ledger, one.id).await,
        }
    }
}

/// The company of a `--company`, where one is given.
pub(super) async fn company_named(ledger: &Ledger, slug: Option<&str>) -> anyhow::Result<Option<CompanyId>> {
    match slug {
        Some(slug) => company_of(ledger, slug).await.map(Some),
        None => Ok(None),
    }
}

/// The company with this slug.
pub(super) async fn company_of(ledger: &Ledger, slug: &str) -> anyhow::Result<CompanyId> {
    ledger.company_id(slug).await?.with_context(|| {
        format!("no company has the slug {slug:?}; `postrider company apply` makes one from its file")
    })
}

async fn find(ledger: &Ledger, id: Uuid) -> anyhow::Result<RequestDetail> {
    match ledger.show(id).await? {
        Some(detail) => Ok(detail),
        None => Err(unknown(id)),
    }
}

fn unknown(id: Uuid) -> anyhow::Error {
    anyhow::anyhow!("no request has the id {id}; `postrider requests list` shows the latest")
}
