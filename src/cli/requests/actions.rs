//! `postrider requests pause`, `resume`, `cancel`, `retry`, `answered`: what a person may do to one request.
//!
//! What there is to do, and its words, is `requests::act`'s. What was not done is an error that says why, so
//! that the exit status is 1.

use anyhow::bail;
use uuid::Uuid;

use crate::{
    cli::output,
    company_cache::CompanyCache,
    config::Config,
    requests::{
        actions::{
            action::{self, Action, ActionContext, ActionStatus, Outcome},
            retry::{ActionRequest, NOTE_MAX, REQUESTED_BY_MAX},
        },
        views::status_text::StatusText,
    },
    worker,
};
use postrider_ledger::{Ledger, audit::Actor};

/// Send a failed request once more.
#[derive(Debug, clap::Args)]
pub struct RetryArgs {
    /// The request's id.
    id: Uuid,
    /// Who wants it; kept and shown.
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Why; kept and shown.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Where an earlier attempt may have gone out: send it all the same.
    #[arg(long)]
    acknowledge_possible_duplicate: bool,
}

impl RetryArgs {
    pub(super) async fn run(self, config: &Config, ledger: &Ledger) -> anyhow::Result<()> {
        let length = |text: &str| text.trim().chars().count();
        if length(&self.by) == 0 || length(&self.by) > REQUESTED_BY_MAX {
            bail!("name who wants it with --by, in {REQUESTED_BY_MAX} characters at most");
        }
        if self.note.as_deref().is_some_and(|note| length(note) > NOTE_MAX) {
            bail!("write at most {NOTE_MAX} characters as --note");
        }
        let wish = ActionRequest {
            requested_by: self.by.trim(),
            note: self.note.as_deref(),
            acknowledged: self.acknowledge_possible_duplicate,
            ..of_user("")
        };
        apply(Action::Retry, config, ledger, self.id, wish).await
    }
}

pub(super) async fn pause(ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    tell(action::pause(ledger, id, of_user(&user()).by()).await?, id)
}

pub(super) async fn cancel(ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    tell(action::cancel(ledger, id, of_user(&user()).by()).await?, id)
}

/// Also the replay of a quarantined one.
pub(in crate::cli) async fn resume(config: &Config, ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    let held = ledger.open_request(id).await?.is_some_and(|detail| StatusText::of(&detail).is_quarantined());
    apply(Action::Resume, config, ledger, id, of_user(&user())).await?;
    if held {
        output::put("it is tried alone, and one more death of its worker quarantines it again\n")?;
    }
    Ok(())
}

pub(super) async fn answered(ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    super::find(ledger, id).await?;
    match ledger.answer(id, of_user(&user()).by()).await? {
        true => output::put("answered; nothing more is sent for this request\n"),
        false => output::put("it was answered before\n"),
    }
}

/// Who sits at the terminal, where an act asks for no name.
fn user() -> String {
    match Actor::at_the_command_line() {
        Actor::Cli { user } | Actor::Key { name: user, .. } => user,
        Actor::System => String::new(),
    }
}

fn of_user(user: &str) -> ActionRequest<'_> {
    ActionRequest { door: "cli", key: None, requested_by: user, note: None, acknowledged: false, of: None }
}

async fn apply(
    act: Action,
    config: &Config,
    ledger: &Ledger,
    id: Uuid,
    wish: ActionRequest<'_>,
) -> anyhow::Result<()> {
    let keys = worker::keys(config)?;
    let company_cache = CompanyCache::load(ledger.clone()).await?;
    let context = ActionContext { ledger, company_cache: &company_cache, keys: &keys };
    tell(act.apply(context, id, wish).await?, id)
}

fn tell(outcome: Outcome, id: Uuid) -> anyhow::Result<()> {
    match outcome.did {
        ActionStatus::Done => output::put(&format!("{}\n", outcome.detail)),
        ActionStatus::Already | ActionStatus::Refused => bail!("{}", outcome.detail),
        ActionStatus::Unknown => Err(super::unknown(id)),
    }
}
