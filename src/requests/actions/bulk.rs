//! One act on many requests: first what it would hit, then, confirmed, a bounded batch at a time.
//!
//! A confirmation is signed and says no more than it was given for: the same company, act, filter and words,
//! requests that were there at the preview, and no more of them than were counted. It keeps no state here.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use uuid::Uuid;

use crate::requests::actions::retry::ActionRequest;
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
    actions::action::{Action, ActionContext, ActionStatus, Outcome},
    views::page,
};

/// Requests that one preview may hit.
pub const COUNT_MAX: usize = 10_000;
pub const SAMPLE: usize = 10;
/// Requests that one confirmed call acts on; the next call goes on.
pub const BATCH: usize = 100;
/// How long after its preview a confirmation holds.
pub const CONFIRM_TTL_SECS: i64 = 3_600;
const COUNTED_AT_ONCE: i64 = 1_000;
const COUNTED_WITHIN: Duration = Duration::from_secs(15);
const CONCURRENCY: usize = 4;

/// What is to be done to which requests, in whose words.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    pub act: Action,
    pub filter: &'a ListFilter,
    pub wish: ActionRequest<'a>,
    /// All of it as the caller said it, for the confirmation.
    pub said: &'a [u8],
}

/// What a plan would hit.
#[derive(Debug, Default)]
pub struct Preview {
    pub count: usize,
    pub sample: Vec<ListRow>,
    /// To be sent back; absent where nothing fits.
    pub confirm: Option<String>,
}

/// Why there is no answer.
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

/// What was done in one batch.
#[derive(Debug, Default)]
pub struct Batch {
    pub outcomes: Vec<(Uuid, Outcome)>,
    /// By the outcomes' words.
    pub results: BTreeMap<&'static str, usize>,
    /// Of those counted in the preview, not yet looked at.
    pub left: usize,
    /// To go on with; absent where nothing is left.
    pub confirm: Option<String>,
}

/// What a confirmation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Confirmation {
    previewed: DateTime<Utc>,
    /// Only requests before this one.
    before: Uuid,
    left: u32,
}

/// Counts what a plan would hit.
pub async fn preview(ledger: &Ledger, keys: &SecretKeys, plan: Plan<'_>) -> Result<Preview, BulkError> {
    let Some(filter) = narrowed(plan.act, plan.filter) else { return Ok(Preview::default()) };
    let began = postrider_clock::monotonic();
    let (mut preview, mut next, mut newest, mut now) = (Preview::default(), None, None, None);
    loop {
        let page =
            page::fetch_page(ledger, &filter, next, COUNTED_AT_ONCE).await.map_err(anyhow::Error::from)?;
        now = now.or(page.now);
        newest = newest.or(page.rows.first().map(|row| row.id));
        preview.count += page.rows.len();
        preview.sample.extend(page.rows.into_iter().take(SAMPLE - preview.sample.len()));
        next = page.next;
        if preview.count > COUNT_MAX || (next.is_some() && began.elapsed() > COUNTED_WITHIN) {
            return Err(BulkError::TooWide);
        }
        if next.is_none() {
            break;
        }
    }
    preview.confirm = newest.zip(now).map(|(newest, previewed)| {
        let before = Uuid::from_u128(newest.as_u128().saturating_add(1));
        let left = u32::try_from(preview.count).unwrap_or(u32::MAX);
        Confirmation { previewed, before, left }.sign(keys, plan.said)
    });
    Ok(preview)
}

/// Acts on the next batch of what was previewed.
pub async fn confirmed(
    context: ActionContext<'_>,
    plan: Plan<'_>,
    confirm: &str,
) -> Result<Batch, BulkError> {
    let confirmation = Confirmation::read(context.keys, plan.said, confirm).ok_or(BulkError::NotConfirmed)?;
    let filter = narrowed(plan.act, plan.filter).ok_or(BulkError::NotConfirmed)?;
    // What fails after the preview is no part of it; so a call that is repeated retries nothing twice.
    let ended_before = (plan.act == Action::Retry).then_some(confirmation.previewed);
    let filter = ListFilter { ended_before, ..filter };
    let most = (confirmation.left as usize).min(BATCH);
    let page = page::fetch_page(context.ledger, &filter, Some(confirmation.before), most as i64)
        .await
        .map_err(anyhow::Error::from)?;
    if page.now.is_none_or(|now| (now - confirmation.previewed).num_seconds() > CONFIRM_TTL_SECS) {
        return Err(BulkError::NotConfirmed);
    }
    let acts: Vec<_> = page.rows.iter().map(|row| one(context, plan, row.id, row.message)).collect();
    let acted: Vec<_> = stream::iter(acts).buffered(CONCURRENCY).collect().await;
    let mut batch = Batch { left: confirmation.left as usize - page.rows.len(), ..Batch::default() };
    for outcome in acted {
        let (id, outcome) = outcome?;
        // One that had it already is as good as done, and told apart by its word alone.
        let word = if outcome.did == ActionStatus::Already { "already" } else { outcome.result };
        *batch.results.entry(word).or_default() += 1;
        batch.outcomes.push((id, outcome));
    }
    let next = page.next.filter(|_| batch.left > 0);
    batch.confirm = next.map(|before| {
        let left = u32::try_from(batch.left).unwrap_or(u32::MAX);
        Confirmation { before, left, ..confirmation }.sign(context.keys, plan.said)
    });
    if batch.confirm.is_none() {
        // The rest moved on by itself.
        batch.left = 0;
    }
    Ok(batch)
}

