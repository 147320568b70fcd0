//! The sandbox: it takes the messages of test requests where the company has no test address for the medium.
//!
//! Every step is that of any message, up to the call, which is not made: the sandbox accepts the message and reports its
//! delivery. No provider gets it, and no customer can (docs/decisions/008-test-requests-and-the-sandbox.md).

use std::{sync::Arc, time::Duration};

use postrider_domain::{
    ids::{AccountId, MessageId},
    lifecycle::{Signal, TransitionMap},
};
use postrider_ledger::{LedgerError, receive::NewReceipt};
use postrider_providers::{Outcome, content_hash};

use crate::{
    dispatch::{Claim, DispatchContext, Lane},
    retry::{Backoff, retry_until},
};

const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(1),
    max: Duration::from_secs(4),
    timeout: Some(Duration::from_secs(10)),
};

/// Whether the sandbox takes this claim's message.
#[must_use]
pub fn takes(lane: &Lane, claim: &Claim) -> bool {
    claim.test && lane.company.policy.test_address(claim.medium).is_none()
}

/// The outcome of its call.
#[must_use]
pub fn accepted(message: MessageId) -> Outcome {
    Outcome::Accepted { provider_id: Some(format!("simulated-{}", message.0.simple())) }
}

/// Writes its receipt. A receipt that is lost leaves the message `sent`, as a provider's would.
pub async fn report(context: Arc<DispatchContext>, account: AccountId, message: MessageId, attempt: i16) {
    let notice = format!("simulated:{}:{attempt}:delivered", message.0);
    let receipt = NewReceipt {
        key: context.keys.identity.receipt_hash(account, &notice),
        content: content_hash(&[&notice]),
        account,
        message: Some(message),
        attempt: Some(attempt),
        kind: "delivered",
        code: Some("simulated".to_owned()),
        provider_id: None,
        map: Some(TransitionMap::new(Signal::DeliveredReceipt)),
        block: None,
        looked_up: false,
        receipt_wait_secs: None,
    };
    let write = || context.ledger.receive(std::slice::from_ref(&receipt));
    if let Err(error) = retry_until(BACKOFF, write, |_: &LedgerError| true).await {
        tracing::warn!(%error, "writing a receipt of the sandbox failed; the test message stays sent");
    }
}
