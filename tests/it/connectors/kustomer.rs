//! Kustomer's webhook: one request for a finished conversation, whatever is repeated, broken or killed.
//!
//! Customer, user and tags are looked up at the simulated Kustomer over real HTTP.

use serde_json::{Value, json};

use super::{KUSTOMER, jobs, kustomer_recipe, notices, with_kustomer};
use crate::support::{
    TestEnv,
    kustomer::{Kustomer, TOKEN, notice, post, sign},
    process::Process,
    wait,
};

async fn send(env: &TestEnv, notice: &Value) -> u16 {
    let body = notice.to_string().into_bytes();
    post(env, KUSTOMER, Some(&sign(TOKEN, &body)), body).await
}

fn done() -> Value {
    notice(|_| {})
}

/// Waits until every notice is done; gives what became of each.
async fn outcomes(env: &TestEnv, count: usize) -> Vec<String> {
    let outcomes = wait::until_some("all notices are done", || async {
        let notices = notices(env).await;
        let done: Option<Vec<String>> = notices.iter().map(|(outcome, _)| outcome.clone()).collect();
        done.filter(|done| done.len() == count)
    })
    .await;
    assert!(notices(env).await.iter().all(|(_, personal)| !personal), "nothing personal is left in a notice");
    outcomes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_conversation_makes_the_request_that_the_workflow_would_make() {
    let env = TestEnv::new().await;
    let kustomer = Kustomer::start().await;
    with_kustomer(&env, &kustomer).await;
    let worker = env.worker().await;
    assert_eq!(send(&env, &done()).await, 200);
    env.all_are(1, "delivered").await;
    assert_eq!(
        jobs(&env).await,
        [json!({
            "name": "Jane Customer", "email": "janecustomer@example.com", "employee": "paulagent@blancapeak.com",
            "channel": "chat", "interaction": "5f0c8a1b2d3e4f5061728394", "tags": ["exchange", "backorder"],
            "url": "https://blancapeak.kustomerapp.com/app/customers/5f0c89aa2d3e4f5061728001/event/5f0c8a1b2d3e4f5061728394",
            "source": 3
        })]
    );
    assert_eq!(outcomes(&env, 1).await, ["accepted"]);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_is_repeated_at_once_and_later_makes_one_request() {
    let env = TestEnv::new().await;
    let kustomer = Kustomer::start().await;
    with_kustomer(&env, &kustomer).await;
    let worker = env.worker().await;
    let done = done();
    let repeats = futures_util::future::join_all((0..20).map(|_| send(&env, &done))).await;
    assert!(repeats.iter().all(|status| *status == 200), "{repeats:?}");
    env.all_are(1, "delivered").await;
    assert_eq!(send(&env, &done).await, 200);
    assert_eq!(outcomes(&env, 1).await, ["accepted"]);
    assert_eq!((jobs(&env).await.len(), env.simulator.calls().len()), (1, 1));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kustomer_did_not_sign_is_refused_and_changes_nothing() {
    let env = TestEnv::new().await;
    let kustomer = Kustomer::start().await;
    with_kustomer(&env, &kustomer).await;
    let worker = env.worker().await;
    let body = done().to_string().into_bytes();
    let good = sign(TOKEN, &body);
    for (recipe, signature) in [
        (KUSTOMER, None),
        (KUSTOMER, Some(sign("another token", &body))),
        (KUSTOMER, Some(sign(TOKEN, b"another body"))),
        (KUSTOMER, Some(good.to_uppercase())),
        (KUSTOMER, Some(sign("", &body))),
        ("nobody", Some(good.clone())),
        ("blanca-mailgun", Some(good.clone())),
    ] {
        assert_eq!(
            post(&env, recipe, signature.as_deref(), body.clone()).await,
            403,
            "{recipe} {signature:?}"
        );
    }
    assert_eq!(post(&env, KUSTOMER, Some(&good), vec![b'x'; 1024 * 1024 + 1]).await, 413);
    assert_eq!((notices(&env).await, kustomer.heard()), (Vec::new(), Vec::new()));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_conversation_that_was_finished_while_an_agent_was_assigned_counts() {
    let env = TestEnv::new().await;
    let kustomer = Kustomer::start().await;
    with_kustomer(&env, &kustomer).await;
    let worker = env.worker().await;
    for other in [
        notice(|notice| notice["changes"]["attributes"]["status"]["after"] = json!("snoozed")),
        notice(|notice| notice["changes"]["attributes"] = json!({"tags": {"op": "add", "after": []}})),
        notice(|notice| notice["data"]["attributes"]["assignedUsers"] = json!([])),
        notice(|notice| notice["name"] = json!("kustomer.conversation.create")),
    ] {
        assert_eq!(send(&env, &other).await, 200);
    }
    assert_eq!((notices(&env).await, kustomer.heard()), (Vec::new(), Vec::new()));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_that_fail_are_made_again_until_they_succeed() {
    let env = TestEnv::new().await;
    let kustomer = Kustomer::start().await;
    with_kustomer(&env, &kustomer).await;
    let worker = env.worker().await;
    kustomer.fail(&[500, 429, 503, 401]);
    assert_eq!(send(&env, &done()).await, 200);
    env.all_are(1, "delivered").await;
    assert_eq!(outcomes(&env, 1).await, ["accepted"]);
    assert!(kustomer.heard().len() > 3, "some were asked again");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_without_a_request_says_why() {
    let env = TestEnv::new().await;
    let kustomer = Kustomer::start().await;
    with_kustomer(&env, &kustomer).await;
    let worker = env.worker().await;
    kustomer.set_customer(json!({"name": "Jane", "emails": []}));
    assert_eq!(send(&env, &done()).await, 200);
    assert_eq!(outcomes(&env, 1).await, ["no_address"], "as in the workflow");
    kustomer.forget_customer();
    let gone = notice(|notice| notice["id"] = json!("6717c2b1e5b1f00012ab3512"));
    assert_eq!(send(&env, &gone).await, 200);
    let strange = notice(|notice| notice["data"]["id"] = json!("../../other"));
    assert_eq!(send(&env, &strange).await, 200);
    let mut outcomes = outcomes(&env, 3).await;
    outcomes.sort();
    assert_eq!(outcomes, ["no_address", "rejected", "rejected"]);
    let mut rejected = env.rejected(2).await;
    rejected.sort();
    assert_eq!(
        (rejected, jobs(&env).await.len()),
        (vec!["not_found".to_owned(), "unreadable_notice".to_owned()], 0)
    );
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_can_never_be_followed_up_ends_with_the_rejected_jobs() {
    let env = TestEnv::new().await;
    let kustomer = Kustomer::start().await;
    with_kustomer(&env, &kustomer).await;
    let worker = env.worker_with("recipes.give_up_secs = 0.0").await;
    kustomer.fail(&[500, 500, 500]);
    assert_eq!(send(&env, &done()).await, 200);
    assert_eq!(
        (outcomes(&env, 1).await, env.rejected(1).await),
        (vec!["rejected".to_owned()], vec!["look_up_failed".to_owned()])
    );
    env.nothing_left(worker).await;
}

/// Which of the rejected jobs are tests, oldest first.
async fn rejected_tests(env: &TestEnv) -> Vec<bool> {
    sqlx::query_scalar("select test from rejected_job order by received_at, id")
        .fetch_all(&env.pool)
        .await
        .expect("asked")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_is_given_up_is_a_test_where_its_recipe_is_one() {
    let env = TestEnv::new().await;
    let kustomer = Kustomer::start().await;
    let mut recipe = kustomer_recipe(KUSTOMER, &kustomer);
    recipe.test = true;
    env.company("blanca", |policy| policy.connectors = vec![recipe]).await;
    let worker = env.worker_with("recipes.give_up_secs = 0.0").await;
    kustomer.fail(&[500, 500, 500]);
    assert_eq!(send(&env, &done()).await, 200);
    assert_eq!(env.rejected(1).await, ["look_up_failed"]);
    assert_eq!(rejected_tests(&env).await, [true], "what is handed in again reaches no customer");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_of_a_removed_connector_is_given_up_as_a_test() {
    let env = TestEnv::new().await;
    let kustomer = Kustomer::start().await;
    with_kustomer(&env, &kustomer).await;
    let door = env.worker_with("roles.intake = false\nroles.dispatch = false").await;
    assert_eq!(send(&env, &done()).await, 200);
    env.nothing_left(door).await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker_with("recipes.give_up_secs = 0.0").await;
    assert_eq!(env.rejected(1).await, ["look_up_failed"]);
    assert_eq!(rejected_tests(&env).await, [true], "the company cannot be told any more");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_companys_hanging_kustomer_holds_up_no_other_companys_notifications() {
    let env = TestEnv::new().await;
    let (kustomer, hanging) = (Kustomer::start().await, Kustomer::start().await);
    with_kustomer(&env, &kustomer).await;
    let recipe = kustomer_recipe("other-kustomer", &hanging);
    env.company("other", |policy| policy.connectors = vec![recipe]).await;
    hanging.hang(true);
    hanging.forget_customer();
    // Longer than the test waits for anything.
    let worker = env.worker_with("recipes.look_up_timeout_secs = 60.0").await;
    for place in 100..130 {
        let stuck = notice(|notice| notice["id"] = json!(format!("6717c2b1e5b1f00012ab4{place}")));
        let body = stuck.to_string().into_bytes();
        assert_eq!(post(&env, "other-kustomer", Some(&sign(TOKEN, &body)), body).await, 200);
    }
    let taken = || async {
        let (taken,): (i64,) = sqlx::query_as(
            "select count(*) from notification where connector = 'other-kustomer' and tries > 0",
        )
        .fetch_one(&env.pool)
        .await
        .expect("asked");
        taken
    };
    wait::until("the other company's Kustomer is asked", || async { taken().await > 0 }).await;
    assert_eq!(send(&env, &done()).await, 200);
    env.all_are(1, "delivered").await;
    assert!(taken().await <= 20, "the rest of them wait for these");
    hanging.hang(false);
    assert_eq!(outcomes(&env, 31).await.iter().filter(|outcome| *outcome == "rejected").count(), 30);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_outlives_the_process_that_took_it() {
    let env = TestEnv::new().await;
    let kustomer = Kustomer::start().await;
    with_kustomer(&env, &kustomer).await;
    let door = env.worker_with("roles.intake = false\nroles.dispatch = false").await;
    assert_eq!(send(&env, &done()).await, 200);
    env.nothing_left(door).await;
    assert_eq!((jobs(&env).await.len(), kustomer.heard().len()), (0, 0));
    let worker = env.worker().await;
    env.all_are(1, "delivered").await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_before_or_after_the_acceptance_makes_it_no_second_request() {
    for (place, requests) in [("notice_accept", 0), ("notice_done", 1)] {
        let env = TestEnv::new().await;
        let kustomer = Kustomer::start().await;
        with_kustomer(&env, &kustomer).await;
        let dying = format!("{place}:6717c2b1e5b1f00012ab3511");
        let mut process = Process::start_with(&env, "", &[("POSTRIDER_CRASH_ON", &dying)]);
        env.consuming().await;
        assert_eq!(send(&env, &done()).await, 200);
        process.died().await;
        assert_eq!(jobs(&env).await.len(), requests, "{place}");
        // The customer has another name by now: the job is the one that was kept.
        kustomer.set_customer(json!({"name": "Jane Married", "emails": [{"email": "new@example.com"}]}));
        sqlx::query("update notification set due_at = now()")
            .execute(&env.pool)
            .await
            .expect("its lease has run out");
        let worker = env.worker().await;
        wait::until("the notice is done", || async { notices(&env).await[0].0.is_some() }).await;
        let jobs = jobs(&env).await;
        assert_eq!((jobs.len(), &jobs[0]["name"]), (1, &json!("Jane Customer")), "{place}");
        assert!(env.rejected(0).await.is_empty());
        assert!(worker.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_over_which_we_panic_is_kept_and_the_next_one_makes_its_request() {
    for place in ["notice", "notice_accept"] {
        let env = TestEnv::new().await;
        let kustomer = Kustomer::start().await;
        with_kustomer(&env, &kustomer).await;
        let panicking = format!("{place}:6717c2b1e5b1f00012ab3511");
        let mut process = Process::start_with(&env, "", &[("POSTRIDER_PANIC_ON", &panicking)]);
        env.consuming().await;
        assert_eq!(send(&env, &done()).await, 200);
        assert_eq!(env.rejected(1).await, ["quarantined"], "{place}");
        let next = notice(|notice| notice["id"] = json!("6717c2b1e5b1f00012ab3512"));
        assert_eq!(send(&env, &next).await, 200);
        env.all_are(1, "sent").await;
        assert_eq!(process.terminate(), Some(0), "{place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipe_under_test_reaches_no_customer() {
    let env = TestEnv::new().await;
    let kustomer = Kustomer::start().await;
    with_kustomer(&env, &kustomer).await;
    env.company("blanca", |_| {}).await;
    let mut policy = crate::support::company::standard("blanca", env.providers());
    policy.test_email = Some("tests@blancapeak.example".to_owned());
    let companies = env.ledger.companies().await.expect("asked");
    assert_eq!(companies[0].policy.connectors, [], "a recipe that is taken out is gone");
    with_kustomer(&env, &kustomer).await;
    policy.connectors = env.ledger.companies().await.expect("asked")[0].policy.connectors.clone();
    policy.connectors[0].test = true;
    env.apply(&policy, &[crate::support::company::paul()]).await;
    let worker = env.worker().await;
    assert_eq!(send(&env, &done()).await, 200);
    env.all_are(1, "delivered").await;
    assert_eq!(env.simulator.accepted()[0].recipient, "tests@blancapeak.example");
    assert_eq!(jobs(&env).await[0]["test"], json!(true));
    env.nothing_left(worker).await;
}