/// One of a batch. An error is the database's, and the batch is asked for again; what one request alone
/// cannot have done holds up nobody else.
async fn one(
    context: ActionContext<'_>,
    plan: Plan<'_>,
    id: Uuid,
    message: MessageId,
) -> anyhow::Result<(Uuid, Outcome)> {
    // Of the message that was seen: a batch that comes twice retries it once, however soon that fails again.
    let wish = ActionRequest { of: Some(message), ..plan.wish };
    match plan.act.apply(context, id, wish).await {
        Ok(outcome) => Ok((id, outcome)),
        Err(error) if is_the_databases(&error) => Err(error),
        Err(error) => {
            let why = format!("{error:#}");
            tracing::warn!(request = %id, error = %why, "an act on one of many was not done");
            Ok((id, Outcome::not_done()))
        }
    }
}

fn is_the_databases(error: &anyhow::Error) -> bool {
    let ledgers = error.downcast_ref::<LedgerError>();
    matches!(ledgers, Some(LedgerError::Unavailable(_) | LedgerError::Contended(_)))
}

/// The filter with what the act can hit at all; `None`: nothing.
fn narrowed(act: Action, filter: &ListFilter) -> Option<ListFilter> {
    let hit = |state: &State| match act {
        Action::Pause | Action::Resume => state.status() == Status::Queued,
        Action::Cancel => *state == State::Waiting,
        Action::Retry => state.status() == Status::Failed,
    };
    let states: Vec<State> = State::ALL
        .into_iter()
        .filter(|state| hit(state) && (filter.states.is_empty() || filter.states.contains(state)))
        .collect();
    let paused = match act {
        Action::Pause => Some(false),
        Action::Resume => Some(true),
        Action::Cancel | Action::Retry => None,
    };
    (!states.is_empty()).then(|| ListFilter { states, paused, ..filter.clone() })
}

impl Confirmation {
    fn sign(&self, keys: &SecretKeys, said: &[u8]) -> String {
        let bytes = self.bytes();
        format!("{}{}", hex::encode(&bytes), hex::encode(keys.confirmation_tag(&[&bytes, said])))
    }

    fn read(keys: &SecretKeys, said: &[u8], text: &str) -> Option<Confirmation> {
        let bytes = hex::decode(text).ok()?;
        let (bytes, tag) = bytes.split_at_checked(28)?;
        if !keys.verify_confirmation(&[bytes, said], tag) {
            return None;
        }
        let (previewed, rest) = bytes.split_at_checked(8)?;
        let (before, left) = rest.split_at_checked(16)?;
        Some(Confirmation {
            previewed: DateTime::from_timestamp_micros(i64::from_be_bytes(previewed.try_into().ok()?))?,
            before: Uuid::from_slice(before).ok()?,
            left: u32::from_be_bytes(left.try_into().ok()?),
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.previewed.timestamp_micros().to_be_bytes().to_vec();
        bytes.extend(self.before.as_bytes());
        bytes.extend(self.left.to_be_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_holds_for_what_was_said_and_for_nothing_else() {
        let keys = SecretKeys::derive(b"one");
        let confirmation = Confirmation { previewed: DateTime::UNIX_EPOCH, before: Uuid::max(), left: 7 };
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
    fn only_the_databases_trouble_holds_up_a_batch() {
        assert!(is_the_databases(&LedgerError::Unavailable("away".into()).into()));
        assert!(!is_the_databases(&LedgerError::Broken("one row".into()).into()));
        assert!(!is_the_databases(&anyhow::anyhow!("request 7 kept moving meanwhile")));
    }

    #[test]
    fn an_act_hits_only_what_it_can_change() {
        let filter = ListFilter { states: vec![State::Sent, State::Failed], ..ListFilter::default() };
        assert_eq!(narrowed(Action::Cancel, &filter), None);
        assert_eq!(narrowed(Action::Retry, &filter).expect("failed ones").states, [State::Failed]);
        assert_eq!(narrowed(Action::Resume, &ListFilter::default()).expect("queued ones").paused, Some(true));
    }
}
