//! Customers that a request or a file names, and that are known from then on.
//!
//! Customers that connectors write, and jobs that only name a customer, are in `connectors::customers`.

use postrider::api::Scope;
use serde_json::{Value, json};

use crate::support::{TestEnv, job, process};

const REQUESTS: &str = "/v1/requests";

type Row = (Option<String>, Option<String>, Option<String>);

async fn customers(env: &TestEnv) -> Vec<Row> {
    sqlx::query_as("select custom_id, email, phone from customers order by custom_id")
        .fetch_all(&env.pool)
        .await
        .expect("asked")
}

fn row(custom_id: &str, email: Option<&str>, phone: Option<&str>) -> Row {
    (Some(custom_id.to_owned()), email.map(str::to_owned), phone.map(str::to_owned))
}

/// The member is named by its `custom_id`.
fn served_by_id(customer: Value) -> Value {
    job::with(job::to(customer), json!({ "employee": { "custom_id": "ABC789" } }))
}

fn by_hand(customer: Value) -> Value {
    let mut job = served_by_id(customer);
    job["requested_by"] = json!("Ann");
    job
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_a_person_asks_for_is_known_from_then_on() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let jane = by_hand(json!({ "custom_id": "C-1", "name": "Jane", "email": "jane@example.com" }));
    assert_eq!(client.post(REQUESTS, &jane).await.status, 202);
    assert_eq!(customers(&env).await, [row("C-1", Some("jane@example.com"), None)]);
    let by_text = by_hand(json!({ "custom_id": "C-1", "phone": "+14155552671" }));
    assert_eq!(client.post(REQUESTS, &by_text).await.status, 202);
    assert_eq!(customers(&env).await, [row("C-1", Some("jane@example.com"), Some("+14155552671"))]);
    let only_named = client.post(REQUESTS, &served_by_id(json!({ "custom_id": "C-1" }))).await;
    assert_eq!(only_named.status, 202, "{}", only_named.text);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn systems_tests_previews_and_refused_jobs_write_no_customer() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let tester = env.client_with("blanca", false, &Scope::ALL).await;
    let jane = json!({ "custom_id": "C-1", "email": "jane@example.com" });
    assert_eq!(client.post(REQUESTS, &served_by_id(jane.clone())).await.status, 202);
    assert_eq!(tester.post(REQUESTS, &by_hand(jane.clone())).await.status, 202);
    assert_eq!(client.post("/v1/requests/preview", &by_hand(jane.clone())).await.status, 200);
    let mut refused = by_hand(jane);
    refused["channel"] = json!("fax");
    assert_eq!(client.post(REQUESTS, &refused).await.status, 422);
    assert!(customers(&env).await.is_empty());
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_customers_is_taken_up_whole_or_not_at_all() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    let file = std::env::temp_dir().join(format!("{}.customers.csv", env.amqp_name));
    let path = file.to_str().expect("a path of letters").to_owned();
    let import = ["customers", "import", "blanca", &path];
    std::fs::write(&file, "custom_id,email\nC-1,jane@example.com\nC-2,nobody\n").expect("written");
    let bad = process::tell(&env, &import, &[]).await;
    assert_eq!(bad.status.code(), Some(1));
    let said = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(said.contains("line 3.email") && !said.contains("nobody"), "{said}");
    assert!(customers(&env).await.is_empty());

    let text = "custom_id,email,phone,country\nC-1,jane@example.com,,\nC-2,,(415) 555-2671,US\n";
    std::fs::write(&file, text).expect("written");
    let checked = process::told(&env, &[&import[..], &["--dry-run"]].concat()).await;
    assert_eq!(checked, "2 customers; nothing was changed\n");
    assert!(customers(&env).await.is_empty());
    assert_eq!(process::told(&env, &import).await, "2 customers imported, 2 of them new\n");
    let known = [row("C-1", Some("jane@example.com"), None), row("C-2", None, Some("+14155552671"))];
    assert_eq!(customers(&env).await, known);
    let on_record = client.get("/v1/audit?action=customers.import").await.json["items"][0].clone();
    assert_eq!(on_record["changes"], json!({ "rows": 2, "added": 2 }));
    let again: Value =
        serde_json::from_str(&process::told(&env, &[&import[..], &["--json"]].concat()).await).expect("JSON");
    assert_eq!(again, json!({ "dry_run": false, "rows": 2, "added": 0 }));
    assert_eq!(customers(&env).await, known);
    std::fs::remove_file(&file).expect("the file was there");

    assert_eq!(client.post(REQUESTS, &served_by_id(json!({ "custom_id": "C-2" }))).await.status, 202);
    env.all_are(1, "delivered").await;
    assert_eq!(env.simulator.accepted()[0].recipient, "+14155552671");
    env.nothing_left(worker).await;
}
