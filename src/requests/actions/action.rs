//! What a person does to one request, and what came of it in words.
//!
//! All acts are compare-and-set on the ledger: a message not begun is the person's, one that is begun is the
//! provider's. Doing one twice changes nothing the second time and says so.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    company_cache::CompanyCache,
    requests::actions::{
        cancel::{self, Canceled},
        pause::{self, Paused},
        resume::{self, Resumed},
        retry::{self, ActionRequest, MESSAGES_MAX, Retried},
    },
};
use postrider_domain::{
    document::Problem,
    hash_keys::SecretKeys,
    ids::MessageId,
    lifecycle::{Reason, State, Status},
};
use postrider_ledger::{
    Ledger,
    requests::{By, RequestDetail},
};

use crate::requests::views::{format_time::time, reasons::sentence, status_text::StatusText};

/// Whether something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionStatus {
    /// It was.
    Done,
    /// It was done before.
    Already,
    /// It is not possible, or not any more.
    Refused,
    /// There is no such request.
    Unknown,
}

/// What came of an act.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub did: ActionStatus,
    /// One word for programs.
    pub result: &'static str,
    /// For people.
    pub detail: String,
    pub message: Option<MessageId>,
    /// Why its job would be rejected today.
    pub problems: Vec<Problem>,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Pause,
    Resume,
    Cancel,
    Retry,
}

/// What acts need.
#[derive(Clone, Copy)]
pub struct ActionContext<'a> {
    pub ledger: &'a Ledger,
    pub company_cache: &'a CompanyCache,
    pub keys: &'a SecretKeys,
}

impl Action {
    pub async fn apply(
        self,
        context: ActionContext<'_>,
        id: Uuid,
        wish: ActionRequest<'_>,
    ) -> anyhow::Result<Outcome> {
        let ActionContext { ledger, company_cache, keys } = context;
        Ok(match self {
            Action::Pause => pause(ledger, id, wish.by()).await?,
            Action::Resume => resumed(resume::resume(ledger, company_cache, keys, id, wish.by()).await?),
            Action::Cancel => cancel(ledger, id, wish.by()).await?,
            Action::Retry => retried(retry::retry(ledger, company_cache, keys, id, wish).await?),
        })
    }
}

/// Pauses; needs nothing but the ledger.
pub async fn pause(ledger: &Ledger, id: Uuid, by: By<'_>) -> anyhow::Result<Outcome> {
    Ok(paused(&pause::pause(ledger, id, by).await?))
}

/// Cancels; needs nothing but the ledger.
pub async fn cancel(ledger: &Ledger, id: Uuid, by: By<'_>) -> anyhow::Result<Outcome> {
    Ok(canceled(&cancel::cancel(ledger, id, by).await?))
}

impl Outcome {
    fn new(did: ActionStatus, result: &'static str, detail: impl Into<String>) -> Outcome {
        Outcome { did, result, detail: detail.into(), message: None, problems: Vec::new() }
    }

    /// Of one among many, whose trouble is its own.
    pub(super) fn not_done() -> Outcome {
        let text = "it could not be done; the worker's log says why, and it may be asked for again by itself";
        Outcome::new(ActionStatus::Refused, "not_done", text)
    }

    fn unknown() -> Outcome {
        Outcome::new(ActionStatus::Unknown, "unknown", "there is no such request")
    }
}

fn paused(paused: &Paused) -> Outcome {
    match paused {
        Paused::Done(State::Sending) => Outcome::new(
            ActionStatus::Done,
            "under_way",
            "this attempt is under way; the next one is stopped",
        ),
        Paused::Done(State::Unknown) => {
            let detail = "an attempt was made and its answer is awaited; the next one is stopped";
            Outcome::new(ActionStatus::Done, "awaiting_proof", detail)
        }
        // Only queued messages are ever paused.
        Paused::Done(_) => Outcome::new(ActionStatus::Done, "paused", "paused"),
        Paused::Already(detail) => {
            let since = detail.paused_at.map(|at| format!(", since {}", time(at))).unwrap_or_default();
            match StatusText::new(detail).is_quarantined() {
                true => Outcome::new(
                    ActionStatus::Already,
                    "quarantined",
                    format!("it is quarantined, which holds it as well{since}"),
                ),
                false => {
                    Outcome::new(ActionStatus::Already, "paused", format!("it is paused already{since}"))
                }
            }
        }
        Paused::Over(detail) => {
            Outcome::new(ActionStatus::Refused, "over", format!("nothing is left to pause: {}", over(detail)))
        }
        Paused::Unknown => Outcome::unknown(),
    }
}

