//! One action on many requests: first a preview of what it would hit, then, confirmed, one bounded batch per call.
//!
//! A confirmation is signed and allows no more than its preview: the same company, action, filter and words, requests
//! that were there at the preview, and no more of them than were counted. This process keeps no state of it.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use uuid::Uuid;

use postrider_domain::{
    hash_keys::SecretKeys,
    ids::MessageId,
    lifecycle::{State, Status},
};
use postrider_ledger::{
    Ledger, LedgerError,
    list::{ListFilter, ListRow},
};

use crate::requests::{
    actions::{
        action::{Action, ActionContext, ActionRequest},
        outcome::{ActionOutcome, ActionStatus},
    },
    views::page,
};

/// Requests that one preview may hit.
pub const COUNT_MAX: usize = 10_000;
/// Requests that a preview shows.
pub const SAMPLE: usize = 10;
/// Requests that one confirmed call acts on; its answer carries the confirmation for the rest.
pub const BATCH: usize = 100;
/// Lifetime of a confirmation, from its preview.
pub const CONFIRM_TTL_SECS: i64 = 3_600;
const COUNT_PAGE: i64 = 1_000;
const COUNT_TIMEOUT: Duration = Duration::from_secs(15);
const CONCURRENCY: usize = 4;

/// An action on all requests of a filter.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    pub action: Action,
    pub filter: &'a ListFilter,
    pub request: ActionRequest<'a>,
    /// The caller's words, of which a confirmation is the signature.
    pub signed: &'a [u8],
}

/// The requests that a plan would hit.
#[derive(Debug, Default)]
pub struct BulkPreview {
    pub count: usize,
    pub sample: Vec<ListRow>,
    /// To be sent back; `None`: no request fits.
    pub confirm: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    #[error(
        "more than {COUNT_MAX} requests fit, or too many had to be looked at; narrow the filter, by from and to at best"
    )]
    TooWide,
    #[error("this confirmation is not for these words, or has had its time; ask for a new preview")]
    NotConfirmed,
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// The outcomes of one batch.
#[derive(Debug, Default)]
pub struct BulkBatch {
    pub outcomes: Vec<(Uuid, ActionOutcome)>,
    /// Counts by the outcomes' result words.
    pub results: BTreeMap<&'static str, usize>,
    /// Requests of the preview that no batch has come to yet.
    pub left: usize,
    /// To go on with; `None`: no request is left.
    pub confirm: Option<String>,
}

/// The signed content of a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Confirmation {
    previewed_at: DateTime<Utc>,
    /// Only requests with a smaller id.
    before: Uuid,
    left: u32,
}

/// Counts the requests that a plan would hit.
///
/// # Errors
/// `TooWide`, or of the database.
pub async fn preview(ledger: &Ledger, keys: &SecretKeys, plan: Plan<'_>) -> Result<BulkPreview, BulkError> {
    let Some(filter) = narrowed(plan.action, plan.filter) else { return Ok(BulkPreview::default()) };
    let began = postrider_clock::monotonic();
    let (mut preview, mut next, mut newest, mut now) = (BulkPreview::default(), None, None, None);
    loop {
        let page = page::fetch_page(ledger, &filter, next, COUNT_PAGE).await.map_err(anyhow::Error::from)?;
        now = now.or(page.now);
        newest = newest.or(page.rows.first().map(|row| row.id));
        preview.count += page.rows.len();
        preview.sample.extend(page.rows.into_iter().take(SAMPLE - preview.sample.len()));
        next = page.next;
        if preview.count > COUNT_MAX || (next.is_some() && began.elapsed() > COUNT_TIMEOUT) {
            return Err(BulkError::TooWide);
        }
        if next.is_none() {
            break;
        }
    }
    preview.confirm = newest.zip(now).map(|(newest, previewed_at)| {
        let before = Uuid::from_u128(newest.as_u128().saturating_add(1));
        let left = u32::try_from(preview.count).unwrap_or(u32::MAX);
        Confirmation { previewed_at, before, left }.sign(keys, plan.signed)
    });
    Ok(preview)
}

/// Acts on the next batch of previewed requests.
///
/// # Errors
/// `NotConfirmed`, or of the database: the same confirmation can be sent again.
pub async fn confirmed(
    context: ActionContext<'_>,
    plan: Plan<'_>,
    confirm: &str,
) -> Result<BulkBatch, BulkError> {
    let confirmation =
        Confirmation::read(context.keys, plan.signed, confirm).ok_or(BulkError::NotConfirmed)?;
    let filter = narrowed(plan.action, plan.filter).ok_or(BulkError::NotConfirmed)?;
    // A request that fails after the preview is no part of it; so a repeated call retries no request twice.
    let ended_before = (plan.action == Action::Retry).then_some(confirmation.previewed_at);
    let filter = ListFilter { ended_before, ..filter };
    let most = (confirmation.left as usize).min(BATCH);
    let page = page::fetch_page(context.ledger, &filter, Some(confirmation.before), most as i64)
        .await
        .map_err(anyhow::Error::from)?;
    if page.now.is_none_or(|now| (now - confirmation.previewed_at).num_seconds() > CONFIRM_TTL_SECS) {
        return Err(BulkError::NotConfirmed);
    }
    let actions: Vec<_> = page.rows.iter().map(|row| one(context, plan, row.id, row.message)).collect();
    let outcomes: Vec<_> = stream::iter(actions).buffered(CONCURRENCY).collect().await;
    let mut batch = BulkBatch { left: confirmation.left as usize - page.rows.len(), ..BulkBatch::default() };
    for outcome in outcomes {
        let (id, outcome) = outcome?;
        // One that had it before counts as done, under a word of its own.
        let word = if outcome.status == ActionStatus::Already { "already" } else { outcome.result };
        *batch.results.entry(word).or_default() += 1;
        batch.outcomes.push((id, outcome));
    }
    let next = page.next.filter(|_| batch.left > 0);
    batch.confirm = next.map(|before| {
        let left = u32::try_from(batch.left).unwrap_or(u32::MAX);
        Confirmation { before, left, ..confirmation }.sign(context.keys, plan.signed)
    });
    if batch.confirm.is_none() {
        // The rest no longer fits the filter.
        batch.left = 0;
    }
    Ok(batch)
}

