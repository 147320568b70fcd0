//! The sandbox: it takes the messages of test requests where the company has no test address for the medium.
//!
//! Every step is that of any message, up to the call, which is not made: the sandbox accepts the message and reports its
//! delivery. No provider gets it, and no customer can (docs/decisions/008-test-requests-and-the-sandbox.md).

use std::{sync::Arc, time::Duration};

use postrider_domain::{
    ids::{AccountId, MessageId},
    lifecycle::{Signal, TransitionMap},
};
use postrider_ledger::receive::NewReceipt;
use postrider_providers::{Outcome, content_hash};

use crate::dispatch::{Claim, DispatchContext, Lane};

const TRIES_MAX: u32 = 5;

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
    for tries in 1..=TRIES_MAX {
        match context.ledger.receive(std::slice::from_ref(&receipt)).await {
            Ok(_) => return,
            Err(error) if tries == TRIES_MAX => {
                tracing::warn!(%error, "writing a receipt of the sandbox failed; the test message stays sent");
            }
            Err(_) => tokio::time::sleep(Duration::from_secs(u64::from(tries))).await,
        }
    }
}
