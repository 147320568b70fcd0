//! The ledger's invariants between its tables, asked in one statement each: nothing may be stuck.
//!
//! A message that is to move must be found by a claim (due row), by the sweeper (lease, or a row to be
//! checked), or by an operator (paused). The invariants hold at every moment, also under load.

use postrider_ledger::{Ledger, requests::ActionOrigin};

use super::{TestEnv, sql::with_states, wait};

/// Name of each forbidden condition, and the query that finds it.
pub const BREACHES: &[(&str, &str)] = &[
    (
        "waits and is neither due, nor leased, nor paused",
        "select m.id from message m where m.state = {Waiting} and m.paused_at is null
            and not exists (select 1 from due d where d.message = m.id and d.kind in (0, 2))
            and not exists (select 1 from lease l, unnest(l.messages, l.epochs) e(id, epoch)
                where e.id = m.id and e.epoch = m.epoch)",
    ),
    (
        "is paused and its expiry is not watched",
        "select m.id from message m where m.state = {Waiting} and m.paused_at is not null
            and not exists (select 1 from due d where d.message = m.id and d.kind = 1)",
    ),
    (
        "is a suspect in the ordinary line, or no suspect in theirs",
        "select m.id from message m join due d on d.message = m.id
            where m.state = {Waiting} and d.kind in (0, 2) and (d.kind = 2) <> (m.lease_expiries >= 2)",
    ),
    (
        "is quarantined, and not both held and written down",
        "select m.id from message m left join quarantine q on q.message = m.id and q.released_at is null
            where m.state = {Waiting} and (m.reason = 'quarantined') and (m.paused_at is null or q.message is null)",
    ),
    (
        "is being sent under no lease",
        "select m.id from message m where m.state = {Sending}
            and not exists (select 1 from lease l, unnest(l.messages, l.epochs) e(id, epoch)
                where e.id = m.id and e.epoch = m.epoch)",
    ),
    (
        "is unknown and its window is not watched",
        "select m.id from message m where m.state = {Unknown}
            and not exists (select 1 from due d where d.message = m.id and d.kind = 3)",
    ),
    (
        "holds a person and never asked them",
        "select m.id from message m join reservation c on c.request = m.request
            where m.state in ({PresumedFailed}, {Failed}, {Suppressed}, {Canceled}) and not m.may_have_been_sent",
    ),
    (
        "would restore a reservation of a request that was never sent",
        "select m.id from message m join reservation c on c.prior_request = m.request
            where m.state in ({PresumedFailed}, {Failed}, {Suppressed}, {Canceled}) and not m.may_have_been_sent",
    ),
    (
        "may have asked a person without a reservation",
        "select m.id from message m, unnest(m.reservation_keys) s(key) where m.may_have_been_sent
            and not exists (select 1 from reservation c where c.key = s.key)",
    ),
];

impl TestEnv {
    /// Fails unless a row that the ledger writes is visible to other connections: no transaction may be left
    /// open.
    pub async fn writes_visibly(&self, ledger: &Ledger) {
        let request = postrider_clock::random_id();
        ledger.answer(request, ActionOrigin::PROGRAM).await.expect("written");
        let (seen,): (i64,) = sqlx::query_as("select count(*) from answer where request = $1")
            .bind(request)
            .fetch_one(&self.pool)
            .await
            .expect("asked");
        assert_eq!(seen, 1, "a written row is visible to other connections");
    }

    /// Waits until no message that has left the queue has a due row. A receipt that meets a settle in the same
    /// instant leaves one behind; the next claim drops it.
    pub async fn nothing_due(&self) {
        wait::until("nothing is due any more", || async {
            let (left,): (i64,) = sqlx::query_as(with_states(
                "select count(*) from message m join due d on d.message = m.id
                where m.state not in ({Waiting}, {Sending}, {Unknown})",
            ))
            .fetch_one(&self.pool)
            .await
            .expect("the ledger answers");
            left == 0
        })
        .await;
    }

    /// Waits until a statement waits for another transaction's lock.
    pub async fn lock_is_awaited(&self, what: &str) {
        let waiting = "select count(*) from pg_stat_activity where datname = current_database()
            and wait_event_type = 'Lock'";
        wait::until(what, || async {
            let (waiting,): (i64,) =
                sqlx::query_as(waiting).fetch_one(&self.pool).await.expect("the database answers");
            waiting > 0
        })
        .await;
    }

    /// Fails on the first breach, naming the messages.
    pub async fn nothing_stuck(&self) {
        for (what, query) in BREACHES {
            let found: Vec<(uuid::Uuid,)> =
                sqlx::query_as(with_states(query)).fetch_all(&self.pool).await.expect("the ledger answers");
            assert!(found.is_empty(), "{} messages: each {what}: {found:?}", found.len());
        }
    }
}
