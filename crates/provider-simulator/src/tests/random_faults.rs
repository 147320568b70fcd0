//! Random faults, each at a rate of 1, at all three providers.
//!
//! Faults that a recipient's address names are tested in `http`, `smtp` and `receipts`.

use std::time::Duration;

use super::support::{DEADLINE, Receiver, mail, simulator_with, submit, text};
use crate::{Behaviour, Simulator};

const TO: &str = "jo@example.test";
const PHONE: &str = "+14155552671";

async fn with(behaviour: Behaviour) -> Simulator {
    simulator_with(|config| config.behaviour = behaviour).await
}

/// The statuses of one call each to Mailgun and Twilio, and the relay's last reply; `None` for a broken
/// connection.
async fn answers(simulator: &Simulator) -> (Option<u16>, Option<u16>, Option<String>) {
    let mail = mail(simulator, TO).send().await.ok().map(|answer| answer.status().as_u16());
    let text = text(simulator, PHONE, None).send().await.ok().map(|answer| answer.status().as_u16());
    let relay = submit(simulator, TO, &[]).await.ok().and_then(|mut replies| replies.pop());
    (mail, text, relay)
}

fn doubts(simulator: &Simulator) -> Vec<bool> {
    simulator.calls().iter().map(|call| call.doubtful).collect()
}

#[tokio::test]
async fn an_accepted_call_may_be_answered_500_and_a_relay_never_asks_for_a_repeat() {
    let simulator = with(Behaviour { accept_error_rate: 1.0, ..Behaviour::default() }).await;
    let (mail, text, relay) = answers(&simulator).await;
    assert_eq!((mail, text), (Some(500), Some(500)));
    assert_eq!(relay.as_deref(), Some("25"), "cut: a 451 would mean that the relay did not take it");
    assert_eq!(simulator.accepted().len(), 3);
    assert_eq!(doubts(&simulator), [true; 3]);
}

#[tokio::test]
async fn a_reset_may_come_after_acceptance_or_instead_of_it() {
    let simulator = with(Behaviour { accept_reset_rate: 1.0, ..Behaviour::default() }).await;
    let (mail, text, _) = answers(&simulator).await;
    assert_eq!((mail, text, simulator.accepted().len()), (None, None, 3));
    let simulator = with(Behaviour { reset_rate: 1.0, ..Behaviour::default() }).await;
    let (mail, text, _) = answers(&simulator).await;
    assert_eq!((mail, text, simulator.accepted().len()), (None, None, 0));
    assert_eq!(doubts(&simulator), [true; 3]);
}

#[tokio::test]
async fn a_busy_provider_refuses_for_now_and_leaves_no_doubt() {
    let simulator = with(Behaviour { busy_rate: 1.0, ..Behaviour::default() }).await;
    let (mail, text, relay) = answers(&simulator).await;
    assert_eq!((mail, text), (Some(429), Some(429)));
    assert!(relay.is_some_and(|reply| reply.starts_with("451 4.7.1")));
    assert!(simulator.accepted().is_empty());
    assert_eq!(doubts(&simulator), [false; 3]);
}

#[tokio::test]
async fn a_slow_provider_has_the_message_long_before_it_answers() {
    let simulator =
        with(Behaviour { slow_rate: 1.0, slow: Duration::from_secs(3_600), ..Behaviour::default() }).await;
    let waiting = tokio::spawn(mail(&simulator, TO).send());
    assert!(simulator.wait_until(|accepted| accepted.len() == 1, DEADLINE).await);
    assert!(!waiting.is_finished());
    waiting.abort();
}

async fn statuses_in_order(behaviour: Behaviour) -> (Vec<String>, Simulator) {
    let receiver = Receiver::start(&[200]).await;
    let simulator = with(behaviour).await;
    let callback = format!("{}/status?m=1", receiver.base);
    text(&simulator, PHONE, Some(&callback)).send().await.expect("an answer");
    simulator.webhooks_settled().await;
    (receiver.hooks().iter().map(|hook| hook.field("MessageStatus")).collect(), simulator)
}

#[tokio::test]
async fn receipts_in_reverse_order_leave_the_status_as_it_happened() {
    let (statuses, simulator) =
        statuses_in_order(Behaviour { webhook_reorder_rate: 1.0, ..Behaviour::default() }).await;
    assert_eq!(statuses, ["delivered", "sent"]);
    assert_eq!(simulator.accepted()[0].last_status, "delivered");
}

#[tokio::test]
async fn a_late_receipt_is_in_the_journal_before_it_is_posted() {
    let receiver = Receiver::start(&[200]).await;
    let late = Behaviour {
        webhook_late_rate: 1.0,
        webhook_late: Duration::from_secs(3_600),
        ..Behaviour::default()
    };
    let simulator = simulator_with(|config| {
        config.mailgun_webhook_url = Some(receiver.base.clone());
        config.behaviour = late;
    })
    .await;
    mail(&simulator, TO).send().await.expect("an answer");
    let delivered = |accepted: &[crate::Accepted]| accepted[0].last_status == "delivered";
    assert!(simulator.wait_until(delivered, DEADLINE).await);
    assert!(receiver.hooks().is_empty());
}

#[tokio::test]
async fn a_receipt_is_acknowledged_by_a_2xx_only() {
    let (_, simulator) = statuses_in_order(Behaviour::default()).await;
    let acknowledged = |simulator: &Simulator| -> Vec<(&'static str, bool)> {
        simulator.receipts().iter().map(|receipt| (receipt.status, receipt.acknowledged)).collect()
    };
    assert_eq!(acknowledged(&simulator), [("sent", true), ("delivered", true)]);
    let receiver = Receiver::start(&[503]).await;
    let simulator = with(Behaviour::default()).await;
    text(&simulator, PHONE, Some(&receiver.base)).send().await.expect("an answer");
    simulator.webhooks_settled().await;
    assert_eq!(acknowledged(&simulator), [("sent", false), ("delivered", false)]);
}
