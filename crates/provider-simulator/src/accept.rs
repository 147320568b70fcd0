//! Accepts a message: into the journal first, then its webhooks are started.
//!
//! Runs in a task of its own, so that a caller that disconnects in the middle changes nothing, as at a real
//! provider. The answer to the call is planned elsewhere (`call_plan`).

use std::{io, sync::Arc};

use crate::{
    call_plan::{self, WebhookPosting},
    clock,
    records::{AcceptanceDetail, Accepted, IncomingMessage, Provider},
    state::{PlannedCall, SimulatorState},
    webhook_sequence::WebhookSequence,
};

/// Returns when the acceptance is in the journal and, for an `early` recipient, its webhooks are posted.
///
/// # Errors
/// When the journal file cannot be written.
pub(crate) async fn accept(
    state: &Arc<SimulatorState>,
    message: IncomingMessage,
    call: PlannedCall,
) -> io::Result<()> {
    let task = state.tasks.spawn(accept_in_task(Arc::clone(state), message, call));
    task.await.map_err(io::Error::other)?
}

async fn accept_in_task(
    state: Arc<SimulatorState>,
    message: IncomingMessage,
    call: PlannedCall,
) -> io::Result<()> {
    let (accepted, detail) = into_acceptance(message, state.faults.behaviour().raw_bytes_max);
    let sequence = WebhookSequence {
        accepted: Accepted { raw: Vec::new(), ..accepted.clone() },
        detail: detail.clone(),
        events: call_plan::status_events(call.fault, accepted.provider),
        posting: call_plan::webhook_posting(call.fault),
    };
    // Counted before the acceptance can be seen, so that `webhooks_settled` never returns too soon.
    let pending = state.webhooks.count_pending();
    state.journal.accept(call.number, accepted, detail).await?;
    let before_answer = sequence.posting == WebhookPosting::BeforeAnswer;
    let posting = sequence.spawn(&state, pending);
    if before_answer {
        posting.await.map_err(io::Error::other)?;
    }
    Ok(())
}

fn into_acceptance(message: IncomingMessage, raw_bytes_max: usize) -> (Accepted, AcceptanceDetail) {
    let mut raw = message.raw;
    raw.truncate(raw_bytes_max);
    raw.shrink_to_fit();
    let accepted = Accepted {
        provider: message.provider,
        provider_id: message.provider_id,
        recipient: message.recipient,
        from: message.from,
        text_or_subject: message.text_or_subject,
        correlation: message.correlation.message,
        attempt: message.correlation.attempt,
        accepted_at: clock::now(),
        raw,
        last_status: match message.provider {
            Provider::Mailgun => "accepted".to_owned(),
            Provider::Twilio | Provider::Smtp => "queued".to_owned(),
        },
    };
    (accepted, message.detail)
}
