//! Pause: a person stops what is still on its way, until they resume it.
//!
//! A message that is not begun is theirs; of one that is, the attempt under way decides, and the next one
//! is stopped. Who paused it is on record.

use uuid::Uuid;

use postrider_domain::lifecycle::{State, Status};
use postrider_ledger::{
    Ledger,
    requests::{By, RequestDetail},
};

/// Somebody else moved the message each time: more often than any worker does.
const TRIES_MAX: usize = 5;

/// What became of the wish to pause.
#[derive(Debug)]
pub enum Paused {
    /// From now on; in this state.
    Done(State),
    Already(Box<RequestDetail>),
    /// Nothing of it is on its way.
    Over(Box<RequestDetail>),
    /// There is no such request.
    Unknown,
}

/// Pauses a request.
pub async fn pause(ledger: &Ledger, id: Uuid, by: By<'_>) -> anyhow::Result<Paused> {
    for _ in 0..TRIES_MAX {
        let Some(detail) = ledger.open_request(id).await? else { return Ok(Paused::Unknown) };
        match (detail.state.status(), detail.paused_at) {
            (Status::Queued, Some(_)) => return Ok(Paused::Already(Box::new(detail))),
            (Status::Queued, None) => {}
            _ => return Ok(Paused::Over(Box::new(detail))),
        }
        if let Some(state) = ledger.pause(detail.message, by).await? {
            return Ok(Paused::Done(state));
        }
    }
    anyhow::bail!("request {id} kept moving meanwhile; try again")
}