/// One request of a batch. `Err`: the database's, and the batch is sent again; a failure of one request alone is its
/// outcome and does not hold up the others.
async fn one(
    context: ActionContext<'_>,
    plan: Plan<'_>,
    id: Uuid,
    message: MessageId,
) -> anyhow::Result<(Uuid, ActionOutcome)> {
    // Of the message that the page showed: a repeated batch retries it once, however soon that fails again.
    let request = ActionRequest { of: Some(message), ..plan.request };
    match plan.action.apply(context, id, request).await {
        Ok(outcome) => Ok((id, outcome)),
        Err(error) if is_of_database(&error) => Err(error),
        Err(error) => {
            let why = format!("{error:#}");
            tracing::warn!(request = %id, error = %why, "an action on one of many requests failed; its outcome says not_done");
            let text =
                "it could not be done; the worker's log says why, and it may be asked for again by itself";
            Ok((id, ActionOutcome::refused("not_done", text)))
        }
    }
}

fn is_of_database(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<LedgerError>();
    matches!(error, Some(LedgerError::Unavailable(_) | LedgerError::Contended(_)))
}

/// The filter, narrowed to requests that the action can change; `None`: there are none.
fn narrowed(action: Action, filter: &ListFilter) -> Option<ListFilter> {
    let hit = |state: &State| match action {
        Action::Pause | Action::Resume => state.status() == Status::Queued,
        Action::Cancel => *state == State::Waiting,
        Action::Retry => state.status() == Status::Failed,
    };
    let states: Vec<State> = State::ALL
        .into_iter()
        .filter(|state| hit(state) && (filter.states.is_empty() || filter.states.contains(state)))
        .collect();
    let paused = match action {
        Action::Pause => Some(false),
        Action::Resume => Some(true),
        Action::Cancel | Action::Retry => None,
    };
    (!states.is_empty()).then(|| ListFilter { states, paused, ..filter.clone() })
}

impl Confirmation {
    fn sign(&self, keys: &SecretKeys, signed: &[u8]) -> String {
        let bytes = self.bytes();
        format!("{}{}", hex::encode(&bytes), hex::encode(keys.confirmation_tag(&[&bytes, signed])))
    }

    fn read(keys: &SecretKeys, signed: &[u8], text: &str) -> Option<Confirmation> {
        let bytes = hex::decode(text).ok()?;
        let (bytes, tag) = bytes.split_at_checked(28)?;
        if !keys.verify_confirmation(&[bytes, signed], tag) {
            return None;
        }
        let (previewed_at, rest) = bytes.split_at_checked(8)?;
        let (before, left) = rest.split_at_checked(16)?;
        Some(Confirmation {
            previewed_at: DateTime::from_timestamp_micros(i64::from_be_bytes(previewed_at.try_into().ok()?))?,
            before: Uuid::from_slice(before).ok()?,
            left: u32::from_be_bytes(left.try_into().ok()?),
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.previewed_at.timestamp_micros().to_be_bytes().to_vec();
        bytes.extend(self.before.as_bytes());
        bytes.extend(self.left.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_holds_for_the_signed_words_only() {
        let keys = SecretKeys::derive(b"one");
        let confirmation = Confirmation { previewed_at: DateTime::UNIX_EPOCH, before: Uuid::max(), left: 7 };
        let text = confirmation.sign(&keys, b"cancel all");
        assert_eq!(Confirmation::read(&keys, b"cancel all", &text), Some(confirmation));
        assert_eq!(Confirmation::read(&keys, b"cancel more", &text), None);
        assert_eq!(Confirmation::read(&SecretKeys::derive(b"two"), b"cancel all", &text), None);
        let more = text.replacen("00000007", "00000008", 1);
        assert_ne!(more, text, "the count is in it");
        assert_eq!(Confirmation::read(&keys, b"cancel all", &more), None);
        for text in ["", "zz", &text[..60], "é"] {
            assert_eq!(Confirmation::read(&keys, b"cancel all", text), None);
        }
    }

    #[test]
    fn only_an_error_of_the_database_holds_up_a_batch() {
        assert!(is_of_database(&LedgerError::Unavailable("away".into()).into()));
        assert!(!is_of_database(&LedgerError::Broken("one row".into()).into()));
        assert!(!is_of_database(&anyhow::anyhow!("request 7 kept moving meanwhile")));
    }

    #[test]
    fn an_action_hits_only_requests_that_it_can_change() {
        let filter = ListFilter { states: vec![State::Sent, State::Failed], ..ListFilter::default() };
        assert_eq!(narrowed(Action::Cancel, &filter), None);
        assert_eq!(narrowed(Action::Retry, &filter).expect("failed ones").states, [State::Failed]);
        assert_eq!(narrowed(Action::Resume, &ListFilter::default()).expect("queued ones").paused, Some(true));
    }
}
