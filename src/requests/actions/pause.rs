//! Pause: a person stops what is still on its way, until a resume.
//!
//! A message that is not begun is held. Of a begun one the attempt under way decides, and the next one is stopped.

use uuid::Uuid;

use postrider_domain::lifecycle::{State, Status};
use postrider_ledger::{
    Ledger,
    requests::{ActionOrigin, RequestDetail},
};

use crate::requests::{
    actions::{
        compare_and_set::compare_and_set,
        outcome::{ActionOutcome, describe_end},
    },
    views::{format_time::time, status_text::StatusText},
};

#[derive(Debug)]
pub enum Paused {
    /// From now on; in this state.
    Done(State),
    Already(Box<RequestDetail>),
    /// No message of it is on its way.
    Over(Box<RequestDetail>),
    /// There is no such request.
    Unknown,
}

/// Pauses a request.
///
/// # Errors
/// Of the database; a request that kept changing.
pub async fn pause(ledger: &Ledger, id: Uuid, by: ActionOrigin<'_>) -> anyhow::Result<Paused> {
    compare_and_set(id, || async {
        let Some(detail) = ledger.open_request(id).await? else { return Ok(Some(Paused::Unknown)) };
        match (detail.state.status(), detail.paused_at) {
            (Status::Queued, Some(_)) => return Ok(Some(Paused::Already(Box::new(detail)))),
            (Status::Queued, None) => {}
            _ => return Ok(Some(Paused::Over(Box::new(detail)))),
        }
        Ok(ledger.pause(detail.message, by).await?.map(Paused::Done))
    })
    .await
}

impl From<Paused> for ActionOutcome {
    fn from(paused: Paused) -> ActionOutcome {
        match paused {
            Paused::Done(State::Sending) => {
                ActionOutcome::done("under_way", "this attempt is under way; the next one is stopped")
            }
            Paused::Done(State::Unknown) => {
                let text = "an attempt was made and its answer is awaited; the next one is stopped";
                ActionOutcome::done("awaiting_proof", text)
            }
            // Only queued messages are ever paused.
            Paused::Done(_) => ActionOutcome::done("paused", "paused"),
            Paused::Already(detail) => {
                let since = detail.paused_at.map(|at| format!(", since {}", time(at))).unwrap_or_default();
                match StatusText::new(&detail).is_quarantined() {
                    true => ActionOutcome::already(
                        "quarantined",
                        format!("it is quarantined, which holds it as well{since}"),
                    ),
                    false => ActionOutcome::already("paused", format!("it is paused already{since}")),
                }
            }
            Paused::Over(detail) => {
                ActionOutcome::refused("over", format!("nothing is left to pause: {}", describe_end(&detail)))
            }
            Paused::Unknown => ActionOutcome::unknown(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::{
        actions::outcome::tests::ended,
        views::fixtures::{at, detail},
    };

    #[test]
    fn a_begun_attempt_is_not_called_paused() {
        assert_eq!(ActionOutcome::from(Paused::Done(State::Waiting)).result, "paused");
        let begun = ActionOutcome::from(Paused::Done(State::Sending));
        assert_eq!(
            (begun.result, begun.detail.as_str()),
            ("under_way", "this attempt is under way; the next one is stopped")
        );
    }

    #[test]
    fn a_pause_that_comes_too_late_names_the_end() {
        let over = |detail: RequestDetail| ActionOutcome::from(Paused::Over(Box::new(detail))).detail;
        let sent = RequestDetail { state: State::Sent, begun_at: Some(at(5)), ..detail() };
        assert_eq!(over(sent), "nothing is left to pause: sent at 1970-01-01T00:00:05Z");
        assert_eq!(
            over(ended(State::PresumedFailed, "outcome_unknown")),
            "nothing is left to pause: failed at 1970-01-01T00:00:09Z, outcome_unknown"
        );
    }

    #[test]
    fn a_second_pause_says_since_when() {
        let already = |detail: RequestDetail| ActionOutcome::from(Paused::Already(Box::new(detail))).detail;
        let paused = || RequestDetail { paused_at: Some(at(3)), ..detail() };
        assert_eq!(already(paused()), "it is paused already, since 1970-01-01T00:00:03Z");
        let held = RequestDetail { reason: Some("quarantined".into()), ..paused() };
        assert_eq!(already(held), "it is quarantined, which holds it as well, since 1970-01-01T00:00:03Z");
    }
}
