//! The plans of the hot statements: key look-ups only, on an empty database and on a large one.
//!
//! Plans made on an empty table stick (facts: factors of 3 to 100), so the shapes are fixed here, under
//! the same connection options that workers use.

use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::support::TestEnv;

const HOT: &[(&str, &str)] = &[
    ("gather", include_str!("../../crates/ledger/src/sql/gather.sql")),
    ("accept", include_str!("../../crates/ledger/src/sql/accept.sql")),
    ("begin", include_str!("../../crates/ledger/src/sql/begin.sql")),
    ("fence_facts", include_str!("../../crates/ledger/src/sql/fence_facts.sql")),
    ("settle", include_str!("../../crates/ledger/src/sql/settle.sql")),
    ("receive", include_str!("../../crates/ledger/src/sql/receive.sql")),
    ("claim", include_str!("../../crates/ledger/src/sql/claim.sql")),
    ("claim_suspect", include_str!("../../crates/ledger/src/sql/claim_suspect.sql")),
    ("start_message_trial", include_str!("../../crates/ledger/src/sql/start_message_trial.sql")),
    ("start_job_trial", include_str!("../../crates/ledger/src/sql/start_job_trial.sql")),
    ("oldest_due", include_str!("../../crates/ledger/src/sql/oldest_due.sql")),
    ("release", include_str!("../../crates/ledger/src/sql/release.sql")),
    ("conclude", include_str!("../../crates/ledger/src/sql/conclude.sql")),
    ("sweep", include_str!("../../crates/ledger/src/sql/sweep.sql")),
    ("drop_leases", include_str!("../../crates/ledger/src/sql/drop_leases.sql")),
    ("drop_due", include_str!("../../crates/ledger/src/sql/drop_due.sql")),
    ("withdraw_notification", include_str!("../../crates/ledger/src/sql/withdraw_notification.sql")),
    ("expired", include_str!("../../crates/ledger/src/sql/expired.sql")),
    ("take_status_polls", include_str!("../../crates/ledger/src/sql/take_status_polls.sql")),
    ("postpone_status_polls", include_str!("../../crates/ledger/src/sql/postpone_status_polls.sql")),
    ("resend", include_str!("../../crates/ledger/src/sql/resend.sql")),
    ("take_receipt_polls", include_str!("../../crates/ledger/src/sql/take_receipt_polls.sql")),
    ("postpone_receipt_polls", include_str!("../../crates/ledger/src/sql/postpone_receipt_polls.sql")),
    ("awaiting_receipt", include_str!("../../crates/ledger/src/sql/awaiting_receipt.sql")),
    ("awaited_keys", include_str!("../../crates/ledger/src/sql/awaited_keys.sql")),
    ("complete", include_str!("../../crates/ledger/src/sql/complete.sql")),
    ("respond", include_str!("../../crates/ledger/src/sql/respond.sql")),
    ("awaited_due", include_str!("../../crates/ledger/src/sql/awaited_due.sql")),
    ("answered_waiting", include_str!("../../crates/ledger/src/sql/answered_waiting.sql")),
    ("duplicates", include_str!("../../crates/ledger/src/sql/duplicates.sql")),
    ("known_customers", include_str!("../../crates/ledger/src/sql/known_customers.sql")),
    ("recognise", include_str!("../../crates/ledger/src/sql/recognise.sql")),
    ("insert_notification", include_str!("../../crates/ledger/src/sql/insert_notification.sql")),
    ("take_notifications", include_str!("../../crates/ledger/src/sql/take_notifications.sql")),
    ("merge_interaction", include_str!("../../crates/ledger/src/sql/merge_interaction.sql")),
];

/// Often empty when they are analysed, and then a scan of them looks like nothing, however long they become.
const COMES_AND_GOES: [&str; 6] = ["due", "lease", "receipt_poll", "awaited", "notification", "trial_record"];

/// As `startup::pool` sets them for hot pools.
const OPTIONS: &str = "set plan_cache_mode = force_generic_plan; set enable_seqscan = off;
    set enable_bitmapscan = off; set enable_mergejoin = off; set jit = off";

fn parameters(sql: &str) -> usize {
    let numbers = sql.split('$').skip(1).filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    });
    numbers.max().unwrap_or(0)
}

