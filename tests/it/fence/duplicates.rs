//! The fence of begin against claims that are too late: of this worker itself, too.
//!
//! Found by a fault: while a database does not answer, claims wait for their begin past their leases, are
//! swept, claimed again, and meet their successors. Read `races` for the fences against other workers.

use std::sync::Arc;

use postrider::dispatch::{Claim, Lane, LeaseShare, begin, compose, lane::ReadyCall, settle};
use postrider::must_settle::MustSettle;
use postrider_clock::{monotonic, random_id};
use postrider_domain::ids::{Medium, MessageId};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use uuid::Uuid;

use crate::{
    races::shared,
    support::{TestEnv, job, wait},
};

/// A claim of a message under an epoch.
fn claim(message: Uuid, epoch: i32) -> Claim {
    Claim {
        message: MessageId(message),
        request: message,
        medium: Medium::Sms,
        epoch,
        attempt: 0,
        tries: 0,
        due_at: chrono::DateTime::UNIX_EPOCH,
        first_due_at: chrono::DateTime::UNIX_EPOCH,
        claimed_at: chrono::DateTime::UNIX_EPOCH,
        lease_start: monotonic(),
        lease: LeaseShare::new(random_id(), 1),
        suspect: None,
        test: false,
        address: job::phone(0),
        customer_name: None,
        brand: "blanca".to_owned(),
        language: None,
        letter: None,
        must_settle: MustSettle::new("claim"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_claims_of_one_message_in_one_batch_only_the_later_is_called() {
    for epochs in [[1, 3], [3, 1]] {
        let env = TestEnv::new().await;
        env.company("blanca", |_| {}).await;
        let intake = env.worker_with("roles.dispatch = false").await;
        let mut delayed = job::numbered(0);
        delayed["delay_secs"] = json!(3_600);
        env.publish(&delayed).await;
        let id = env.all_are(1, "queued").await[0].id;
        // As if it had been claimed, its lease had run out, and it had been claimed again.
        for statement in ["update message set epoch = 3", "delete from due"] {
            sqlx::query(statement).execute(&env.pool).await.expect("done");
        }
        let lanes_of = env.worker_with("roles.intake = false\nroles.web = false").await;
        let lanes = lanes_of.acceptor.as_ref().and_then(|acceptor| acceptor.fast_path.lanes.clone());
        let lanes = lanes.expect("it dispatches");
        let lane: Arc<Lane> =
            lanes.all().values().find(|lane| lane.settings.provider() == "twilio").cloned().expect("a lane");
        let shared = shared(&env);
        let slots = Arc::new(Semaphore::new(2));
        let (ready, batch) = mpsc::channel(2);
        for claim in epochs.map(|epoch| claim(id, epoch)) {
            let outgoing = compose::outgoing_guarded(&shared, &lane, &claim);
            let slot = Arc::clone(&slots).acquire_owned().await.expect("a slot");
            let item = ReadyCall { claim, lane: Arc::clone(&lane), outgoing, slot, exclusive: None };
            assert!(ready.send(item).await.is_ok(), "there is room");
        }
        drop(ready);
        let (done, outcomes) = mpsc::channel(2);
        let settling = tokio::spawn(settle::run(Arc::clone(&shared), outcomes));
        begin::run(shared, batch, done).await;
        settling.await.expect("settling ends");
        wait::until("it is sent", || async { env.standings().await[0].status != "queued" }).await;
        assert_eq!(env.simulator.calls().len(), 1, "{epochs:?}: called once");
        drop((lane, lanes));
        assert!(lanes_of.stop().await && intake.stop().await);
    }
}
