//! `postrider requests pause`, `resume`, `cancel`, `retry` and `answered`: the actions on one request.
//!
//! `requests::actions` does the work and words the result. An action without effect is an error, so that the exit status
//! is 1.

use anyhow::bail;
use uuid::Uuid;

use crate::{
    cli::{lookup, output},
    company_cache::CompanyCache,
    config::Config,
    requests::{
        actions::{
            action::{Action, ActionContext, ActionRequest},
            cancel,
            outcome::{ActionOutcome, ActionStatus},
            pause,
            retry::{NOTE_MAX, REQUESTED_BY_MAX},
        },
        views::status_text::StatusText,
    },
    worker,
};
use postrider_ledger::{Ledger, audit::Actor};

/// Send a failed request again, as a new message.
#[derive(Debug, clap::Args)]
pub struct RetryArgs {
    /// The request's id.
    id: Uuid,
    /// Name of the person that asks for the retry; stored and displayed.
    #[arg(long, value_name = "NAME")]
    by: String,
    /// The reason; stored and displayed.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Send the request even if an earlier attempt may have been sent: the customer may receive it twice.
    #[arg(long)]
    acknowledge_possible_duplicate: bool,
}

impl RetryArgs {
    pub(super) async fn run(self, config: &Config, ledger: &Ledger) -> anyhow::Result<()> {
        let length = |text: &str| text.trim().chars().count();
        if length(&self.by) == 0 || length(&self.by) > REQUESTED_BY_MAX {
            bail!("give a name of 1 to {REQUESTED_BY_MAX} characters with --by");
        }
        if self.note.as_deref().is_some_and(|note| length(note) > NOTE_MAX) {
            bail!("give at most {NOTE_MAX} characters with --note");
        }
        let request = ActionRequest {
            requested_by: self.by.trim(),
            note: self.note.as_deref(),
            acknowledged: self.acknowledge_possible_duplicate,
            ..request_of("")
        };
        apply(Action::Retry, config, ledger, self.id, request).await
    }
}

pub(super) async fn pause(ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    print_outcome(pause::pause(ledger, id, request_of(&user()).origin()).await?.into(), id)
}

pub(super) async fn cancel(ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    print_outcome(cancel::cancel(ledger, id, request_of(&user()).origin()).await?.into(), id)
}

/// Resumes a request, which is also the replay of a quarantined one.
pub(in crate::cli) async fn resume(config: &Config, ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    let is_quarantined =
        ledger.open_request(id).await?.is_some_and(|detail| StatusText::new(&detail).is_quarantined());
    apply(Action::Resume, config, ledger, id, request_of(&user())).await?;
    if is_quarantined {
        output::put("it is tried alone, and one more crash of its worker quarantines it again\n")?;
    }
    Ok(())
}

pub(super) async fn answered(ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    lookup::request(ledger, id).await?;
    match ledger.answer(id, request_of(&user()).origin()).await? {
        true => output::put("answered; nothing more is sent for this request\n"),
        false => output::put("the request was answered before\n"),
    }
}

/// The user at the terminal, for the actions without `--by`.
fn user() -> String {
    match Actor::at_the_command_line() {
        Actor::Cli { user } | Actor::Key { name: user, .. } => user,
        Actor::System => String::new(),
    }
}

fn request_of(user: &str) -> ActionRequest<'_> {
    ActionRequest { door: "cli", key: None, requested_by: user, note: None, acknowledged: false, of: None }
}

async fn apply(
    action: Action,
    config: &Config,
    ledger: &Ledger,
    id: Uuid,
    request: ActionRequest<'_>,
) -> anyhow::Result<()> {
    let keys = worker::keys(config)?;
    let company_cache = CompanyCache::load(ledger.clone()).await?;
    let context = ActionContext { ledger, company_cache: &company_cache, keys: &keys };
    print_outcome(action.apply(context, id, request).await?, id)
}

fn print_outcome(outcome: ActionOutcome, id: Uuid) -> anyhow::Result<()> {
    match outcome.status {
        ActionStatus::Done => output::put(&format!("{}\n", outcome.detail)),
        ActionStatus::Already | ActionStatus::Refused => bail!("{}", outcome.detail),
        ActionStatus::Unknown => bail!("{}", lookup::unknown_request(id)),
    }
}
