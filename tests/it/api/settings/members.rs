//! Team members over the API: one by one, with ids that last.
//!
//! That a job needs a known, approved member is in `jobs`; here members change.

use reqwest::Method;
use serde_json::{Value, json};

use super::{audit, hand_in, world};
use crate::support::{TestEnv, api::Client, company, job};

const MEMBERS: &str = "/v1/members";

#[tokio::test(flavor = "multi_thread")]
async fn a_member_counts_from_the_next_job_on_and_every_change_is_on_record() {
    let (env, worker, client) = world().await;
    let mut about_lea = job::by_email("jane@example.com");
    about_lea["employee"] = json!({ "email": "LEA@blancapeak.com" });
    let refused = format!("{:?}", hand_in(&worker, &about_lea).await);
    assert!(refused.contains("unknown_employee"), "{refused}");
    let lea = json!({ "email": "lea@blancapeak.com", "name": "Lea" });
    let added = client.post(MEMBERS, &lea).await;
    assert_eq!((added.status, &added.json["role"]), (201, &json!("member")), "{}", added.text);
    let path = format!("{MEMBERS}/{}", added.json["id"].as_str().expect("an id"));
    assert_eq!(client.get(&path).await.json, added.json);
    let accepted = format!("{:?}", hand_in(&worker, &about_lea).await);
    assert!(accepted.contains("Accepted"), "{accepted}");

    let patched = client.call(Method::PATCH, &path, Some(&json!({ "approved": false, "name": null }))).await;
    assert_eq!((patched.status, &patched.json["approved"]), (200, &json!(false)), "{}", patched.text);
    assert_eq!((&patched.json["name"], &patched.json["email"]), (&Value::Null, &lea["email"]));
    let on_record = audit(&client).await;
    assert_eq!(on_record["changes"]["member.approved"], json!({ "before": true, "after": false }));
    assert_eq!(on_record["object"], json!(format!("member {}", added.json["id"].as_str().expect("an id"))));

    let put = client.call(Method::PUT, &path, Some(&json!({ "custom_id": "L1", "role": "leader" }))).await;
    assert_eq!((put.status, &put.json["email"], &put.json["approved"]), (200, &Value::Null, &json!(true)));
    assert_eq!(client.call(Method::DELETE, &path, None).await.status, 204);
    assert_eq!(audit(&client).await["action"], "member.remove");
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(client.call(method, &path, None).await.status, 404);
    }
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_members_are_never_one_and_every_problem_is_named() {
    let (env, worker, client) = world().await;
    for (body, field) in [
        (json!({ "email": "PaulAgent@blancapeak.com" }), "email"),
        (json!({ "custom_id": "ABC789" }), "custom_id"),
    ] {
        let answer = client.post(MEMBERS, &body).await;
        assert_eq!((answer.status, answer.fields()), (409, vec![field]), "{}", answer.text);
    }
    let bad = json!({ "email": "nobody", "role": "king", "approved": "yes", "colour": 1 });
    let answer = client.post(MEMBERS, &bad).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    for field in ["email", "role", "approved", "colour"] {
        assert!(answer.fields().contains(&field), "{field} is not in {}", answer.text);
    }
    assert_eq!(client.post(MEMBERS, &json!({})).await.status, 422);
    assert_eq!(all(&client, "").await.len(), 1);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_keep_their_ids_when_the_company_is_applied_anew() {
    let (env, worker, client) = world().await;
    let paul = all(&client, "").await.remove(0);
    let mut members = vec![company::paul(), company::paul()];
    members[0].email = Some("PAULAGENT@blancapeak.com".to_owned());
    members[0].custom_id = None;
    members[0].approved = false;
    members[1].email = None;
    members[1].custom_id = Some("new".to_owned());
    env.apply(&company::standard("blanca", env.providers()), &members).await;
    let found = all(&client, "&email=paulagent@blancapeak.com").await;
    assert_eq!((found.len(), &found[0]["id"], &found[0]["approved"]), (1, &paul["id"], &json!(false)));
    assert_eq!(all(&client, "&approved=true").await[0]["custom_id"], "new");
    let whole = client.get("/v1/company?members=true").await;
    assert_eq!(whole.header("etag"), "\"1.3\"", "no version of the policy for members alone");
    assert_eq!(whole.json["members"].as_array().map(Vec::len), Some(2));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_member_once_while_others_arrive() {
    let (env, worker, client) = world().await;
    for number in 0..6 {
        assert_eq!(client.post(MEMBERS, &json!({ "custom_id": format!("m{number}") })).await.status, 201);
    }
    let first = client.get(&format!("{MEMBERS}?limit=3")).await.json;
    client.post(MEMBERS, &json!({ "custom_id": "late" })).await;
    let mut seen = first["items"].as_array().expect("a list").clone();
    let mut next = first["next"].clone();
    while let Some(cursor) = next.as_str() {
        let page = client.get(&format!("{MEMBERS}?limit=3&cursor={cursor}")).await.json;
        seen.extend(page["items"].as_array().expect("a list").clone());
        next = page["next"].clone();
    }
    let ids: Vec<&Value> = seen.iter().map(|member| &member["custom_id"]).collect();
    assert_eq!(ids, ["m5", "m4", "m3", "m2", "m1", "m0", "ABC789"]);
    for query in ["limit=0", "limit=201", "limit=x", "cursor=x", "colour=red", "email=%00"] {
        let answer = client.get(&format!("{MEMBERS}?{query}")).await;
        assert_eq!((answer.status, answer.as_str()), (400, "bad_request"), "{query}: {}", answer.text);
    }
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_of_one_member_at_once_are_all_kept() {
    let (env, worker, client) = world().await;
    let path = format!("{MEMBERS}/{}", all(&client, "").await[0]["id"].as_str().expect("an id"));
    let parts = [json!({ "name": "P" }), json!({ "role": "admin" }), json!({ "approved": false })];
    let answers = futures_util::future::join_all(
        parts.iter().map(|body| client.call(Method::PATCH, &path, Some(body))),
    );
    assert!(answers.await.iter().all(|answer| answer.status == 200));
    let paul = client.get(&path).await.json;
    assert_eq!(
        (&paul["name"], &paul["role"], &paul["approved"]),
        (&json!("P"), &json!("admin"), &json!(false))
    );
    env.nothing_left(worker).await;
}

async fn all(client: &Client, filter: &str) -> Vec<Value> {
    let answer = client.get(&format!("{MEMBERS}?limit=200{filter}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json["items"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_the_same_name_stay_with_their_company() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    env.company("other", |_| {}).await;
    let worker = env.worker().await;
    let (blanca, other) = (env.client("blanca").await, env.client("other").await);
    let theirs = all(&other, "").await.remove(0);
    let path = format!("{MEMBERS}/{}", theirs["id"].as_str().expect("an id"));
    for (method, body) in [
        (Method::GET, None),
        (Method::PUT, Some(json!({ "custom_id": "mine" }))),
        (Method::PATCH, Some(json!({ "approved": false }))),
        (Method::DELETE, None),
    ] {
        assert_eq!(blanca.call(method, &path, body.as_ref()).await.status, 404);
    }
    assert_eq!(all(&other, "").await, [theirs]);
    assert_eq!(all(&blanca, "").await.len(), 1);
    env.nothing_left(worker).await;
}
