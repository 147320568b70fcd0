//! How messages ended: every one did, and its end is what its provider says.
//!
//! A receipt that a worker acknowledged must show; one that got lost may. Where a relay has it, sent is
//! the end.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::super::facts::{Due, MessageFact, state};
use super::{Class, FactIndex, Findings};

const UNKNOWN: i16 = 2;
const FAILURES: [&str; 4] = ["failed", "undelivered", "rejected", "canceled"];

pub(super) fn check(index: &FactIndex, findings: &mut Findings) {
    for message in &index.facts.messages {
        one(index, message, findings);
    }
    receipts(index, findings);
    for (what, id) in &index.facts.breaches {
        let class =
            if what.contains("holds") || what.contains("asked") { Class::Wrong } else { Class::Stuck };
        findings.add(class, &format!("a message {what}"), id);
    }
    for id in &index.facts.due {
        findings.add(Class::Stuck, "a due row is left", id);
    }
    if index.facts.leases > 0 {
        findings.add(Class::Stuck, "a lease is left", index.facts.leases);
    }
}

fn one(index: &FactIndex, message: &MessageFact, findings: &mut Findings) {
    let accepted = index.accepted(message.id);
    let told: Vec<(&str, bool)> = accepted.iter().flat_map(|one| one.told.iter().copied()).collect();
    let failed = |(status, _): &(&str, bool)| FAILURES.contains(status);
    let delivered = |(status, _): &(&str, bool)| *status == "delivered";
    let mut wrong = |class, rule: &str| findings.add(class, rule, message.id);
    match message.state {
        state::WAITING | state::SENDING | state::UNKNOWN => wrong(Class::Stuck, "a message has not ended"),
        state::SENT | state::DELIVERED if accepted.is_empty() => {
            wrong(Class::Wrong, "a message is shown as sent, and no provider has it");
        }
        state::DELIVERED if !told.iter().any(delivered) => {
            wrong(Class::Wrong, "a message is shown as delivered, and its provider never said so");
        }
        state::FAILED
            if message.reason.as_deref() == Some("failed_at_provider") && !told.iter().any(failed) =>
        {
            wrong(Class::Wrong, "a message is shown as failed, and its provider never said so");
        }
        state::FAILED if message.reason.as_deref() != Some("failed_at_provider") && !accepted.is_empty() => {
            wrong(Class::Wrong, "a message is shown as refused, and a provider has it");
        }
        state::CONCLUDED
            if !accepted.is_empty() && !message.attempts.iter().any(|one| one.outcome == Some(UNKNOWN)) =>
        {
            wrong(Class::Wrong, "a message is shown as not sent, and a provider has it");
        }
        _ => {}
    }
    // Told and taken: it must show, whatever else was lost.
    let taken: Vec<_> = told.iter().filter(|(_, acknowledged)| *acknowledged).collect();
    let only_delivered = taken.iter().any(|one| delivered(one)) && !told.iter().any(failed);
    if only_delivered && message.state != state::DELIVERED {
        wrong(Class::Lost, "a delivery was acknowledged to its provider and does not show");
    }
    let only_failed = taken.iter().any(|one| failed(one)) && !told.iter().any(delivered);
    if only_failed && message.state != state::FAILED {
        wrong(Class::Lost, "a failure was acknowledged to its provider and does not show");
    }
    if taken.iter().any(|(status, _)| *status == "sent")
        && !matches!(message.state, state::SENT | state::DELIVERED | state::FAILED)
    {
        wrong(Class::Lost, "an acceptance was acknowledged to its provider and does not show");
    }
    if index.job(message).is_some_and(|job| job.due == Due::Silence) {
        let kept = message.state == state::SUPPRESSED && message.reason.as_deref() == Some("do_not_send");
        if !kept || !message.attempts.is_empty() {
            wrong(Class::Wrong, "a job that must not be sent is not kept back as such");
        }
    }
}

/// Nothing was believed that no provider told.
fn receipts(index: &FactIndex, findings: &mut Findings) {
    let mut told: HashMap<Uuid, HashSet<&str>> = HashMap::new();
    for one in &index.facts.acceptances {
        told.entry(one.message.unwrap_or_default())
            .or_default()
            .extend(one.told.iter().map(|(status, _)| *status));
    }
    for receipt in &index.facts.receipts {
        let statuses = told.get(&receipt.message);
        let known = match receipt.kind.as_str() {
            "delivered" => statuses.is_some_and(|all| all.contains("delivered")),
            "failed" => statuses.is_some_and(|all| FAILURES.iter().any(|word| all.contains(word))),
            _ => true,
        };
        if !known {
            findings.add(Class::Wrong, "a receipt was believed that no provider told", receipt.message);
        }
        let job = index.messages.get(&receipt.message).and_then(|message| index.job(message));
        if receipt.looked_up && job.is_some_and(|job| job.provider == "smtp") {
            findings.add(Class::Wrong, "a relay was asked, which knows nothing", receipt.message);
        }
    }
}