fn resumed(resumed: Resumed) -> Outcome {
    match resumed {
        Resumed::Going(State::Waiting) => Outcome::new(ActionStatus::Done, "resumed", "resumed"),
        Resumed::Going(_) => {
            let detail = "resumed; an attempt was begun before the pause, and it decides first";
            Outcome::new(ActionStatus::Done, "resumed", detail)
        }
        Resumed::Ended(state, reason) => {
            let word = state.status().as_str();
            let detail = format!("not resumed: it is {word} now, {reason}: {}", sentence(reason));
            Outcome::new(ActionStatus::Refused, reason.as_str(), detail)
        }
        Resumed::Refused(problems) => {
            let detail = format!(
                "not resumed, it stays paused: {}; mend the company's settings, or cancel it",
                told(&problems)
            );
            Outcome { problems, ..Outcome::new(ActionStatus::Refused, "rejected", detail) }
        }
        Resumed::NotPaused(state) if state.status() == Status::Queued => {
            Outcome::new(ActionStatus::Already, "not_paused", "it is not paused")
        }
        Resumed::NotPaused(state) => {
            let detail = format!("it is not paused: it is {} already", state.status().as_str());
            Outcome::new(ActionStatus::Refused, "over", detail)
        }
        Resumed::Unknown => Outcome::unknown(),
    }
}

fn canceled(canceled: &Canceled) -> Outcome {
    match canceled {
        Canceled::Done => Outcome::new(ActionStatus::Done, "canceled", "canceled"),
        Canceled::Already => Outcome::new(ActionStatus::Already, "canceled", "it was canceled before"),
        Canceled::TooLate(detail) => not_canceled(detail),
        Canceled::Unknown => Outcome::unknown(),
    }
}

fn not_canceled(detail: &RequestDetail) -> Outcome {
    match detail.state {
        State::Sending | State::Unknown | State::Sent | State::Delivered => {
            let when = detail.begun_at.map(|at| format!(" at {}", time(at))).unwrap_or_default();
            let text = format!("handed over{when}; it can no longer be canceled");
            Outcome::new(ActionStatus::Refused, "handed_over", text)
        }
        State::Waiting if detail.may_have_been_sent => {
            let text = "an attempt may have gone out already; it can no longer be canceled";
            Outcome::new(ActionStatus::Refused, "may_have_gone_out", text)
        }
        State::Waiting | State::PresumedFailed | State::Failed | State::Suppressed | State::Canceled => {
            Outcome::new(
                ActionStatus::Refused,
                "over",
                format!("nothing is left to cancel: {}", over(detail)),
            )
        }
    }
}

