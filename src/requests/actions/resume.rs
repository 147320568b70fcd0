//! Resume: a paused request goes on, if the rules still let it.
//!
//! The rules are asked again (`redecide`). A message that they suppress now ends as suppressed. A message that they
//! would reject (its brand is gone, its team member no longer approved) stays paused, because the company's file can be
//! mended. Of a begun attempt only the pause is lifted. The person is on record, also where the rules end the message.

use uuid::Uuid;

use crate::requests::{
    actions::{
        action::ActionContext,
        compare_and_set::compare_and_set,
        outcome::{ActionOutcome, join_messages, status_word},
        redecide::redecide,
    },
    views::reasons::sentence,
};
use postrider_domain::{
    document::Problem,
    lifecycle::{
        Reason, Signal, State, Status,
        fence::{expired_end, suppressed_end},
        transition,
    },
    rules::Verdict,
};
use postrider_ledger::{
    conclude::Conclusion,
    requests::{ActionKind, ActionOrigin, RequestDetail},
};

#[derive(Debug, Clone, PartialEq)]
pub enum Resumed {
    /// It goes on from this state.
    Going(State),
    /// It ended instead, for this reason.
    Ended(State, Reason),
    /// It stays paused: its job would be rejected today.
    Refused(Vec<Problem>),
    /// It is not paused, or over.
    NotPaused(State),
    /// There is no such request.
    Unknown,
}

/// Resumes a paused request.
///
/// # Errors
/// Of the database; a company that is not known; a request that kept changing.
pub async fn resume(context: ActionContext<'_>, id: Uuid, by: ActionOrigin<'_>) -> anyhow::Result<Resumed> {
    let ledger = context.ledger;
    compare_and_set(id, || async {
        let Some(detail) = ledger.open_request(id).await? else { return Ok(Some(Resumed::Unknown)) };
        let message = detail.message;
        if detail.paused_at.is_none() || detail.state.status() != Status::Queued {
            return Ok(Some(Resumed::NotPaused(detail.state)));
        }
        Ok(match obstacle(context, &detail).await? {
            Ok(None) => ledger.resume(message, by).await?.map(Resumed::Going),
            Ok(Some((signal, reason))) => {
                let next = transition(detail.state, signal);
                let end = Conclusion { message, epoch: detail.epoch, expected: detail.state, next, reason };
                let ended = ledger.conclude_by(end, ActionKind::Resumed, by).await?;
                ended.then_some(Resumed::Ended(next, reason))
            }
            Err(problems) => Some(Resumed::Refused(problems)),
        })
    })
    .await
}

/// The obstacle of a paused message: a signal that ends it; the inner `Err`: the problems of its job.
async fn obstacle(
    context: ActionContext<'_>,
    detail: &RequestDetail,
) -> anyhow::Result<Result<Option<(Signal, Reason)>, Vec<Problem>>> {
    if detail.state != State::Waiting {
        return Ok(Ok(None));
    }
    if detail.expires_at <= detail.now {
        return Ok(Ok(Some(expired_end(detail.attempt, detail.may_have_been_sent))));
    }
    let redecision = redecide(context, detail).await?;
    Ok(redecision.map(|redecision| match redecision.decision.verdict {
        Verdict::Send => None,
        // As the fence words it: this request reserved the person first, waited, and lost it to another one.
        Verdict::Suppress(Reason::SuppressionPeriod) if !detail.reservation_keys.is_empty() => {
            Some(suppressed_end(detail.may_have_been_sent, Reason::Overtaken))
        }
        Verdict::Suppress(reason) => Some(suppressed_end(detail.may_have_been_sent, reason)),
    }))
}

impl From<Resumed> for ActionOutcome {
    fn from(resumed: Resumed) -> ActionOutcome {
        match resumed {
            Resumed::Going(State::Waiting) => ActionOutcome::done("resumed", "resumed"),
            Resumed::Going(_) => {
                let text = "resumed; an attempt was begun before the pause, and it decides first";
                ActionOutcome::done("resumed", text)
            }
            Resumed::Ended(state, reason) => {
                let word = status_word(state);
                let text = format!("not resumed: it is {word} now, {reason}: {}", sentence(reason));
                ActionOutcome::refused(reason.as_str(), text)
            }
            Resumed::Refused(problems) => {
                let messages = join_messages(&problems);
                let text = format!(
                    "not resumed, it stays paused: {messages}; mend the company's settings, or cancel it"
                );
                ActionOutcome { problems, ..ActionOutcome::refused("rejected", text) }
            }
            Resumed::NotPaused(state) if state.status() == Status::Queued => {
                ActionOutcome::already("not_paused", "it is not paused")
            }
            Resumed::NotPaused(state) => {
                let text = format!("it is not paused: it is {} already", status_word(state));
                ActionOutcome::refused("over", text)
            }
            Resumed::Unknown => ActionOutcome::unknown(),
        }
    }
}
