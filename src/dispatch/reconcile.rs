//! Reconcile: looks up the messages that have no reported status yet.
//!
//! Two kinds: messages with an unknown attempt (its answer was lost), and sent messages without their last receipt. A
//! proof is written as a receipt is. An unclear message is looked up again by the poll plan until it ends, or is sent once
//! more where the company has opted in. Every worker reconciles; a message that one worker takes is put off for the
//! others. Nothing here sends.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use uuid::Uuid;

use crate::{telemetry::names, ticker::Ticker};
use postrider_domain::{
    ids::{Medium, MessageId},
    lifecycle::{
        Reason, Signal, State, TransitionMap,
        status_poll::{NextPoll, ProbeResult},
        transition,
    },
};
use postrider_ledger::{
    LedgerError,
    conclude::Conclusion,
    receive::NewReceipt,
    status_polls::{NextReceiptPoll, PollTarget, ReceiptPoll},
};
use postrider_providers::{LookupResult, Proof, ReceiptKind, StatusSource, content_hash};

use crate::dispatch::{
    DispatchContext, Lanes,
    status_lookup::{Answered, look_up},
    unknowns::count_settled,
};

/// Unknown attempts of one round at most.
const LOOKS_MAX: i64 = 200;
/// Batches of sent messages of one round at most, with some hundred messages each.
const WATCHES_MAX: i64 = 5;

/// The background task of look-ups.
pub struct Reconciler {
    context: Arc<DispatchContext>,
    lanes: Arc<Lanes>,
}

impl Reconciler {
    #[must_use]
    pub fn new(context: Arc<DispatchContext>, lanes: Arc<Lanes>) -> Reconciler {
        Reconciler { context, lanes }
    }

    /// Looks up until the worker stops: at once while there is more, otherwise at the ticker's interval.
    pub async fn run(self, ticker: Ticker) {
        let mut more = true;
        while ticker.tick(more).await {
            let round = async {
                let unknown = self.unknown_once().await?;
                let missing = self.missing_once().await?;
                Ok::<bool, LedgerError>(unknown || missing)
            };
            // A round that is cut here comes again: its messages were only put off.
            let found = tokio::select! {
                () = ticker.stop().cancelled() => break,
                found = round => found,
            };
            more = found.unwrap_or_else(|error| {
                tracing::warn!(%error, "looking up unknown attempts failed, retrying after dispatch.sweep_interval_ms");
                false
            });
        }
    }

    /// One round over unknown attempts; returns whether there may be more.
    pub async fn unknown_once(&self) -> Result<bool, LedgerError> {
        let taken = self.context.ledger.take_status_polls(LOOKS_MAX, self.hold_secs()).await?;
        let more = taken.len() as i64 >= LOOKS_MAX;
        let (unknown, moved): (Vec<_>, Vec<_>) =
            taken.into_iter().partition(|missing| missing.state == State::Unknown);
        if !moved.is_empty() {
            let moved: Vec<_> = moved.iter().map(|missing| missing.message.0).collect();
            self.context.ledger.drop_due(&moved).await?;
        }
        let answered = look_up(&self.lanes, unknown, self.context.lease / 3).await;
        self.prove(&answered).await?;
        self.plan(answered.into_iter().filter(|answer| found_proof(answer).is_none())).await?;
        Ok(more)
    }

    /// One round over batches of sent messages; returns whether there may be more.
    pub async fn missing_once(&self) -> Result<bool, LedgerError> {
        let watches = self.context.ledger.take_receipt_polls(WATCHES_MAX, self.hold_secs()).await?;
        // A message may be in two batches: in one since a receipt proved it sent, in one since its own call did.
        let members: BTreeSet<Uuid> =
            watches.iter().flat_map(|watch| watch.messages.iter().copied()).collect();
        let members: Vec<Uuid> = members.into_iter().collect();
        let missing = match members.is_empty() {
            true => Vec::new(),
            false => self.context.ledger.awaiting_receipt(&members).await?,
        };
        let sent: BTreeSet<MessageId> = missing.iter().map(|missing| missing.message).collect();
        let answered = look_up(&self.lanes, missing, self.context.lease / 3).await;
        self.prove(&answered).await?;
        let asked: BTreeSet<MessageId> = answered.iter().map(|(missing, _)| missing.message).collect();
        let left: BTreeMap<MessageId, Medium> = answered
            .iter()
            .filter(|answer| !found_proof(answer).is_some_and(|proof| proof.kind != ReceiptKind::Accepted))
            .map(|(missing, _)| (missing.message, missing.medium))
            .collect();
        // A batch of which the time did not suffice for all messages comes again as a whole.
        let unasked =
            |member: &Uuid| sent.contains(&MessageId(*member)) && !asked.contains(&MessageId(*member));
        let next: Vec<NextReceiptPoll> = watches
            .iter()
            .filter(|watch| !watch.messages.iter().any(unasked))
            .map(|watch| self.next_poll_of(watch, &left))
            .collect();
        if !next.is_empty() {
            let left: Vec<_> = left.keys().map(|message| message.0).collect();
            self.context.ledger.postpone_receipt_polls(&next, &left).await?;
        }
        Ok(watches.len() as i64 >= WATCHES_MAX)
    }

