//! Lapses of one message, step by step: which line it waits in after each, and what makes it forget them.
//!
//! The ledger's functions by hand, with leases that run out at once. With real deaths: `poison`.

use postrider::requests::actions::{
    action::ActionContext,
    resume::{Resumed, resume},
};
use postrider_clock::random_id;
use postrider_domain::{
    ids::{AccountId, MessageId},
    lifecycle::{Reason, Signal, State, TransitionMap},
};
use postrider_ledger::{
    accept::LeaseTerms,
    claim::{ClaimedMessage, LaneDemand},
    requests::ActionOrigin,
    settle::{OutcomeCode, Settlement},
    sweep::{FirstPolls, Swept},
};
use serde_json::json;
use uuid::Uuid;

use crate::support::TestEnv;

const WINDOWS: FirstPolls = FirstPolls { email_secs: 60.0, sms_secs: 60.0 };

/// A world without dispatch, with one message that is due.
struct One {
    env: TestEnv,
    id: Uuid,
    lane: AccountId,
    worker: Uuid,
}

impl One {
    async fn new() -> One {
        let env = TestEnv::new().await;
        env.company("blanca", |_| {}).await;
        let worker = env.worker_with("roles.dispatch = false").await;
        let employee = json!({ "email": "paulagent@blancapeak.com" });
        env.publish(
            &json!({ "customer": { "phone": "+14155552671" }, "employee": employee, "channel": "phone" }),
        )
        .await;
        let id = env.all_are(1, "queued").await[0].id;
        assert!(worker.stop().await);
        let (lane,): (i32,) =
            sqlx::query_as("select lane from due").fetch_one(&env.pool).await.expect("it is due");
        One { env, id, lane: AccountId(lane), worker: random_id() }
    }

    fn terms(&self) -> LeaseTerms {
        LeaseTerms { id: random_id(), worker: self.worker, secs: 0.0 }
    }

    async fn claim(&self) -> Option<ClaimedMessage> {
        let wish = LaneDemand { lane: self.lane, count: 10, earliest_due: chrono::DateTime::UNIX_EPOCH };
        self.env.ledger.claim(&[wish], self.terms()).await.expect("asked").pop()
    }

    async fn claim_suspect(&self) -> ClaimedMessage {
        assert!(self.claim().await.is_none(), "the ordinary claim never sees a suspect");
        let due = self.env.ledger.claim_suspect(&[self.lane], self.terms()).await.expect("asked");
        due.expect("it is due in the suspects' line")
    }

    async fn sweep(&self) -> Swept {
        let swept = self.env.ledger.sweep(10, WINDOWS).await.expect("swept");
        self.env.nothing_stuck().await;
        swept
    }

    async fn release(&self, due: &ClaimedMessage) {
        let place = (due.message, due.epoch, due.due_at);
        self.env.ledger.release(&[place]).await.expect("given back");
        self.env.nothing_stuck().await;
    }

    /// Lapses, and the kind of its due row.
    async fn stands(&self) -> (i16, Option<i16>) {
        sqlx::query_as("select m.lease_expiries, d.kind from message m left join due d on d.message = m.id")
            .fetch_one(&self.env.pool)
            .await
            .expect("asked")
    }

