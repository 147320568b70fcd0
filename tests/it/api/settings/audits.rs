//! Audits: each change of a setting, by each way in, is on record, and only together with the change.
//!
//! The content of an audit is asserted beside the change itself.

use reqwest::Method;
use serde_json::{Value, json};

use super::{audit, count, send, world};
use crate::support::{company, process};

#[tokio::test(flavor = "multi_thread")]
async fn a_company_applied_at_the_command_line_is_on_record_with_actor_and_change() {
    let (env, worker, client) = world().await;
    let mut policy = company::standard("blanca", env.providers());
    policy.suppression_days = 60;
    let file = std::env::temp_dir().join(format!("{}.toml", env.amqp_name));
    let document = postrider_domain::company::json::document(&policy, Some(&[company::paul()]));
    let text = toml::to_string(&document).expect("a document is TOML too");
    std::fs::write(&file, text).expect("the file is written");
    let path = file.to_str().expect("a path of letters");
    let applied = process::tell(&env, &["company", "apply", path], &[("SUDO_USER", "olga")]).await;
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    std::fs::remove_file(&file).expect("the file was there");
    let on_record = audit(&client).await;
    assert_eq!(on_record["who"], json!({ "through": "cli", "name": "olga" }));
    assert_eq!(on_record["changes"], json!({ "suppression_days": { "before": 30, "after": 60 } }));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_cannot_be_put_on_record_is_not_made() {
    let (env, worker, client) = world().await;
    let block = json!({ "address": "a@b.example", "reason": "r" });
    assert_eq!(client.post("/v1/blocks", &block).await.status, 201);
    let listed = client.get("/v1/blocks").await.json["items"][0]["id"].as_str().expect("an id").to_owned();
    let members = client.get("/v1/members").await.json;
    let company = client.get("/v1/company").await;
    sqlx::raw_sql("alter table audit add check (at < '2000-01-01') not valid")
        .execute(&env.pool)
        .await
        .expect("audits fail from now on");
    let member = json!({ "custom_id": "m" });
    let other = json!({ "address": "c@d.example", "reason": "r" });
    let lift = format!("/v1/blocks/{listed}?reason=r");
    assert_eq!(client.post("/v1/members", &member).await.status, 503);
    assert_eq!(client.post("/v1/blocks", &other).await.status, 503);
    assert_eq!(client.call(Method::DELETE, &lift, None).await.status, 503);
    assert_eq!(send(&client, Method::PATCH, "*", &json!({ "delay_secs": 7 })).await.status, 503);
    assert_eq!(client.get("/v1/members").await.json, members);
    assert_eq!(client.get("/v1/company").await.json, company.json);
    assert_eq!(client.get("/v1/blocks").await.json["items"].as_array().map(Vec::len), Some(1));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn audits_are_found_by_what_they_are_about_the_newest_first() {
    let (env, worker, client) = world().await;
    for number in 0..3 {
        client.post("/v1/members", &json!({ "custom_id": format!("m{number}") })).await;
    }
    let of = async |query: &str| -> Vec<Value> {
        let answer = client.get(&format!("/v1/audit?{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json["items"].as_array().expect("a list").clone()
    };
    let added = of("action=member.add").await;
    let names: Vec<&Value> =
        added.iter().map(|one| &one["changes"]["member"]["after"]["custom_id"]).collect();
    assert_eq!(names, ["m2", "m1", "m0"]);
    let object = added[1]["object"].as_str().expect("an object").replace(' ', "%20");
    assert_eq!(of(&format!("object={object}")).await, [added[1].clone()]);
    let first = client.get("/v1/audit?limit=3").await.json;
    let rest = of(&format!("cursor={}", first["next"].as_str().expect("there is more"))).await;
    assert_eq!(rest.len() + 3, usize::try_from(count(&env, "audit").await).expect("a count"));
    env.nothing_left(worker).await;
}
