//! `postrider requests`: what became of requests, why, and what a person may do to one.
//!
//! `list` shows the columns that people know, `show` one request with its timeline, `why` each rule's word
//! and what happened since; `actions` pauses, resumes, cancels and retries. The words are `crate::requests`',
//! which the API shares. A command that found nothing to do ends with status 1 and says why.

mod actions;
mod list;
mod show;
mod why;

use anyhow::Context;
use uuid::Uuid;

pub(super) use actions::resume;

use crate::{config::Config, worker};
use postrider_domain::ids::CompanyId;
use postrider_ledger::{Ledger, requests::RequestDetail};

/// Look at requests, and pause, resume, cancel or retry one.
#[derive(Debug, clap::Subcommand)]
pub enum Requests {
    /// List requests, newest first.
    List(list::List),
    /// Show everything about one request, with its timeline.
    Show(ShowArgs),
    /// Say what each rule found, what happened since, and when it could pass.
    Why(ShowArgs),
    /// Stop a queued request until it is resumed; it still expires.
    Pause(RequestArgs),
    /// Let a paused request go on, if the rules still let it.
    Resume(RequestArgs),
    /// Take back a request that is not yet handed over.
    Cancel(RequestArgs),
    /// Send a failed request once more, as a new message, on record.
    Retry(actions::RetryArgs),
    /// Note that the customer answered elsewhere: nothing more is sent for this request.
    Answered(RequestArgs),
}

/// One request to look at.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The request's id.
    id: Uuid,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// One request to act on.
#[derive(Debug, clap::Args)]
pub struct RequestArgs {
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
            Requests::Why(look) => why::run(&config, &ledger, look.id, look.json).await,
            Requests::Pause(one) => actions::pause(&ledger, one.id).await,
            Requests::Resume(one) => actions::resume(&config, &ledger, one.id).await,
            Requests::Cancel(one) => actions::cancel(&ledger, one.id).await,
            Requests::Retry(retry) => retry.run(&config, &ledger).await,
            Requests::Answered(one) => actions::answered(&ledger, one.id).await,
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
    match ledger.request(id).await? {
        Some(detail) => Ok(detail),
        None => Err(unknown(id)),
    }
}

fn unknown(id: Uuid) -> anyhow::Error {
    anyhow::anyhow!("no request has the id {id}; `postrider requests list` shows the latest")
}