    /// Seconds after which a message that is not settled comes again.
    fn hold_secs(&self) -> f64 {
        self.context.lease.as_secs_f64()
    }

    /// Writes proofs as receipts that were looked up.
    async fn prove(&self, answered: &[Answered]) -> Result<(), LedgerError> {
        let receipts: Vec<NewReceipt> =
            answered.iter().filter_map(|answer| self.receipt(&answer.0, found_proof(answer)?)).collect();
        if receipts.is_empty() {
            return Ok(());
        }
        for received in self.context.ledger.receive(&receipts).await? {
            match received.moved {
                Some((State::Unknown, _)) => count_settled("look_up", 1),
                Some((State::Sent, _)) => metrics::counter!(names::RECEIPTS_MISSED).increment(1),
                _ => {}
            }
        }
        Ok(())
    }

    fn receipt(&self, missing: &PollTarget, proof: &Proof) -> Option<NewReceipt> {
        let stored = proof.kind.stored_form()?;
        let kind = stored.kind;
        let map = TransitionMap::new(stored.signal?);
        let notice = format!("look-up:{}:{}:{kind}", missing.message.0, missing.attempt);
        Some(NewReceipt {
            key: self.context.keys.identity.receipt_hash(missing.account, &notice),
            content: content_hash(&[&notice]),
            account: missing.account,
            message: Some(missing.message),
            attempt: Some(missing.attempt),
            kind,
            code: proof.code.clone(),
            provider_id: proof.provider_id.clone(),
            map: Some(map),
            block: stored.block,
            looked_up: true,
            receipt_wait_secs: Some(
                self.context.receipt_poll_plan.for_medium(missing.medium).first().as_secs_f64(),
            ),
        })
    }

    /// Plans the next look-up of messages without a proof, ends them, or has them sent once more.
    async fn plan(&self, unfound: impl Iterator<Item = Answered>) -> Result<(), LedgerError> {
        let (mut again, mut ends, mut resends) = (Vec::new(), Vec::new(), Vec::new());
        for (missing, looked) in unfound {
            let elapsed = (missing.now - missing.begun_at).to_std().unwrap_or_default();
            let sight = match looked {
                None => ProbeResult::Unsupported,
                Some(LookupResult::Absent) => ProbeResult::Absent,
                Some(LookupResult::Unclear { .. } | LookupResult::Found(_)) => ProbeResult::Unclear,
            };
            let looks = self.context.unknown_poll_plan.for_medium(missing.medium);
            match looks.after(elapsed, missing.empty_polls, sight, self.may_resend(&missing)) {
                NextPoll::Again { since_begin, absent } => {
                    let since_begin = chrono::Duration::from_std(since_begin).unwrap_or_default();
                    again.push((missing.message, missing.begun_at + since_begin, absent));
                }
                NextPoll::End => ends.push(end(&missing)),
                NextPoll::Resend => resends.push((missing.message, missing.epoch)),
            }
        }
        if !again.is_empty() {
            self.context.ledger.postpone_status_polls(&again).await?;
        }
        if !ends.is_empty() {
            let ended = self.context.ledger.conclude(&ends).await?;
            count_settled("window", ended.len());
            metrics::counter!(names::CONCLUDED, "reason" => Reason::OutcomeUnknown.as_str())
                .increment(ended.len() as u64);
        }
        if !resends.is_empty() {
            let resent = self.context.ledger.resend(&resends).await?;
            count_settled("resend", resent.len());
        }
        Ok(())
    }

    fn may_resend(&self, missing: &PollTarget) -> bool {
        let wanted = self.lanes.all().get(&missing.account).is_some_and(|lane| {
            lane.company.policy.resend_if_absent && lane.status_source() == StatusSource::Queryable
        });
        wanted && missing.medium == Medium::Email && !missing.resent && missing.expires_at > missing.now
    }

    /// A batch is polled again while one of its messages lacks its receipt and the plan has times left.
    fn next_poll_of(&self, watch: &ReceiptPoll, left: &BTreeMap<MessageId, Medium>) -> NextReceiptPoll {
        let looks = watch.polls + 1;
        // A batch went through one account, and so by one medium.
        let medium = watch.messages.iter().find_map(|member| left.get(&MessageId(*member)));
        let times = medium.map(|medium| &self.context.receipt_poll_plan.for_medium(*medium).0);
        let at = |place: i16| times.and_then(|times| times.get(usize::try_from(place).unwrap_or_default()));
        let wait_secs = match (at(looks - 1), at(looks)) {
            (Some(last), Some(next)) => Some(next.saturating_sub(*last).as_secs_f64()),
            _ => None,
        };
        NextReceiptPoll { id: watch.id, wait_secs, polls: looks }
    }
}

fn found_proof((_, looked): &Answered) -> Option<&Proof> {
    match looked {
        Some(LookupResult::Found(proof)) => Some(proof),
        Some(LookupResult::Absent | LookupResult::Unclear { .. }) | None => None,
    }
}

fn end(missing: &PollTarget) -> Conclusion {
    Conclusion {
        message: missing.message,
        epoch: missing.epoch,
        expected: State::Unknown,
        next: transition(State::Unknown, Signal::WindowEnded),
        reason: Reason::OutcomeUnknown,
    }
}
