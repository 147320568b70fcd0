//! Simulated: a test's message where the company named no address for it.
//!
//! Everything is as for any message, up to the call, which is not made: the built-in simulator takes the
//! message and reports its delivery. No provider hears of it, and no customer can.

use std::{sync::Arc, time::Duration};

use postrider_domain::{
    ids::{AccountId, MessageId},
    lifecycle::{Signal, TransitionMap},
};
use postrider_ledger::receive::NewReceipt;
use postrider_providers::{Outcome, content_hash};

use crate::dispatch::{Claim, DispatchContext, Lane};

const TRIES_MAX: u32 = 5;

/// Whether the simulator takes it.
#[must_use]
pub fn takes(lane: &Lane, claim: &Claim) -> bool {
    claim.test && lane.company.policy.test_address(claim.medium).is_none()
}

/// What the simulator says at once.
#[must_use]
pub fn accepted(message: MessageId) -> Outcome {
    Outcome::Accepted { provider_id: Some(format!("simulated-{}", message.0.simple())) }
}

/// Its receipt. One that gets lost leaves the message `sent`, as any provider's would.
pub async fn report(shared: Arc<DispatchContext>, account: AccountId, message: MessageId, attempt: i16) {
    let notice = format!("simulated:{}:{attempt}:delivered", message.0);
    let receipt = NewReceipt {
        key: shared.keys.identity.receipt_hash(account, &notice),
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
        match shared.ledger.receive(std::slice::from_ref(&receipt)).await {
            Ok(_) => return,
            Err(error) if tries == TRIES_MAX => {
                tracing::warn!(%error, "a simulated receipt could not be written; the test stays sent");
            }
            Err(_) => tokio::time::sleep(Duration::from_secs(u64::from(tries))).await,
        }
    }
}