    async fn suspect() -> One {
        let one = One::new().await;
        for lapses in [1, 2] {
            one.claim().await.expect("it is due");
            assert_eq!(one.sweep().await, Swept { unsent: 1, unknown: 0, quarantined: vec![] });
            assert_eq!(one.stands().await, (lapses, Some(if lapses == 2 { 2 } else { 0 })));
        }
        one
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_lapse_while_it_is_tried_alone_quarantines_a_suspect() {
    let one = One::suspect().await;
    // Claimed, and its worker died over something else.
    one.claim_suspect().await;
    assert!(one.sweep().await.quarantined.is_empty());
    assert_eq!(one.stands().await, (2, Some(2)));
    // Tried alone, and given back by a worker that lives.
    let due = one.claim_suspect().await;
    assert!(one.env.ledger.start_message_trial(due.message, due.epoch).await.expect("noted"));
    one.release(&due).await;
    assert_eq!(one.stands().await, (2, Some(2)));
    assert!(
        !one.env.ledger.start_message_trial(due.message, due.epoch).await.expect("asked"),
        "no longer its claim"
    );
    // Tried alone, and the worker never came back.
    let due = one.claim_suspect().await;
    assert!(one.env.ledger.start_message_trial(due.message, due.epoch).await.expect("noted"));
    assert_eq!(one.sweep().await.quarantined, [one.id]);
    assert_eq!(one.stands().await, (3, Some(1)), "its expiry is watched");
    let detail = one.env.ledger.request(one.id).await.expect("asked").expect("there");
    assert_eq!(detail.reason.as_deref(), Some("quarantined"));
    assert!(detail.paused_at.is_some() && detail.state == State::Waiting);
    let held = one.env.ledger.quarantined_messages(None, 10).await.expect("asked");
    assert_eq!((held.len(), held[0].crashes, &held[0].workers), (1, 3, &vec![one.worker]));
    assert_eq!(
        one.env.ledger.pause(MessageId(one.id), ActionOrigin::PROGRAM).await.expect("asked"),
        None,
        "it is held already"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspect_stays_one_through_pause_and_resume_until_it_is_begun() {
    let one = One::suspect().await;
    assert_eq!(
        one.env.ledger.pause(MessageId(one.id), ActionOrigin::PROGRAM).await.expect("asked"),
        Some(State::Waiting)
    );
    assert_eq!(one.stands().await, (2, Some(1)));
    let worker = one.env.worker_with("roles.dispatch = false").await;
    let directory = worker.acceptor.as_ref().expect("takes jobs").company_cache.clone();
    let context = ActionContext { ledger: &one.env.ledger, company_cache: &directory, keys: &one.env.keys };
    let going = resume(context, one.id, ActionOrigin::PROGRAM).await.expect("asked");
    assert_eq!(going, Resumed::Going(State::Waiting));
    assert_eq!(one.stands().await, (2, Some(2)));
    let due = one.claim_suspect().await;
    let begun = one.env.ledger.begin(&[due_key(&due)], 0.0, &[]).await.expect("begun");
    assert_eq!(begun, [(due_key(&due), 1)]);
    assert_eq!(one.stands().await, (0, None), "an attempt proves that the job kills no worker before it");
    // It is tried again in the ordinary line; that the old lease runs out meanwhile is no lapse.
    one.env.ledger.settle(&[refused(&due)], &[]).await.expect("settled");
    assert_eq!(one.stands().await, (0, Some(0)));
    one.sweep().await;
    assert_eq!(one.stands().await, (0, Some(0)));
    drop(directory);
    one.env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspect_or_a_held_message_expires_like_any_other() {
    for held in [false, true] {
        let one = One::suspect().await;
        if held {
            let due = one.claim_suspect().await;
            assert!(one.env.ledger.start_message_trial(due.message, due.epoch).await.expect("noted"));
            assert_eq!(one.sweep().await.quarantined, [one.id]);
        }
        for expire in [
            "update message set expires_at = now()",
            "update due set expires_at = now(), at = case kind when 1 then now() else at end",
        ] {
            sqlx::query(expire).execute(&one.env.pool).await.expect("aged");
        }
        let worker = one.env.worker_with("roles.intake = false").await;
        let ended = one.env.all_are(1, "suppressed").await;
        assert_eq!(ended[0].reason.as_deref(), Some("expired"));
        assert_eq!(one.env.ledger.quarantined_messages(None, 10).await.expect("asked").len(), 0);
        assert!(one.env.simulator.calls().is_empty(), "held: {held}");
        one.env.nothing_left(worker).await;
    }
}

fn due_key(due: &ClaimedMessage) -> (MessageId, i32) {
    (due.message, due.epoch)
}

fn refused(due: &ClaimedMessage) -> Settlement {
    Settlement {
        message: due.message,
        epoch: due.epoch,
        attempt: 1,
        map: TransitionMap::new(Signal::Retry),
        outcome: OutcomeCode::Refused,
        code: None,
        reason: Some(Reason::RefusedForNow),
        provider_id: None,
        wait_secs: Some(3_600.0),
        counts_as_try: true,
        is_acceptance: false,
        block: None,
        receipt_wait_secs: None,
    }
}
