//! Jobs that name a customer by custom id and bring no address: theirs are filled in.
//!
//! And that two recipes of two companies cannot share a path.

use futures_util::future::join_all;
use postrider_domain::{company::ConnectorSettings, ids::CompanyId};
use postrider_ledger::{LedgerError, customers::NamedCustomer};
use serde_json::json;

use super::{KUSTOMER, jobs, recipe};
use crate::support::{TestEnv, company, job};

fn named(custom_id: &str, email: Option<&str>, phone: Option<&str>) -> NamedCustomer {
    let text = |text: &str| text.to_owned();
    NamedCustomer {
        custom_id: Some(text(custom_id)),
        name: Some(text("Jane Customer")),
        email: email.map(text),
        phone: phone.map(text),
        ..NamedCustomer::default()
    }
}

fn only_named(custom_id: &str) -> serde_json::Value {
    job::with(job::to(json!({ "custom_id": custom_id })), json!({ "employee": { "custom_id": "ABC789" } }))
}

async fn recognise(
    env: &TestEnv,
    company: CompanyId,
    named: &NamedCustomer,
) -> postrider_ledger::customers::KnownCustomer {
    let known = env.ledger.recognise(company, named, &env.keys.identity).await.expect("recognised");
    known.expect("by something")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_names_a_known_customer_goes_to_their_address() {
    let env = TestEnv::new().await;
    let company = env.company("blanca", |_| {}).await;
    let other = env.company("other", |_| {}).await;
    recognise(&env, company, &named("C-1", Some("jane@example.com"), None)).await;
    recognise(&env, other, &named("C-2", Some("stranger@example.com"), None)).await;
    let worker = env.worker().await;
    env.publish(&only_named("C-1")).await;
    env.all_are(1, "delivered").await;
    assert_eq!(env.simulator.accepted()[0].recipient, "jane@example.com");
    assert_eq!(jobs(&env).await[0]["name"], json!("Jane Customer"));
    env.publish(&only_named("C-2")).await;
    assert_eq!(env.rejected(1).await, ["no_address"], "another company's customer is not found");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_with_an_address_of_its_own_keeps_it() {
    let env = TestEnv::new().await;
    let company = env.company("blanca", |_| {}).await;
    recognise(&env, company, &named("C-1", Some("known@example.com"), None)).await;
    let worker = env.worker().await;
    let mut own = only_named("C-1");
    own["customer"]["email"] = json!("own@example.com");
    env.publish(&own).await;
    env.all_are(1, "delivered").await;
    assert_eq!(env.simulator.accepted()[0].recipient, "own@example.com");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_job_is_the_same_after_its_customers_address_changed() {
    let env = TestEnv::new().await;
    let company = env.company("blanca", |_| {}).await;
    recognise(&env, company, &named("C-1", Some("old@example.com"), None)).await;
    let worker = env.worker_with("roles.dispatch = false").await;
    let acceptor = worker.acceptor.clone().expect("it takes jobs");
    let body = only_named("C-1").to_string();
    let first = acceptor.accept(&[job::inbound("blanca", body.as_bytes())]).await.expect("accepted");
    recognise(&env, company, &named("C-1", Some("new@example.com"), None)).await;
    let again = acceptor.accept(&[job::inbound("blanca", body.as_bytes())]).await.expect("accepted");
    drop(acceptor);
    let postrider::intake::AcceptOutcome::Accepted { id, .. } = &first[0] else { panic!("{first:?}") };
    assert!(
        matches!(&again[0], postrider::intake::AcceptOutcome::Duplicate { id: same, .. } if same == id),
        "{again:?}"
    );
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_one_however_many_name_them_at_once() {
    let env = TestEnv::new().await;
    let company = env.company("blanca", |_| {}).await;
    let names = |number: usize| match number % 3 {
        0 => named("C-1", Some("jane@example.com"), None),
        1 => named("C-1", Some("Jane@example.com"), Some("+14155552671")),
        _ => named("C-1", None, Some("+14155552671")),
    };
    let known = join_all((0..30).map(|number| {
        let env = &env;
        async move { recognise(env, company, &names(number)).await.id }
    }))
    .await;
    assert!(known.iter().all(|id| *id == known[0]));
    let counts: (i64, i64) =
        sqlx::query_as("select (select count(*) from customers), (select count(*) from identities)")
            .fetch_one(&env.pool)
            .await
            .expect("asked");
    assert_eq!(counts, (1, 3));
    let whole = recognise(&env, company, &named("C-1", None, None)).await;
    assert_eq!(whole.phone.as_deref(), Some("+14155552671"), "what was told before is kept");
    assert!(
        env.ledger
            .recognise(company, &NamedCustomer::default(), &env.keys.identity)
            .await
            .expect("asked")
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipes_id_belongs_to_one_company() {
    let env = TestEnv::new().await;
    let settings = postrider_domain::company::KustomerSettings {
        base_url: "https://api.kustomerapp.com".to_owned(),
        api_key_env: "KEY".to_owned(),
        webhook_token_env: "TOKEN".to_owned(),
        conversation_url: None,
        do_not_send_attribute: "quietBool".to_owned(),
    };
    let shared = recipe(KUSTOMER, ConnectorSettings::Kustomer(settings));
    env.company("blanca", |policy| policy.connectors = vec![shared.clone()]).await;
    let mut other = company::standard("other", env.providers());
    other.connectors = vec![shared];
    let refused = env.ledger.apply_company(&other, &[company::paul()], &env.keys.identity).await;
    assert!(matches!(refused, Err(LedgerError::Taken(_))), "{refused:?}");
    env.company("blanca", |_| {}).await;
    env.apply(&other, &[company::paul()]).await;
}
