//! Blocked addresses over the API: manual blocks, blocks that customers asked for, and their lifting.
//!
//! Blocks by STOP, unsubscribe and bounces are in `receipts`; bulk is in `blocks_csv`.

use futures_util::future::join_all;
use postrider_domain::ids::{BlockKind, Medium};
use reqwest::Method;
use serde_json::{Value, json};

use super::{audit, count, hand_in, world};
use crate::support::{TestEnv, api::Client, job};

const BLOCKS: &str = "/v1/blocks";

async fn block(client: &Client, address: &str) -> Value {
    let answer = client.post(BLOCKS, &json!({ "address": address, "reason": "wrote to us" })).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json
}

fn path(block: &Value, query: &str) -> String {
    format!("{BLOCKS}/{}{query}", block["id"].as_str().expect("an id"))
}

/// As a customer's own wish would.
async fn opt_out(env: &TestEnv, address: &str, kind: BlockKind) {
    let company = env.ledger.company_id("blanca").await.expect("asked").expect("there");
    let addr = env.keys.identity.address_hash(company, Medium::Email, address);
    env.ledger.block_address(addr, company, Medium::Email, kind, "receipt").await.expect("blocked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_blocked_by_hand_is_not_asked_until_it_is_lifted() {
    let (env, worker, client) = world().await;
    let blocked = block(&client, "Jane@Example.com").await;
    assert_eq!(blocked["kinds"], json!(["blocked_by_hand"]));
    let on_record = audit(&client).await;
    assert_eq!((&on_record["action"], &on_record["reason"]), (&json!("block.add"), &json!("wrote to us")));
    assert!(!on_record.to_string().to_lowercase().contains("jane"), "{on_record}");
    hand_in(&worker, &job::by_email("jane@example.com")).await;
    assert_eq!(env.all_are(1, "suppressed").await[0].reason.as_deref(), Some("blocked_by_hand"));

    for address in ["jane@example.com", "JANE@example.COM"] {
        let found = client.get(&format!("{BLOCKS}?address={address}")).await;
        assert_eq!(found.json["items"], json!([blocked]), "{}", found.text);
    }
    assert_eq!(client.get(&format!("{BLOCKS}?address=joe@example.com")).await.json["items"], json!([]));
    let again = client.post(BLOCKS, &json!({ "address": "jane@example.com", "reason": "again" })).await;
    assert_eq!((again.status, &again.json["reason"]), (200, &json!("again")));

    assert_eq!(
        client.call(Method::DELETE, &path(&blocked, ""), None).await.status,
        400,
        "a reason is needed"
    );
    let lifted = client.call(Method::DELETE, &path(&blocked, "?reason=asked%20us"), None).await;
    assert_eq!((lifted.status, &lifted.json["left"]), (200, &json!([])), "{}", lifted.text);
    assert_eq!(audit(&client).await["reason"], "asked us");
    assert_eq!(count(&env, "block").await, 0, "the address is forgotten");
    assert_eq!(client.call(Method::DELETE, &path(&blocked, "?reason=again"), None).await.status, 404);
    let mut another = job::by_email("jane@example.com");
    another["ext_interaction_id"] = json!("another");
    hand_in(&worker, &another).await;
    crate::support::wait::until("the second is delivered", || async {
        env.standings().await.iter().any(|one| one.status == "delivered")
    })
    .await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_blocked_beside_a_customers_own_wish_is_on_record_beside_it() {
    let (env, worker, client) = world().await;
    opt_out(&env, "jane@example.com", BlockKind::Stop).await;
    let both = json!(["stop", "blocked_by_hand"]);
    assert_eq!(block(&client, "jane@example.com").await["kinds"], both);
    let first = audit(&client).await;
    assert_eq!(first["changes"]["kinds"], json!({ "before": ["stop"], "after": both }));
    let again = json!({ "address": "jane@example.com", "reason": "wrote to us" });
    assert_eq!(client.post(BLOCKS, &again).await.status, 200);
    assert_eq!(audit(&client).await, first, "nothing changed");
    let other = json!({ "address": "jane@example.com", "reason": "called us" });
    assert_eq!(client.post(BLOCKS, &other).await.status, 200);
    let second = audit(&client).await;
    assert_eq!(second["reason"], "called us");
    assert_eq!(second["changes"]["kinds"], json!({ "before": both, "after": both }));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_many_block_at_once_is_blocked_and_on_record_once() {
    let (env, worker, client) = world().await;
    let wish = json!({ "address": "jane@example.com", "reason": "wrote to us" });
    let answers = join_all((0..8).map(|_| client.post(BLOCKS, &wish))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 201]);
    let audits = client.get("/v1/audit?action=block.add").await.json["items"].clone();
    assert_eq!(audits.as_array().map(Vec::len), Some(1), "{audits}");
    assert_eq!(audits[0]["changes"]["kinds"], json!({ "before": [], "after": ["blocked_by_hand"] }));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_is_found_by_its_number_with_or_without_an_escaped_plus() {
    let (env, worker, client) = world().await;
    let blocked = block(&client, "+1 (415) 555-2671").await;
    assert_eq!((&blocked["medium"], &blocked["address"]), (&json!("sms"), &json!("+14155552671")));
    for number in ["%2B14155552671", "+14155552671"] {
        let found = client.get(&format!("{BLOCKS}?address={number}")).await;
        assert_eq!(found.json["items"], json!([blocked]), "{number}: {}", found.text);
    }
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_own_wish_is_lifted_only_with_an_explicit_statement() {
    let (env, worker, client) = world().await;
    opt_out(&env, "jane@example.com", BlockKind::Unsubscribed).await;
    opt_out(&env, "jane@example.com", BlockKind::HardBounced).await;
    let blocked = client.get(&format!("{BLOCKS}?kind=unsubscribed")).await.json["items"][0].clone();
    assert_eq!((&blocked["opt_out"], &blocked["address"]), (&json!(true), &Value::Null));
    let refused = client.call(Method::DELETE, &path(&blocked, "?reason=r"), None).await;
    assert_eq!((refused.status, refused.as_str()), (409, "conflict"), "{}", refused.text);
    let bounce = client.call(Method::DELETE, &path(&blocked, "?reason=r&kinds=hard_bounced"), None).await;
    assert_eq!(
        bounce.json,
        json!({ "lifted": ["hard_bounced"], "left": ["unsubscribed"] }),
        "{}",
        bounce.text
    );
    hand_in(&worker, &job::by_email("jane@example.com")).await;
    assert_eq!(env.all_are(1, "suppressed").await[0].reason.as_deref(), Some("unsubscribed"));
    let known =
        client.call(Method::DELETE, &path(&blocked, "?reason=r&acknowledge_opt_out=true"), None).await;
    assert_eq!((known.status, &known.json["left"]), (200, &json!([])), "{}", known.text);
    let on_record = audit(&client).await;
    assert_eq!(on_record["changes"]["kinds"], json!({ "before": ["unsubscribed"], "after": [] }));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_blocked_is_refused_by_field() {
    let (env, worker, client) = world().await;
    for (body, fields) in [
        (json!({ "address": "nobody", "reason": "" }), vec!["reason", "address"]),
        (json!({ "address": "a@b.example", "reason": "r", "medium": "fax" }), vec!["medium"]),
        (json!({ "address": "a@b.example", "reason": "r", "medium": "sms" }), vec!["address"]),
        (json!({ "address": "a@b.example", "reason": "x".repeat(501) }), vec!["reason"]),
        (json!({ "address": "a@b.example", "reason": "two\r\nlines" }), vec!["reason"]),
    ] {
        let answer = client.post(BLOCKS, &body).await;
        assert_eq!((answer.status, answer.fields()), (422, fields), "{body}: {}", answer.text);
    }
    for query in ["kind=stopped", "medium=fax", "address=nobody", "cursor=1", "cursor=-9223372036854775808.x"]
    {
        assert_eq!(client.get(&format!("{BLOCKS}?{query}")).await.status, 400, "{query}");
    }
    assert_eq!(count(&env, "block").await, 0);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_block_once_even_when_one_changes_meanwhile() {
    let (env, worker, client) = world().await;
    for number in 0..5 {
        block(&client, &format!("c{number}@example.com")).await;
    }
    let first = client.get(&format!("{BLOCKS}?limit=2")).await.json;
    opt_out(&env, "c0@example.com", BlockKind::Complained).await;
    let mut seen = first["items"].as_array().expect("a list").clone();
    let mut next = first["next"].clone();
    while let Some(cursor) = next.as_str() {
        let page = client.get(&format!("{BLOCKS}?limit=2&cursor={cursor}")).await.json;
        seen.extend(page["items"].as_array().expect("a list").clone());
        next = page["next"].clone();
    }
    let addresses: Vec<&str> = seen.iter().filter_map(|block| block["address"].as_str()).collect();
    let wanted: Vec<String> = (0..5).rev().map(|number| format!("c{number}@example.com")).collect();
    assert_eq!(addresses, wanted);
    assert_eq!(seen[4]["kinds"], json!(["complained", "blocked_by_hand"]));
    env.nothing_left(worker).await;
}
