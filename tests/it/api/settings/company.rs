//! The company over the API: whole, in parts, by two editors, and within its own bounds.
//!
//! The meaning of each field of the company is tested beside `company::file`.

use reqwest::Method;
use serde_json::{Value, json};

use super::{audit, count, hand_in, send, world};
use crate::support::{TestEnv, api::Client, job};

const COMPANY: &str = "/v1/company";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_got_can_be_put_back_and_changes_nothing() {
    let (env, worker, client) = world().await;
    let audits = count(&env, "audit").await;
    for path in [COMPANY, "/v1/company?members=true"] {
        let got = client.get(path).await;
        assert_eq!(got.status, 200, "{}", got.text);
        let put = send(&client, Method::PUT, got.header("etag"), &got.json).await;
        assert_eq!(put.status, 200, "{}", put.text);
        assert_eq!(put.json, got.json, "{path}");
        assert_eq!(put.header("etag"), got.header("etag"));
    }
    assert_eq!(
        client.get(COMPANY).await.json["members"],
        Value::Null,
        "members only where they are asked for"
    );
    assert_eq!((count(&env, "audit").await, count(&env, "policy").await), (audits, 1));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_changes_its_part_for_the_next_job_and_keeps_the_version_before() {
    let (env, worker, client) = world().await;
    let changed = send(&client, Method::PATCH, "\"1\"", &json!({ "channels": [{ "name": "fax" }] })).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""), "{}", changed.text);
    let refused = format!("{:?}", hand_in(&worker, &job::by_email("jane@example.com")).await);
    assert!(refused.contains("unknown_channel"), "{refused}");
    let (before,): (Value,) = sqlx::query_as("select document->'channels' from policy where version = 1")
        .fetch_one(&env.pool)
        .await
        .expect("the first version stays");
    assert_eq!(before.as_array().map(Vec::len), Some(3));
    let audit = audit(&client).await;
    assert_eq!((&audit["action"], &audit["who"]["name"]), (&json!("company.change"), &json!("a test")));
    assert_eq!(audit["changes"]["channels[fax]"]["after"]["name"], "fax");
    assert_eq!(audit["changes"]["channels[phone]"]["before"]["name"], "phone");
    let whole = client.get("/v1/company?members=true").await;
    let members = send(&client, Method::PATCH, whole.header("etag"), &json!({ "members": [] })).await;
    assert_eq!((members.status, members.header("etag")), (200, "\"2.3\""), "{}", members.text);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_editors_that_started_from_the_same_only_one_writes() {
    let (env, worker, client) = world().await;
    let days = |days: i32| json!({ "suppression_days": days });
    let changes: Vec<Value> = (40..48).map(days).collect();
    let answers = futures_util::future::join_all(
        changes.iter().map(|body| send(&client, Method::PATCH, "\"1\"", body)),
    );
    let statuses: Vec<u16> = answers.await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 7, "{statuses:?}");
    let whole = client.get(COMPANY).await;
    let late = send(&client, Method::PUT, "\"1\"", &whole.json).await;
    assert_eq!((late.status, late.as_str()), (412, "overtaken"), "{}", late.text);
    let body = days(50).to_string().into_bytes();
    let silent = client.raw(Method::PATCH, COMPANY, &[("content-type", "application/json")], body).await;
    assert_eq!((silent.status, silent.as_str()), (428, "if_match_missing"));
    assert_eq!(send(&client, Method::PATCH, "2", &days(50)).await.status, 400);
    let unseen = send(&client, Method::PATCH, "\"2\"", &json!({ "members": [] })).await;
    assert_eq!(unseen.status, 412, "members are replaced only by a caller that saw them: {}", unseen.text);
    assert_eq!(count(&env, "policy").await, 2);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_of_different_parts_at_once_are_all_kept() {
    let (env, worker, client) = world().await;
    let parts = [
        json!({ "suppression_days": 9 }),
        json!({ "delay_secs": 8 }),
        json!({ "name": "Peak" }),
        json!({ "expires_after_secs": 90_000 }),
        json!({ "require_approved": true }),
        json!({ "admin_may_request_on_behalf": true }),
        json!({ "resend_if_absent": true }),
        json!({ "test_email": "tests@blancapeak.com" }),
        json!({ "test_phone": "+14155550199" }),
        json!({ "medium_preference": ["sms"] }),
        json!({ "suppression_scope": "brand" }),
        json!({ "alerts": { "emails": ["ops@blancapeak.com"] } }),
    ];
    let answers =
        futures_util::future::join_all(parts.iter().map(|body| send(&client, Method::PATCH, "*", body)))
            .await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let company = client.get(COMPANY).await.json;
    for part in &parts {
        for (name, value) in part.as_object().expect("an object") {
            let kept = if name == "alerts" { &company[name]["emails"] } else { &company[name] };
            let wanted = if name == "alerts" { &value["emails"] } else { value };
            assert_eq!(kept, wanted, "{name}");
        }
    }
    assert!(count(&env, "policy").await > 10, "each that changed something is a version");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_document_without_members_or_with_null_leaves_them_alone() {
    let (env, worker, client) = world().await;
    let mut whole = client.get(COMPANY).await.json;
    whole["members"] = Value::Null;
    whole["suppression_days"] = json!(9);
    let put = send(&client, Method::PUT, "*", &whole).await;
    assert_eq!((put.status, &put.json["suppression_days"]), (200, &json!(9)), "{}", put.text);
    assert_eq!(count(&env, "member").await, 1);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_changes_meanwhile_is_not_put_back_by_an_editor() {
    let (env, worker, client) = world().await;
    let whole = client.get(COMPANY).await.json;
    let mut operator = env.pool.begin().await.expect("begun");
    let mut change = async |statement: &'static str| {
        sqlx::query(statement).execute(&mut *operator).await.expect("done");
    };
    change("update company set version = 2 where slug = 'blanca'").await;
    change(
        "insert into policy (company, version, document)
         select company, 2, jsonb_set(document, '{bindings}', '[{\"user\": \"crm\", \"test\": false}]')
         from policy",
    )
    .await;
    let editor = client.clone();
    let put = tokio::spawn(async move { send(&editor, Method::PUT, "*", &whole).await });
    env.lock_is_awaited("the editor waits for the operator").await;
    operator.commit().await.expect("committed");
    let answer = put.await.expect("answered");
    assert_eq!((answer.status, answer.fields()), (422, vec!["bindings"]), "{}", answer.text);
    assert_eq!(client.get(COMPANY).await.json["bindings"][0]["user"], "crm");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_of_a_change_is_named_by_its_path_and_nothing_is_changed() {
    let (env, worker, client) = world().await;
    let bad = json!({ "suppression_days": -1, "default_brand": "nobody", "colour": "red", "brands": [{}] });
    let mut whole = client.get(COMPANY).await.json;
    for (name, value) in bad.as_object().expect("an object") {
        whole[name] = value.clone();
    }
    for (method, body) in [(Method::PATCH, &bad), (Method::PUT, &whole)] {
        let answer = send(&client, method, "*", body).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        for field in
            ["suppression_days", "default_brand", "colour", "brands[0].label", "brands[0].survey_url"]
        {
            assert!(answer.fields().contains(&field), "{field} is not in {}", answer.text);
        }
    }
    for body in
        ["", "[]", "{", "{\"name\": \"a\", \"name\": \"b\"}", "{\"name\": \"\\u0000\"}", "\"\\ud800\""]
    {
        let headers = [("content-type", "application/merge-patch+json"), ("if-match", "*")];
        let answer = client.raw(Method::PATCH, COMPANY, &headers, body.as_bytes().to_vec()).await;
        assert!(matches!(answer.status, 400 | 422), "{body}: {}", answer.text);
    }
    assert_eq!((count(&env, "policy").await, count(&env, "audit").await), (1, 1));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_points_a_secret_elsewhere_or_speaks_for_others() {
    let (env, worker, client) = world().await;
    env.company("other", |_| {}).await;
    let company = client.get(COMPANY).await.json;
    let accounts = |change: fn(&mut Value)| {
        let mut accounts = company["accounts"].clone();
        change(&mut accounts[1]);
        json!({ "accounts": accounts })
    };
    for (patch, field) in [
        (accounts(|account| account["base_url"] = json!("https://collect.example")), "accounts[1].base_url"),
        (accounts(|account| account["api_key_env"] = json!("POSTRIDER_SECRET")), "accounts[1].api_key_env"),
        (accounts(|account| account["id"] = json!("mine")), "accounts[1]"),
        (json!({ "bindings": [{ "user": "guest" }] }), "bindings"),
        (json!({ "slug": "other" }), "slug"),
    ] {
        let answer = send(&client, Method::PATCH, "*", &patch).await;
        assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{}", answer.text);
        assert_eq!(answer.json["problems"][0]["code"], "operators_only");
    }
    let tuned = accounts(|account| account["rate_per_sec"] = json!(7));
    let answer = send(&client, Method::PATCH, "*", &tuned).await;
    assert_eq!(
        (answer.status, &answer.json["accounts"][1]["rate_per_sec"]),
        (200, &json!(7)),
        "{}",
        answer.text
    );
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_told_as_set_or_unset_and_never_shown() {
    let env = TestEnv::new().await;
    env.company("blanca", |policy| {
        let postrider_domain::company::ProviderSettings::Mailgun { signing_key_env, .. } =
            &mut policy.accounts[1].settings
        else {
            panic!("the second account is Mailgun's")
        };
        *signing_key_env = "POSTRIDER_NEVER_SET".to_owned();
    })
    .await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let told = client.get("/v1/company/secrets").await;
    let set = |field: &str| {
        let items = told.json["items"].as_array().expect("a list");
        items.iter().find(|item| item["field"] == field).map(|item| item["set"].clone())
    };
    assert_eq!(set("accounts[blanca-mailgun].signing_key_env"), Some(json!(false)), "{}", told.text);
    assert_eq!(set("accounts[blanca-mailgun].api_key_env"), Some(json!(true)), "{}", told.text);
    let secret = std::env::var("POSTRIDER_SIMULATED_MAILGUN").expect("the tests set it");
    for path in ["/v1/company/secrets", "/v1/company?members=true", "/v1/audit"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text.contains(&secret), "{path} shows a secret");
    }
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_queued_messages_need_is_taken_away_only_by_force() {
    let (env, worker, client) = world().await;
    let mut waiting = job::by_email("jane@example.com");
    waiting["delay_secs"] = json!(3_600);
    hand_in(&worker, &waiting).await;
    let company = client.get(COMPANY).await.json;
    let patch = json!({ "brands": [company["brands"][1]], "default_brand": "blancagold" });
    let refused = send(&client, Method::PATCH, "*", &patch).await;
    assert_eq!((refused.status, refused.as_str()), (409, "conflict"), "{}", refused.text);
    assert!(refused.json["detail"].as_str().expect("text").contains("brand blanca"), "{}", refused.text);
    let forced = forced(&client, &patch).await;
    assert_eq!(forced, 200);
    env.nothing_left(worker).await;
}

async fn forced(client: &Client, patch: &Value) -> u16 {
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    let body = patch.to_string().into_bytes();
    client.raw(Method::PATCH, "/v1/company?force=true", &headers, body).await.status
}
