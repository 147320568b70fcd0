//! Cancel: a person takes a request back, if it is still theirs.
//!
//! Compare-and-set under the state and epoch that were read: whoever begins it first has it. What may
//! have gone out already, and only waits to be sent once more, is handed over too. Who canceled it is on
//! record.

use uuid::Uuid;

use postrider_domain::lifecycle::{Reason, Signal, State, transition};
use postrider_ledger::{
    Ledger,
    conclude::Conclusion,
    requests::{ActionKind, By, RequestDetail},
};

/// Somebody else moved the message each time: more often than any worker does.
const TRIES_MAX: usize = 5;

/// What became of the wish to cancel.
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
pub async fn cancel(ledger: &Ledger, id: Uuid, by: By<'_>) -> anyhow::Result<Canceled> {
    for _ in 0..TRIES_MAX {
        let Some(detail) = ledger.open_request(id).await? else { return Ok(Canceled::Unknown) };
        if detail.state == State::Canceled {
            return Ok(Canceled::Already);
        }
        let next = transition(detail.state, Signal::Cancel);
        if next == detail.state || detail.may_have_been_sent {
            return Ok(Canceled::TooLate(Box::new(detail)));
        }
        let end = Conclusion {
            message: detail.message,
            epoch: detail.epoch,
            expected: detail.state,
            next,
            reason: Reason::CanceledByPerson,
        };
        if ledger.conclude_by(end, ActionKind::Canceled, by).await? {
            return Ok(Canceled::Done);
        }
    }
    anyhow::bail!("request {id} kept moving meanwhile; try again")
}
