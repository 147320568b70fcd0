//! The database refuses every change of state that the transition table does not make.
//!
//! Tries every pair of states on a real row, so that the trigger's list cannot drift from the code.

use postrider_domain::lifecycle::{State, transition::state_changes};

use crate::support::TestEnv;

#[tokio::test(flavor = "multi_thread")]
async fn the_trigger_allows_just_the_transitions_of_the_table() {
    let env = TestEnv::new().await;
    let allowed = state_changes();
    let mut connection = env.pool.acquire().await.expect("connected");
    for old in State::ALL {
        for new in State::ALL.into_iter().filter(|new| *new != old) {
            sqlx::query("delete from message").execute(&mut *connection).await.expect("emptied");
            sqlx::query(
                "insert into message (id, request, company, state, first_due_at, expires_at, begun_at, reason)
                 values (gen_random_uuid(), gen_random_uuid(), 1, $1, now(), now(), now(), 'expired')",
            )
            .bind(old.code())
            .execute(&mut *connection)
            .await
            .expect("inserted");
            let moved =
                sqlx::query("update message set state = $1").bind(new.code()).execute(&mut *connection).await;
            assert_eq!(moved.is_ok(), allowed.contains(&(old, new)), "from {old:?} to {new:?}");
        }
    }
}
