//! `postrider requests pause`, `resume`, `cancel`, `answered`: what a person may do to one request.
//!
//! All are compare-and-set on the ledger: a message not begun is the person's, one that is begun is the
//! provider's. What was not done is an error that says why, so that the exit status is 1.

use anyhow::bail;
use uuid::Uuid;

use crate::{
    cli::output::{self, time},
    config::Config,
    directory::Directory,
    intake::{
        cancel::{self, Canceled},
        resume::{self, Resumed},
    },
    ledger::{Ledger, requests::RequestDetail},
    lifecycle::State,
    message::MessageId,
    startup,
};

use super::{reasons::sentence, standing::Standing};

pub(super) async fn pause(ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    match ledger.pause(MessageId(id)).await? {
        Some(state) => output::put(&format!("{}\n", paused(state))),
        None => bail!("{}", not_paused(&super::find(ledger, id).await?)),
    }
}

/// Also the replay of a quarantined one.
pub(in crate::cli) async fn resume(config: &Config, ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    let keys = startup::keys(config)?;
    let directory = Directory::load(ledger.clone()).await?;
    let held = Standing::of(&super::find(ledger, id).await?).is_quarantined();
    match resume::resume(ledger, &directory, &keys, id).await? {
        Resumed::Going(State::Waiting) if held => {
            output::put("resumed; it is tried alone, and one more death of its worker quarantines it again\n")
        }
        Resumed::Going(State::Waiting) => output::put("resumed\n"),
        Resumed::Going(_) => {
            output::put("resumed; an attempt was begun before the pause, and it decides first\n")
        }
        Resumed::Ended(state, reason) => {
            bail!("not resumed: it is {} now, {reason}: {}", state.status().word(), sentence(reason))
        }
        Resumed::Refused(problems) => {
            let told: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
            bail!("not resumed, it stays paused: {}; mend the company's file, or cancel it", told.join("; "))
        }
        Resumed::NotPaused(state) if state.status() == State::Waiting.status() => bail!("it is not paused"),
        Resumed::NotPaused(state) => bail!("it is not paused: it is {} already", state.status().word()),
        Resumed::Unknown => Err(super::unknown(id)),
    }
}

pub(super) async fn cancel(ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    match cancel::cancel(ledger, id).await? {
        Canceled::Done => output::put("canceled\n"),
        Canceled::TooLate(detail) => bail!("{}", not_canceled(&detail)),
        Canceled::Unknown => Err(super::unknown(id)),
    }
}

pub(super) async fn answered(ledger: &Ledger, id: Uuid) -> anyhow::Result<()> {
    super::find(ledger, id).await?;
    match ledger.answer(id, "cli").await? {
        true => output::put("answered; nothing more is sent for this request\n"),
        false => output::put("it was answered before\n"),
    }
}

fn paused(state: State) -> &'static str {
    match state {
        State::Sending => "this attempt is under way; the next one is stopped",
        State::Unknown => "an attempt was made and its answer is awaited; the next one is stopped",
        // Only queued messages are ever paused.
        State::Waiting
        | State::Sent
        | State::Delivered
        | State::Concluded
        | State::Failed
        | State::Suppressed
        | State::Canceled => "paused",
    }
}

fn not_paused(detail: &RequestDetail) -> String {
    match (detail.state.status() == State::Waiting.status(), detail.paused_at) {
        (true, Some(at)) if Standing::of(detail).is_quarantined() => {
            format!("it is quarantined, which holds it as well, since {}", time(at))
        }
        (true, Some(at)) => format!("it is paused already, since {}", time(at)),
        (true, None) => "it moved meanwhile; try again".to_owned(),
        (false, _) => format!("nothing is left to pause: {}", over(detail)),
    }
}

fn not_canceled(detail: &RequestDetail) -> String {
    match detail.state {
        State::Sending | State::Unknown | State::Sent | State::Delivered => match detail.begun_at {
            Some(at) => format!("handed over at {}; it can no longer be canceled", time(at)),
            None => "handed over; it can no longer be canceled".to_owned(),
        },
        State::Waiting if detail.reached => {
            "an attempt may have gone out already; it can no longer be canceled".to_owned()
        }
        State::Waiting | State::Concluded | State::Failed | State::Suppressed | State::Canceled => {
            format!("nothing is left to cancel: {}", over(detail))
        }
    }
}

/// Which end, or that the provider has it.
fn over(detail: &RequestDetail) -> String {
    let word = detail.state.status().word();
    let at = detail.delivered_at.or(detail.ended_at).or(detail.begun_at);
    let when = at.map(|at| format!(" at {}", time(at))).unwrap_or_default();
    match &detail.reason {
        Some(reason) => format!("{word}{when}, {reason}"),
        None => format!("{word}{when}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::show::tests::{at, detail};
    use super::*;
    use crate::lifecycle::{Signal, transition};

    fn ended(state: State, reason: &str) -> RequestDetail {
        RequestDetail {
            state,
            reason: Some(reason.to_owned()),
            ended_at: Some(at(9)),
            begun_at: Some(at(5)),
            ..detail()
        }
    }

    #[test]
    fn a_begun_attempt_is_not_called_paused() {
        assert_eq!(paused(State::Waiting), "paused");
        assert_eq!(paused(State::Sending), "this attempt is under way; the next one is stopped");
    }

    #[test]
    fn who_cannot_pause_hears_which_end_came_first() {
        let sent = RequestDetail { state: State::Sent, begun_at: Some(at(5)), ..detail() };
        assert_eq!(not_paused(&sent), "nothing is left to pause: sent at 1970-01-01T00:00:05Z");
        assert_eq!(
            not_paused(&ended(State::Concluded, "outcome_unknown")),
            "nothing is left to pause: failed at 1970-01-01T00:00:09Z, outcome_unknown"
        );
        let twice = RequestDetail { paused_at: Some(at(3)), ..detail() };
        assert_eq!(not_paused(&twice), "it is paused already, since 1970-01-01T00:00:03Z");
        let held = RequestDetail { reason: Some("quarantined".into()), ..twice };
        assert_eq!(
            not_paused(&held),
            "it is quarantined, which holds it as well, since 1970-01-01T00:00:03Z"
        );
    }

    #[test]
    fn what_was_begun_is_handed_over_and_what_ended_names_its_end() {
        for state in [State::Sending, State::Unknown, State::Sent, State::Delivered] {
            let begun = RequestDetail { state, begun_at: Some(at(5)), ..detail() };
            assert!(not_canceled(&begun).starts_with("handed over at 1970-01-01T00:00:05Z"), "{state:?}");
        }
        assert_eq!(
            not_canceled(&ended(State::Canceled, "canceled_by_person")),
            "nothing is left to cancel: canceled at 1970-01-01T00:00:09Z, canceled_by_person"
        );
    }

    #[test]
    fn cancel_has_words_for_every_state_that_it_does_not_move() {
        for state in State::ALL.into_iter().filter(|state| transition(*state, Signal::Cancel) == *state) {
            assert!(!not_canceled(&ended(state, "expired")).is_empty());
        }
    }
}
