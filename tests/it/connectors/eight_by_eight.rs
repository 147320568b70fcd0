//! 8x8: a social chat that was accepted, ended and wrapped up makes one request, in whatever order it is told.
//!
//! Notices are signed as documented by the tests' own code and key, and posted over real HTTP.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{EIGHT, jobs, notices, with_8x8};
use crate::support::{
    TestEnv, company,
    eight_by_eight::{CHAT, Delivery, conversation, event, handled, jane},
    wait,
};

async fn send(env: &TestEnv, notice: &Value) -> u16 {
    Delivery::of(notice).post(env, EIGHT).await
}

async fn send_all(env: &TestEnv, notices: &[Value]) {
    for notice in notices {
        assert_eq!(send(env, notice).await, 200, "{notice}");
    }
}

fn is(notice: &Value, name: &str) -> bool {
    notice["Interaction"]["event"] == name
}

/// How many customers and identities are known.
async fn known(env: &TestEnv) -> (i64, i64) {
    sqlx::query_as("select (select count(*) from customers), (select count(*) from identities)")
        .fetch_one(&env.pool)
        .await
        .expect("asked")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_social_chat_that_was_wrapped_up_makes_one_request() {
    let env = TestEnv::new().await;
    with_8x8(&env, |_| {}).await;
    let worker = env.worker().await;
    send_all(&env, &handled()).await;
    env.all_are(1, "delivered").await;
    assert_eq!(
        jobs(&env).await,
        [json!({
            "name": "Jane Customer", "email": "janecustomer@example.com", "employee": "ABC789", "channel": "social",
            "interaction": CHAT, "url": "https://crm.example.com/case/CASE-789", "tags": ["exchange", "6|45"],
            "source": 3
        })]
    );
    assert_eq!(known(&env).await, (1, 2), "the customer is known by social id and email");
    send_all(&env, &handled()).await;
    assert_eq!(notices(&env).await, [(Some("accepted".to_owned()), false)], "repeats change nothing");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_before_post_processing_ended() {
    let env = TestEnv::new().await;
    with_8x8(&env, |_| {}).await;
    let worker = env.worker().await;
    let (ends, before): (Vec<Value>, Vec<Value>) =
        handled().into_iter().partition(|notice| is(notice, "InteractionEndPostProcess"));
    send_all(&env, &before).await;
    assert_eq!(notices(&env).await, [], "the chat is closed, and its agent still busy with it");
    send_all(&env, &ends).await;
    env.all_are(1, "delivered").await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_notices_at_once_backwards_and_twice_make_one_request() {
    let env = TestEnv::new().await;
    with_8x8(&env, |_| {}).await;
    let worker = env.worker().await;
    let mut told = handled();
    told.reverse();
    told.extend(handled());
    let answers = join_all(told.iter().map(|notice| send(&env, notice))).await;
    // The loser of each race gets 503 and repeats, as 8x8 does.
    for (notice, answer) in told.iter().zip(answers) {
        if answer != 200 {
            assert_eq!((answer, send(&env, notice).await), (503, 200));
        }
    }
    env.all_are(1, "delivered").await;
    assert_eq!((jobs(&env).await.len(), notices(&env).await.len()), (1, 1));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_was_rejected_or_timed_out_or_came_from_the_web_page_makes_none() {
    let env = TestEnv::new().await;
    with_8x8(&env, |_| {}).await;
    let worker = env.worker().await;
    let untaken = ["InteractionAccepted", "InteractionPostProcess", "InteractionEndPostProcess"];
    let unanswered: Vec<Value> = handled()
        .into_iter()
        .filter(|notice| !untaken.iter().any(|name| is(notice, name)))
        .chain([event("InteractionQueueTimeout", "", 12), json!({"GuestChatEnd": {"interactionGUID": CHAT}})])
        .collect();
    send_all(&env, &unanswered).await;
    let web = handled().into_iter().map(|mut notice| {
        notice["conversationId"] = json!("another chat");
        if notice["data"].is_object() {
            notice["data"]["channel"] = json!("WebChat");
        }
        notice
    });
    send_all(&env, &web.collect::<Vec<_>>()).await;
    assert_eq!((notices(&env).await, jobs(&env).await.len()), (Vec::new(), 0));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_8x8_did_not_sign_is_refused_and_changes_nothing() {
    let env = TestEnv::new().await;
    with_8x8(&env, |_| {}).await;
    let worker = env.worker().await;
    let notice = event("InteractionAccepted", "ABC789", 8);
    let good = Delivery::of(&notice);
    let jose = |name: &str, value: Value| {
        let mut forged = good.clone();
        forged.jose[name] = value;
        forged
    };
    for forged in [
        jose("alg", json!("HS256")),
        jose("alg", json!("none")),
        jose("kid", json!("key2")),
        jose("b64", json!(true)),
        jose("crit", json!(["b64", "exp"])),
        // 8x8 signs for its other customers as well, with the same key.
        Delivery { tenant: "tenant02".to_owned(), ..good.clone() },
        Delivery { sent_millis: good.sent_millis - 11 * 60_000, ..good.clone() },
        Delivery { sent_millis: good.sent_millis + 11 * 60_000, ..good.clone() },
    ] {
        assert_eq!(forged.post(&env, EIGHT).await, 403, "{forged:?}");
    }
    assert_eq!(good.post_as(&env, EIGHT, b"{}").await, 403, "another body");
    assert_eq!(good.post(&env, "nobody").await, 403);
    assert_eq!(Delivery { body: b"rubbish".to_vec(), ..good.clone() }.post(&env, EIGHT).await, 400);
    let (count,): (i64,) =
        sqlx::query_as("select count(*) from interaction").fetch_one(&env.pool).await.expect("asked");
    assert_eq!(count, 0);
    let greeting = json!({"notificationVersion": "Chat Gateway v1.0", "eventType": "WEB_HOOK_VERIFY"});
    assert_eq!(send(&env, &greeting).await, 200);
    assert_eq!(good.post(&env, EIGHT).await, 200, "the one that was forged is good itself");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_customer_is_found_by_their_social_id_alone() {
    let env = TestEnv::new().await;
    with_8x8(&env, |policy| policy.suppression_days = 0).await;
    let worker = env.worker().await;
    send_all(&env, &handled()).await;
    env.all_are(1, "delivered").await;
    let again = handled().into_iter().map(|mut notice| {
        notice["conversationId"] = json!("the next chat");
        if notice["data"].is_object() {
            notice["data"]["user"] = json!({"userId": "u-4711"});
        }
        notice
    });
    send_all(&env, &again.collect::<Vec<_>>()).await;
    env.all_are(2, "delivered").await;
    let jobs = jobs(&env).await;
    assert_eq!((&jobs[1]["email"], &jobs[1]["name"]), (&jobs[0]["email"], &jobs[0]["name"]));
    assert_eq!(known(&env).await, (1, 2));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_of_whom_only_a_social_id_is_known_cannot_be_asked_yet() {
    let env = TestEnv::new().await;
    with_8x8(&env, |_| {}).await;
    let worker = env.worker().await;
    let nameless = handled().into_iter().map(|mut notice| {
        if notice["data"].is_object() {
            notice["data"]["user"] = json!({"userId": "u-4711"});
        }
        notice
    });
    send_all(&env, &nameless.collect::<Vec<_>>()).await;
    wait::until("the notice is done", || async {
        notices(&env).await == [(Some("no_address".to_owned()), false)]
    })
    .await;
    assert_eq!((jobs(&env).await.len(), known(&env).await), (0, (1, 1)));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handed_over_chat_waits_for_its_last_agent_and_asks_about_them() {
    let env = TestEnv::new().await;
    with_8x8(&env, |_| {}).await;
    let lea = postrider_domain::company::Member {
        email: None,
        custom_id: Some("agLea".to_owned()),
        name: Some("Lea Leader".to_owned()),
        role: postrider_domain::company::Role::Leader,
        approved: true,
    };
    let policy = env.ledger.companies().await.expect("asked").remove(0).policy;
    env.apply(&policy, &[company::paul(), lea]).await;
    let worker = env.worker().await;
    let mut told = handled();
    told.retain(|notice| !is(notice, "InteractionDeleted"));
    told.push(event("InteractionAccepted", "agLea", 20));
    told.push(event("InteractionDeleted", "agLea", 22));
    send_all(&env, &told).await;
    assert_eq!(notices(&env).await, [], "the first agent's wrap-up is not the end");
    send_all(&env, &[event("InteractionEndPostProcess", "agLea", 21)]).await;
    env.all_are(1, "delivered").await;
    assert_eq!(jobs(&env).await[0]["employee"], json!("agLea"));
    env.nothing_left(worker).await;
}

/// Requests are made some time after the end.
fn settling(policy: &mut postrider_domain::company::Policy) {
    let postrider_domain::company::ConnectorSettings::EightByEight(settings) =
        &mut policy.connectors[0].settings
    else {
        panic!("8x8's recipe");
    };
    settings.debounce_secs = 2;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_is_taken_up_again_makes_its_request_after_its_next_end_whenever_that_is() {
    let env = TestEnv::new().await;
    with_8x8(&env, settling).await;
    // Whatever has to wait is given up at once, and would be looked at again in an hour.
    let worker = env.worker_with("recipes.give_up_secs = 0.0\nrecipes.delays_secs = [3600.0]").await;
    send_all(&env, &handled()).await;
    assert_eq!(notices(&env).await, [(None::<String>, false)]);
    send_all(&env, &[event("InteractionAccepted", "ABC789", 12)]).await;
    wait::until("the notice is taken back", || async { notices(&env).await.is_empty() }).await;
    assert_eq!((jobs(&env).await.len(), env.rejected(0).await.len()), (0, 0));
    send_all(&env, &[event("InteractionEndPostProcess", "ABC789", 13)]).await;
    env.all_are(1, "delivered").await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_while_the_request_is_about_to_be_made_still_counts() {
    let env = TestEnv::new().await;
    with_8x8(&env, settling).await;
    let worker = env.worker().await;
    send_all(&env, &handled()).await;
    let mut later = jane();
    later["email"] = json!("jane.new@example.com");
    let mut update = conversation("Facebook", later);
    update["timestamp"] = json!(1_713_100_009_000_i64);
    send_all(&env, &[update]).await;
    env.all_are(1, "delivered").await;
    assert_eq!(jobs(&env).await[0]["email"], json!("jane.new@example.com"));
    env.nothing_left(worker).await;
}
