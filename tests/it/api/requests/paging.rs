//! Pages of the list where it is hard: matches far down, late commits, names that the database cannot fold.
//!
//! Filters as such are in `requests`.

use serde_json::json;

use super::{House, listed};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_far_down_is_found_by_going_on_after_empty_pages() {
    let house = House::new().await;
    let id = house.accept(&[json!({ "customer": { "custom_id": "C-9" } })]).await[0].clone();
    // All of it newer, more than one call looks at, and none of it fits.
    house
        .change(
            "insert into request (id, company, idempotency_hash, key_is_derived, content_hash, source, test, policy_version,
                channel, brand, decision)
            select ('ffffffff-ffff-7fff-8000-' || lpad(to_hex(n), 12, '0'))::uuid, company, gen_random_uuid(),
                false, content_hash, source, test, policy_version, channel, brand, ''
            from request cross join generate_series(1, 41000) n",
        )
        .await;
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = house.client.get(&format!("/v1/requests?q=C-9{cursor}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        pages.push(listed(&answer.json));
        assert!(pages.len() < 50, "it comes to an end");
        match answer.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(pages.len() > 1 && pages[0].is_empty(), "{pages:?}");
    assert_eq!(pages.concat(), [id]);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_committed_late_is_on_a_page_to_come() {
    let house = House::new().await;
    let ids = house.accept(&vec![json!({}); 3]).await;
    house
        .change(
            "create table late as select * from request order by id offset 1 limit 1;
            delete from request where id in (select id from late)",
        )
        .await;
    let mut open = house.env.pool.begin().await.expect("begun");
    let written = sqlx::query("insert into request select * from late").execute(&mut *open).await;
    assert_eq!(written.expect("written").rows_affected(), 1);
    let first = house.client.get("/v1/requests?limit=1").await.json;
    assert_eq!(listed(&first), [ids[2].clone()]);
    open.commit().await.expect("committed");
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    let rest = house.found(&format!("limit=9&cursor={cursor}")).await;
    assert_eq!(rest, [ids[1].clone(), ids[0].clone()]);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_found_in_any_case_whatever_the_databases_locale_folds() {
    let house = House::new().await;
    let id = house.accept(&[json!({ "customer": { "name": "Émile Zola" } })]).await[0].clone();
    for query in ["%C3%89mile", "%C3%A9mile%20z", "%C3%89MILE%20ZOLA", "%C3%A9MILE"] {
        assert_eq!(
            house.found(&format!("q={query}&from=2020-01-01")).await,
            std::slice::from_ref(&id),
            "{query}"
        );
    }
    assert!(house.found("q=zola&from=2020-01-01").await.is_empty(), "the beginning is sought");
    house.end().await;
}