async fn plan(connection: &mut PgConnection, name: &str, sql: &str) -> Value {
    let prepare = format!("prepare {name} as {sql}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(prepare))
        .execute(&mut *connection)
        .await
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    let nulls = vec!["null"; parameters(sql)].join(", ");
    let explain = format!("explain (format json) execute {name}({nulls})");
    let row =
        sqlx::raw_sql(sqlx::AssertSqlSafe(explain)).fetch_one(&mut *connection).await.expect("explained");
    sqlx::Row::get::<Value, _>(&row, 0)
}

/// Every node that reads a table otherwise than by a key.
fn offences(node: &Value, found: &mut Vec<String>) {
    match node {
        Value::Object(fields) => {
            let kind = fields.get("Node Type").and_then(Value::as_str).unwrap_or_default();
            let table = fields.get("Relation Name").and_then(Value::as_str).unwrap_or_default();
            let by_key = fields.contains_key("Index Cond");
            if matches!(kind, "Seq Scan" | "Bitmap Heap Scan") || (kind.starts_with("Index") && !by_key) {
                found.push(format!("{kind} on {table}"));
            }
            for value in fields.values() {
                offences(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| offences(item, found)),
        _ => {}
    }
}

async fn assert_key_look_ups(env: &TestEnv, when: &str) {
    let mut connection = PgConnection::connect(&env.database_url).await.expect("connected");
    sqlx::raw_sql(OPTIONS).execute(&mut connection).await.expect("set");
    let mut offenders = Vec::new();
    for (name, sql) in HOT {
        let mut found = Vec::new();
        offences(&plan(&mut connection, name, sql).await, &mut found);
        if !found.is_empty() {
            offenders.push(format!("{name}: {found:?}"));
        }
    }
    assert!(offenders.is_empty(), "on {when}: {}", offenders.join("; "));
}

#[tokio::test(flavor = "multi_thread")]
async fn hot_statements_are_key_look_ups_on_an_empty_and_on_a_large_database() {
    let env = TestEnv::new().await;
    assert_key_look_ups(&env, "an empty database").await;
    let analyze = format!("analyze {}", COMES_AND_GOES.join(", "));
    sqlx::raw_sql(sqlx::AssertSqlSafe(analyze)).execute(&env.pool).await.expect("analysed");
    assert_key_look_ups(&env, "tables that were analysed empty").await;
    let fill = "
        insert into request (id, company, idempotency_hash, key_is_derived, content_hash, source, test, policy_version, channel, brand, decision)
            select gen_random_uuid(), 1, gen_random_uuid(), false, gen_random_uuid(), 0, false, 1, 'phone', 'b', '{}'
            from generate_series(1, 30000);
        insert into message (id, request, company, account, medium, address_hash, state, first_due_at, expires_at)
            select id, id, 1, 1, 1, gen_random_uuid(), 0, now(), now() from request;
        insert into reservation (key, request, asked_at, window_secs) select gen_random_uuid(), id, now(), 1 from request;
        insert into due (message, kind, lane, at, expires_at) select id, 0, 1, now() + interval '1 day', now() + interval '2 days' from request;
        insert into block (address_hash, company, medium, kinds, source) select gen_random_uuid(), 1, 1, 1, 'x' from generate_series(1, 5000);
        insert into receipt (key, content, account, kind) select gen_random_uuid(), 'x', 1, 'delivered' from generate_series(1, 30000);
        insert into due (message, kind, lane, at, expires_at) select gen_random_uuid(), 3, 1, now() + interval '1 day', now() + interval '2 days' from generate_series(1, 5000);
        insert into notification (key, company, connector, name, due_at) select gen_random_uuid(), 1, 'r', 'n', now() + interval '1 day' from generate_series(1, 5000);
        insert into interaction (key, company, facts, version) select gen_random_uuid(), 1, '{}', 1 from generate_series(1, 5000);
        insert into company (slug, version) values ('c', 1);
        insert into customers (id, company) select gen_random_uuid(), (select id from company) from generate_series(1, 5000);
        insert into identities (key, customer, kind) select gen_random_uuid(), id, 0 from customers;
        insert into receipt_poll (id, account, at, messages) select gen_random_uuid(), 1, now() + interval '1 day', '{}' from generate_series(1, 5000);
        insert into answer (request, source) select id, 'x' from request;
        insert into response (id, key, content_hash, company, test, source, response_id, request, awaited_key, answered_at)
            select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, false, 'x', 'r', gen_random_uuid(), gen_random_uuid(), now() from generate_series(1, 5000);
        insert into awaited (key, response, check_at, until) select gen_random_uuid(), id, now() + interval '1 day', now() + interval '2 days' from response;
        insert into lease (id, worker, until, messages, epochs) select gen_random_uuid(), gen_random_uuid(), now(), '{}', '{}' from generate_series(1, 1000);
        analyze";
    for statement in fill.split(';') {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&env.pool).await.expect("filled");
    }
    assert_key_look_ups(&env, "a large database").await;
}
