//! `postrider requests`: lists and explains requests, and changes one.
//!
//! `list` prints the list, `show` one request with its timeline, `why` the finding of each rule and the events since;
//! `actions` pauses, resumes, cancels, retries and answers one. The wording is in `crate::requests`, shared with the
//! API. A command that changed nothing ends with status 1 and says why.

mod actions;
mod list;
mod show;
mod why;

use uuid::Uuid;

pub(super) use actions::resume;

use crate::{cli::lookup, config::Config};

/// List and explain requests; pause, resume, cancel or retry one.
#[derive(Debug, clap::Subcommand)]
pub enum Requests {
    /// List requests, newest first.
    List(list::List),
    /// Show one request with its timeline of attempts and receipts.
    Show(ShowArgs),
    /// Explain the status of a request: the finding of each rule, the events since, the next step.
    Why(ShowArgs),
    /// Pause a queued request until it is resumed; it still expires.
    Pause(RequestArgs),
    /// Resume a paused request if the rules still allow it.
    Resume(RequestArgs),
    /// Cancel a request that is not yet handed to a provider.
    Cancel(RequestArgs),
    /// Send a failed request again, as a new message.
    Retry(actions::RetryArgs),
    /// Record that the customer answered elsewhere: nothing more is sent for this request.
    Answered(RequestArgs),
}

/// The request to print.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// The request's id.
    id: Uuid,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The request to change.
#[derive(Debug, clap::Args)]
pub struct RequestArgs {
    /// The request's id.
    id: Uuid,
}

impl Requests {
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let ledger = lookup::ledger(&config).await?;
        match self {
            Requests::List(list) => list.run(&ledger).await,
            Requests::Show(args) => show::run(&ledger, args.id, args.json).await,
            Requests::Why(args) => why::run(&config, &ledger, args.id, args.json).await,
            Requests::Pause(args) => actions::pause(&ledger, args.id).await,
            Requests::Resume(args) => actions::resume(&config, &ledger, args.id).await,
            Requests::Cancel(args) => actions::cancel(&ledger, args.id).await,
            Requests::Retry(retry) => retry.run(&config, &ledger).await,
            Requests::Answered(args) => actions::answered(&ledger, args.id).await,
        }
    }
}
