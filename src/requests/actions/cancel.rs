//! Cancel: a person takes a request back that was not begun.
//!
//! Compare-and-set under the state and epoch that were read: of a cancel and a begin the first one wins. A message that
//! may have been sent, and only waits for another attempt, can no longer be canceled.

use uuid::Uuid;

use postrider_domain::lifecycle::{Reason, Signal, State, transition};
use postrider_ledger::{
    Ledger,
    conclude::Conclusion,
    requests::{ActionKind, ActionOrigin, RequestDetail},
};

use crate::requests::{
    actions::{
        compare_and_set::compare_and_set,
        outcome::{ActionOutcome, describe_end},
    },
    views::format_time::time,
};

#[derive(Debug)]
pub enum Canceled {
    Done,
    /// It was canceled before.
    Already,
    /// It is handed over, or at its end.
    TooLate(Box<RequestDetail>),
    /// There is no such request.
    Unknown,
}

/// Cancels a request that was not begun.
///
/// # Errors
/// Of the database; a request that kept changing.
pub async fn cancel(ledger: &Ledger, id: Uuid, by: ActionOrigin<'_>) -> anyhow::Result<Canceled> {
    compare_and_set(id, || async {
        let Some(detail) = ledger.open_request(id).await? else { return Ok(Some(Canceled::Unknown)) };
        if detail.state == State::Canceled {
            return Ok(Some(Canceled::Already));
        }
        let next = transition(detail.state, Signal::Cancel);
        if next == detail.state || detail.may_have_been_sent {
            return Ok(Some(Canceled::TooLate(Box::new(detail))));
        }
        let end = Conclusion {
            message: detail.message,
            epoch: detail.epoch,
            expected: detail.state,
            next,
            reason: Reason::CanceledByPerson,
        };
        let ended = ledger.conclude_by(end, ActionKind::Canceled, by).await?;
        Ok(ended.then_some(Canceled::Done))
    })
    .await
}

impl From<Canceled> for ActionOutcome {
    fn from(canceled: Canceled) -> ActionOutcome {
        match canceled {
            Canceled::Done => ActionOutcome::done("canceled", "canceled"),
            Canceled::Already => ActionOutcome::already("canceled", "it was canceled before"),
            Canceled::TooLate(detail) => too_late(&detail),
            Canceled::Unknown => ActionOutcome::unknown(),
        }
    }
}

fn too_late(detail: &RequestDetail) -> ActionOutcome {
    match detail.state {
        State::Sending | State::Unknown | State::Sent | State::Delivered => {
            let when = detail.begun_at.map(|at| format!(" at {}", time(at))).unwrap_or_default();
            let text = format!("handed over{when}; it can no longer be canceled");
            ActionOutcome::refused("handed_over", text)
        }
        State::Waiting if detail.may_have_been_sent => {
            let text = "an attempt may have gone out already; it can no longer be canceled";
            ActionOutcome::refused("may_have_gone_out", text)
        }
        State::Waiting | State::PresumedFailed | State::Failed | State::Suppressed | State::Canceled => {
            let text = format!("nothing is left to cancel: {}", describe_end(detail));
            ActionOutcome::refused("over", text)
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
    fn a_begun_message_is_handed_over_and_an_ended_one_names_its_end() {
        for state in [State::Sending, State::Unknown, State::Sent, State::Delivered] {
            let begun = RequestDetail { state, begun_at: Some(at(5)), ..detail() };
            assert!(too_late(&begun).detail.starts_with("handed over at 1970-01-01T00:00:05Z"), "{state:?}");
        }
        assert_eq!(
            too_late(&ended(State::Canceled, "canceled_by_person")).detail,
            "nothing is left to cancel: canceled at 1970-01-01T00:00:09Z, canceled_by_person"
        );
    }

    #[test]
    fn every_state_that_a_cancel_does_not_move_has_words() {
        for state in State::ALL.into_iter().filter(|state| transition(*state, Signal::Cancel) == *state) {
            assert!(!too_late(&ended(state, "expired")).detail.is_empty());
        }
    }
}