fn retried(retried: Retried) -> Outcome {
    match retried {
        Retried::Going(message) => {
            let text = "it is sent once more, as a new message";
            Outcome { message: Some(message), ..Outcome::new(ActionStatus::Done, "retried", text) }
        }
        Retried::Already(message) => {
            let by = message.retry.as_ref().map_or("a person", |retry| retry.requested_by.as_str());
            let text = format!("it was retried already, by {by}; that message is {}", status(message.state));
            Outcome { message: Some(message.id), ..Outcome::new(ActionStatus::Already, "retried", text) }
        }
        Retried::NotFailed(detail) => {
            let text = format!(
                "only a failed request is retried, and this message is not what failed: {}",
                over(&detail)
            );
            Outcome::new(ActionStatus::Refused, "not_failed", text)
        }
        Retried::MayDouble => {
            let text = "nobody knows whether an earlier attempt went out: the customer may get it twice; \
                        say acknowledge_possible_duplicate to send it all the same";
            Outcome::new(ActionStatus::Refused, Reason::OutcomeUnknown.as_str(), text)
        }
        Retried::Withheld(reason, could) => {
            let when = could.map(|at| format!("; it could pass at {}", time(at))).unwrap_or_default();
            let text = format!("not retried, {reason}: {}{when}", sentence(reason));
            Outcome::new(ActionStatus::Refused, reason.as_str(), text)
        }
        Retried::Refused(problems) => {
            let text = format!("not retried: {}; mend the company's settings first", told(&problems));
            Outcome { problems, ..Outcome::new(ActionStatus::Refused, "rejected", text) }
        }
        Retried::TooMany => {
            let text = format!("a request has {MESSAGES_MAX} messages at most, and this one has had them");
            Outcome::new(ActionStatus::Refused, "too_many", text)
        }
        Retried::Unknown => Outcome::unknown(),
    }
}

fn told(problems: &[Problem]) -> String {
    let told: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    told.join("; ")
}

fn status(state: State) -> &'static str {
    state.status().as_str()
}

/// Which end, or that the provider has it.
fn over(detail: &RequestDetail) -> String {
    let at = detail.delivered_at.or(detail.ended_at).or(detail.begun_at);
    let when = at.map(|at| format!(" at {}", time(at))).unwrap_or_default();
    match &detail.reason {
        Some(reason) => format!("{}{when}, {reason}", status(detail.state)),
        None => format!("{}{when}", status(detail.state)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::views::fixtures::{at, detail};
    use postrider_domain::lifecycle::{Signal, transition};

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
        assert_eq!(paused(&Paused::Done(State::Waiting)).result, "paused");
        let begun = paused(&Paused::Done(State::Sending));
        assert_eq!(
            (begun.result, begun.detail.as_str()),
            ("under_way", "this attempt is under way; the next one is stopped")
        );
    }

    #[test]
    fn who_cannot_pause_hears_which_end_came_first() {
        let over = |detail: &RequestDetail| paused(&Paused::Over(Box::new(detail.clone()))).detail;
        let sent = RequestDetail { state: State::Sent, begun_at: Some(at(5)), ..detail() };
        assert_eq!(over(&sent), "nothing is left to pause: sent at 1970-01-01T00:00:05Z");
        assert_eq!(
            over(&ended(State::PresumedFailed, "outcome_unknown")),
            "nothing is left to pause: failed at 1970-01-01T00:00:09Z, outcome_unknown"
        );
        let already = |detail: &RequestDetail| paused(&Paused::Already(Box::new(detail.clone()))).detail;
        let twice = RequestDetail { paused_at: Some(at(3)), ..detail() };
        assert_eq!(already(&twice), "it is paused already, since 1970-01-01T00:00:03Z");
        let held = RequestDetail { reason: Some("quarantined".into()), ..twice };
        assert_eq!(already(&held), "it is quarantined, which holds it as well, since 1970-01-01T00:00:03Z");
    }

    #[test]
    fn what_was_begun_is_handed_over_and_what_ended_names_its_end() {
        for state in [State::Sending, State::Unknown, State::Sent, State::Delivered] {
            let begun = RequestDetail { state, begun_at: Some(at(5)), ..detail() };
            assert!(
                not_canceled(&begun).detail.starts_with("handed over at 1970-01-01T00:00:05Z"),
                "{state:?}"
            );
        }
        assert_eq!(
            not_canceled(&ended(State::Canceled, "canceled_by_person")).detail,
            "nothing is left to cancel: canceled at 1970-01-01T00:00:09Z, canceled_by_person"
        );
    }

    #[test]
    fn cancel_has_words_for_every_state_that_it_does_not_move() {
        for state in State::ALL.into_iter().filter(|state| transition(*state, Signal::Cancel) == *state) {
            assert!(!not_canceled(&ended(state, "expired")).detail.is_empty());
        }
    }
}
