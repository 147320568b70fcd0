//! `postrider requests pause`, `resume`, `cancel`, `retry`, `answered`: what a person may do to one request.
//!
//! What there is to do, and its words, is `requests::act`'s. What was not done is an error that says why, so
//! that the exit status is 1.

use anyhow::bail;
use uuid::Uuid;

use crate::{
    cli::output,
    config::Config,
    directory::Directory,
    intake::retry::Wish,
    ledger::Ledger,
    requests::{
        act::{self, Act, Did, Hands, Outcome},
        standing::Standing,
    },
    startup,
};

/// Send a failed request once more.
#[derive(Debug, clap::Args)]
pub struct Retry {
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

impl Retry {
    pub(super) async fn run(self, config: &Config, ledger: &Ledger) -> anyhow::Result<()> {
        let wish = Wish {
            door: "cli",
            requested_by: &self.by,
            note: self.note.as_deref(),
            acknowledged: self.acknowledge_possible_duplicate,
            of: None,
        };
        apply(Act::Retry, config, ledger, self.id, wish).await
    }
}

pub(super) async fn pause(ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    tell(act::pause(ledger, id).await?, id)
}

pub(super) async fn cancel(ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    tell(act::cancel(ledger, id).await?, id)
}

/// Also the replay of a quarantined one.
pub(in crate::cli) async fn resume(config: &Config, ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    let held = ledger.show_open(id).await?.is_some_and(|detail| Standing::of(&detail).is_quarantined());
    apply(Act::Resume, config, ledger, id, NOBODY).await?;
    if held {
        output::put("it is tried alone, and one more death of its worker quarantines it again\n")?;
    }
    Ok(())
}

pub(super) async fn answered(ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    super::find(ledger, id).await?;
    match ledger.answer(id, "cli").await? {
        true => output::put("answered; nothing more is sent for this request\n"),
        false => output::put("it was answered before\n"),
    }
}

/// Of an act that asks for no name.
const NOBODY: Wish<'static> =
    Wish { door: "cli", requested_by: "", note: None, acknowledged: false, of: None };

async fn apply(act: Act, config: &Config, ledger: &Ledger, id: Uuid, wish: Wish<'_>) -> anyhow::Result<()> {
    let keys = startup::keys(config)?;
    let directory = Directory::load(ledger.clone()).await?;
    let hands = Hands { ledger, directory: &directory, keys: &keys };
    tell(act.apply(hands, id, wish).await?, id)
}

fn tell(outcome: Outcome, id: Uuid) -> anyhow::Result<()> {
    match outcome.did {
        Did::Done => output::put(&format!("{}\n", outcome.detail)),
        Did::Already | Did::Refused => bail!("{}", outcome.detail),
        Did::Unknown => Err(super::unknown(id)),
    }
}
