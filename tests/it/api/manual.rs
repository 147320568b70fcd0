//! Requests that a named person makes, overrides, and previews that leave no trace.
//!
//! The permissions themselves are tested in `rules`; here members, keys and companies are real, and the
//! simulated providers show the sent messages.

use postrider::api::Scope;
use postrider_domain::{
    company::{Member, Role},
    ids::MessageId,
};
use serde_json::{Value, json};

use crate::support::{
    TestEnv,
    api::{ApiResponse, Client},
    company, job, wait,
};

const REQUESTS: &str = "/v1/requests";
const PREVIEW: &str = "/v1/requests/preview";

fn for_jane(more: Value) -> Value {
    job::with(job::to(json!({ "name": "Jane", "email": "janecustomer@example.com" })), more)
}

fn listed(email: &str, role: Role) -> Member {
    Member { email: Some(email.to_owned()), custom_id: None, name: None, role, approved: true }
}

fn codes(answer: &ApiResponse) -> Vec<String> {
    let problems = answer.json["problems"].as_array().into_iter().flatten();
    problems
        .map(|one| format!("{} {}", one["field"].as_str().unwrap_or(""), one["code"].as_str().unwrap_or("")))
        .collect()
}

async fn refused(client: &Client, job: &Value) -> Vec<String> {
    let answer = client.post(REQUESTS, job).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    codes(&answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_asks_only_through_a_channel_that_is_on_for_people() {
    let env = TestEnv::new().await;
    env.company("blanca", |policy| {
        policy.channels[0].manual = false;
        policy.channels[1].automatic = false;
    })
    .await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let ann = json!({ "requested_by": "Ann Smith" });
    assert_eq!(refused(&client, &for_jane(ann.clone())).await, ["channel channel_off"]);
    assert_eq!(refused(&client, &for_jane(json!({ "channel": "chat" }))).await, ["channel channel_off"]);
    let mut by_hand = for_jane(ann);
    by_hand["channel"] = json!("chat");
    assert_eq!(client.post(REQUESTS, &by_hand).await.status, 202);
    let standing = &env.all_are(1, "delivered").await[0];
    let shown = env.ledger.request(standing.id).await.expect("asked").expect("it is there");
    assert_eq!(shown.job.manual.expect("a person asked").requested_by, "Ann Smith");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_asks_on_behalf_of_a_member_where_the_company_allows_it() {
    let env = TestEnv::new().await;
    let members = [
        company::paul(),
        listed("boss@blancapeak.com", Role::Admin),
        listed("lead@blancapeak.com", Role::Leader),
        listed("eve@blancapeak.com", Role::Member),
    ];
    let mut policy = company::standard("blanca", env.providers());
    env.apply(&policy, &members).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let by = |who: &str| for_jane(json!({ "requested_by": who, "delay_secs": 60, "idempotency_key": who }));
    let no = ["requested_by on_behalf_not_allowed"];
    assert_eq!(refused(&client, &by("Boss@BlancaPeak.com")).await, no, "known by the team's list");
    assert_eq!(refused(&client, &by("eve@blancapeak.com")).await, no, "not her interaction");
    let mut stated = by("Bea");
    stated["requested_by_role"] = json!("company_admin");
    assert_eq!(refused(&client, &stated).await, no, "known by the caller's word");
    for who in ["paulagent@blancapeak.com", "lead@blancapeak.com", "Somebody"] {
        assert_eq!(client.post(PREVIEW, &by(who)).await.json["outcome"], "send", "{who}");
    }
    policy.admin_may_request_on_behalf = true;
    env.apply(&policy, &members).await;
    env.worker_knows(&worker, "blanca", 2).await;
    assert_eq!(client.post(REQUESTS, &by("boss@blancapeak.com")).await.status, 202);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_passes_the_period_on_record_and_needs_a_managers_key() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    assert_eq!(client.post(REQUESTS, &for_jane(json!({}))).await.status, 202);
    env.all_are(1, "delivered").await;
    let held = client.post(REQUESTS, &for_jane(json!({ "requested_by": "Ann" }))).await;
    assert_eq!(held.json["reason"], "suppression_period");
    let over =
        for_jane(json!({ "requested_by": "Ann", "override": { "reason": "she called and asked for it" } }));
    let sender = env.client_with("blanca", true, &[Scope::Send]).await;
    assert_eq!(refused(&sender, &over).await, ["override needs_manage"]);
    let passed = client.post(REQUESTS, &over).await;
    assert_eq!((passed.status, passed.json["status"].as_str()), (202, Some("queued")), "{}", passed.text);
    let note = passed.json["decision"]["rules"].as_array().expect("rules").iter().find_map(|rule| {
        (rule["rule"] == "suppression_period").then(|| rule["note"].as_str().expect("a note").to_owned())
    });
    assert!(note.expect("the rule is there").ends_with("with the reason: she called and asked for it"));
    let id = passed.json["id"].as_str().expect("an id").parse().expect("a UUID");
    wait::until("it is delivered", || async {
        env.standings().await.iter().any(|one| one.id == id && one.status == "delivered")
    })
    .await;
    let shown = env.ledger.request(id).await.expect("asked").expect("it is there");
    assert_eq!(shown.job.override_reason(), Some("she called and asked for it"));
    assert_eq!(env.simulator.accepted().len(), 2);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_override_passes_an_opt_out_or_do_not_send() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let first = client.post(REQUESTS, &for_jane(json!({}))).await;
    let id: uuid::Uuid = first.json["id"].as_str().expect("an id").parse().expect("a UUID");
    env.all_are(1, "delivered").await;
    let kind = postrider_domain::ids::BlockKind::Unsubscribed;
    env.ledger.block_message(MessageId(id), kind, "test").await.expect("blocked");
    let over = json!({ "requested_by": "Ann", "override": { "reason": "please" } });
    let answer = client.post(REQUESTS, &for_jane(over.clone())).await;
    assert_eq!(answer.json["reason"], "unsubscribed", "{}", answer.text);
    let mut silent = for_jane(over);
    silent["do_not_send"] = json!(true);
    assert_eq!(client.post(REQUESTS, &silent).await.json["reason"], "do_not_send");
    assert_eq!(env.simulator.accepted().len(), 1);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_amqp_a_persons_job_is_rejected_by_name() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.publish(&for_jane(json!({ "requested_by": "Ann", "override": { "reason": "x" } }))).await;
    assert_eq!(env.rejected(1).await, ["manual_only"]);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_tells_the_decision_and_the_text_and_leaves_no_trace() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let ann = for_jane(json!({ "requested_by": "Ann", "idempotency_key": "k", "delay_secs": 60 }));
    for _ in 0..2 {
        let answer = client.post(PREVIEW, &ann).await;
        assert_eq!((answer.status, answer.json["outcome"].as_str()), (200, Some("send")), "{}", answer.text);
        assert_eq!(
            (answer.json["medium"].as_str(), answer.json["account"].as_str()),
            (Some("email"), Some("blanca-mailgun"))
        );
        let message = &answer.json["message"];
        assert_eq!(message["to"], "janecustomer@example.com");
        assert!(message["subject"].as_str().expect("a subject").contains("Blanca Peak"), "{message}");
        assert!(message["text"].as_str().expect("a text").contains("https://survey.example.com/s/"));
        assert_eq!(answer.json["decision"]["verdict"], "send");
        assert!(answer.json["due_at"].is_string());
    }
    let by_text = for_jane(json!({ "customer": { "phone": "+14155552671" } }));
    let answer = client.post(PREVIEW, &by_text).await;
    assert_eq!(
        (answer.json["medium"].as_str(), answer.json["message"]["segments"].as_u64()),
        (Some("sms"), Some(1))
    );
    let nobody = client
        .post(PREVIEW, &for_jane(json!({ "employee": { "email": "x@example.com" }, "channel": "fax" })))
        .await;
    assert_eq!((nobody.status, nobody.json["outcome"].as_str()), (200, Some("reject")));
    assert_eq!(codes(&nobody), ["channel unknown_channel"]);
    assert_eq!(client.post(PREVIEW, &json!({ "customer": 1 })).await.status, 422);
    for table in ["request", "reservation", "rejected_job", "message", "due"] {
        let count = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        let (count,): (i64,) = sqlx::query_as(count).fetch_one(&env.pool).await.expect("asked");
        assert_eq!(count, 0, "{table}");
    }
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_says_what_the_call_then_does() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let first = for_jane(json!({ "idempotency_key": "k" }));
    let made = client.post(REQUESTS, &first).await;
    let again = client.post(PREVIEW, &first).await;
    assert_eq!((again.json["outcome"].as_str(), &again.json["id"]), (Some("duplicate"), &made.json["id"]));
    let other = client.post(PREVIEW, &for_jane(json!({ "idempotency_key": "k", "tags": ["x"] }))).await;
    assert_eq!(
        (other.json["outcome"].as_str(), codes(&other)),
        (Some("reject"), vec!["idempotency_key conflict".to_owned()])
    );
    let held = for_jane(json!({ "requested_by": "Ann" }));
    let said = client.post(PREVIEW, &held).await;
    assert_eq!(
        (said.json["outcome"].as_str(), said.json["reason"].as_str()),
        (Some("suppress"), Some("suppression_period"))
    );
    assert!(said.json["message"].is_null(), "nothing would go out");
    let done = client.post(REQUESTS, &held).await;
    assert_eq!(
        (done.json["status"].as_str(), &done.json["reason"]),
        (Some("suppressed"), &said.json["reason"])
    );
    let reader = env.client_with("blanca", true, &[Scope::Read]).await;
    assert_eq!(reader.post(PREVIEW, &held).await.status, 403);
    env.nothing_left(worker).await;
}
