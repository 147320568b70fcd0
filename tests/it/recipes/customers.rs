//! Jobs that name a customer by custom id and bring no address: theirs are filled in.
//!
//! And that two recipes of two companies cannot share a path.

use futures_util::future::join_all;
use postrider_domain::{company::ConnectorSettings, ids::CompanyId};
use postrider_ledger::{LedgerError, customers::Named};
use serde_json::json;

use super::{KUSTOMER, jobs, recipe};
use crate::support::{Bed, arrival, company};

fn named(custom_id: &str, email: Option<&str>, phone: Option<&str>) -> Named {
    let text = |text: &str| text.to_owned();
    Named {
        custom_id: Some(text(custom_id)),
        name: Some(text("Jane Customer")),
        email: email.map(text),
        phone: phone.map(text),
        ..Named::default()
    }
}

fn job(custom_id: &str) -> serde_json::Value {
    json!({"customer": {"custom_id": custom_id}, "employee": {"custom_id": "ABC789"}, "channel": "phone"})
}

async fn recognise(bed: &Bed, company: CompanyId, named: &Named) -> postrider_ledger::customers::Known {
    let known = bed.ledger.recognise(company, named, &bed.keys.identity).await.expect("recognised");
    known.expect("by something")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_names_a_known_customer_goes_to_their_address() {
    let bed = Bed::new().await;
    let company = bed.company("blanca", |_| {}).await;
    let other = bed.company("other", |_| {}).await;
    recognise(&bed, company, &named("C-1", Some("jane@example.com"), None)).await;
    recognise(&bed, other, &named("C-2", Some("stranger@example.com"), None)).await;
    let worker = bed.worker().await;
    bed.publish(&job("C-1")).await;
    bed.all_are(1, "delivered").await;
    assert_eq!(bed.simulator.accepted()[0].recipient, "jane@example.com");
    assert_eq!(jobs(&bed).await[0]["name"], json!("Jane Customer"));
    bed.publish(&job("C-2")).await;
    assert_eq!(bed.rejected(1).await, ["no_address"], "another company's customer is nobody's");
    bed.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_with_an_address_of_its_own_keeps_it() {
    let bed = Bed::new().await;
    let company = bed.company("blanca", |_| {}).await;
    recognise(&bed, company, &named("C-1", Some("known@example.com"), None)).await;
    let worker = bed.worker().await;
    let mut own = job("C-1");
    own["customer"]["email"] = json!("own@example.com");
    bed.publish(&own).await;
    bed.all_are(1, "delivered").await;
    assert_eq!(bed.simulator.accepted()[0].recipient, "own@example.com");
    bed.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_job_is_the_same_after_its_customers_address_changed() {
    let bed = Bed::new().await;
    let company = bed.company("blanca", |_| {}).await;
    recognise(&bed, company, &named("C-1", Some("old@example.com"), None)).await;
    let worker = bed.worker_with("roles.dispatch = false").await;
    let acceptor = worker.acceptor.clone().expect("it takes jobs");
    let body = job("C-1").to_string();
    let first = acceptor.accept(&[arrival("blanca", body.as_bytes())]).await.expect("accepted");
    recognise(&bed, company, &named("C-1", Some("new@example.com"), None)).await;
    let again = acceptor.accept(&[arrival("blanca", body.as_bytes())]).await.expect("accepted");
    drop(acceptor);
    let postrider::intake::AcceptOutcome::Accepted { id, .. } = &first[0] else { panic!("{first:?}") };
    assert!(
        matches!(&again[0], postrider::intake::AcceptOutcome::Duplicate { id: same, .. } if same == id),
        "{again:?}"
    );
    bed.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_one_however_many_name_them_at_once() {
    let bed = Bed::new().await;
    let company = bed.company("blanca", |_| {}).await;
    let names = |number: usize| match number % 3 {
        0 => named("C-1", Some("jane@example.com"), None),
        1 => named("C-1", Some("Jane@example.com"), Some("+14155552671")),
        _ => named("C-1", None, Some("+14155552671")),
    };
    let known = join_all((0..30).map(|number| {
        let bed = &bed;
        async move { recognise(bed, company, &names(number)).await.id }
    }))
    .await;
    assert!(known.iter().all(|id| *id == known[0]));
    let counts: (i64, i64) =
        sqlx::query_as("select (select count(*) from customers), (select count(*) from identities)")
            .fetch_one(&bed.pool)
            .await
            .expect("asked");
    assert_eq!(counts, (1, 3));
    let whole = recognise(&bed, company, &named("C-1", None, None)).await;
    assert_eq!(whole.phone.as_deref(), Some("+14155552671"), "what was told before is kept");
    assert!(
        bed.ledger.recognise(company, &Named::default(), &bed.keys.identity).await.expect("asked").is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipes_id_belongs_to_one_company() {
    let bed = Bed::new().await;
    let settings = postrider_domain::company::Kustomer {
        base_url: "https://api.kustomerapp.com".to_owned(),
        api_key_env: "KEY".to_owned(),
        webhook_token_env: "TOKEN".to_owned(),
        conversation_url: None,
        do_not_send_attribute: "quietBool".to_owned(),
    };
    let shared = recipe(KUSTOMER, ConnectorSettings::Kustomer(settings));
    bed.company("blanca", |policy| policy.recipes = vec![shared.clone()]).await;
    let mut other = company::standard("other", bed.providers());
    other.recipes = vec![shared];
    let refused = bed.ledger.apply_company(&other, &[company::paul()], &bed.keys.identity).await;
    assert!(matches!(refused, Err(LedgerError::Taken(_))), "{refused:?}");
    bed.company("blanca", |_| {}).await;
    bed.apply(&other, &[company::paul()]).await;
}
