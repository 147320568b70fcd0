//! Responses of customers: a request is completed once, by the response or by the receipt that comes first.
//!
//! Responses come over the broker or through the acceptor here; over HTTP they are tested with the API.

mod others;

use std::collections::BTreeSet;

use futures_util::future::{join, join_all};
use postrider::{
    intake::{AcceptOutcome, Acceptor, InboundJob, responses::ResponseOutcome},
    requests::views::page,
    worker::Worker,
};
use postrider_clock::random_id;
use postrider_ledger::{list::ListFilter, requests::ActionOrigin};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestEnv, broker::Look, job, process::Process, sql::with_states, wait};

/// Asked in an hour: whatever ends it before is no provider.
/// A job in an hour, with these fields besides.
fn in_an_hour(phone: &str, more: Value) -> Value {
    job::with(job::with(job::by_sms(phone), json!({ "delay_secs": 3_600 })), more)
}

fn response(id: &str, more: Value) -> Value {
    let mut response = json!({ "response_id": id });
    response.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    response
}

fn responding(body: &Value) -> InboundJob {
    InboundJob {
        routing: "responses.blanca".to_owned(),
        ..job::inbound("blanca", body.to_string().as_bytes())
    }
}

/// Changes the world as no worker would.
async fn change(env: &TestEnv, statement: &'static str) {
    sqlx::query(statement).execute(&env.pool).await.expect("the ledger answers");
}

/// A test environment with a worker that accepts everything and sends nothing.
struct World {
    env: TestEnv,
    acceptor: Acceptor,
    worker: Worker,
}

impl World {
    async fn new() -> World {
        let env = TestEnv::new().await;
        env.company("blanca", |_| {}).await;
        let worker = env.worker_with("roles.dispatch = false").await;
        let acceptor = worker.acceptor.clone().expect("this worker takes jobs");
        World { env, acceptor, worker }
    }

    async fn accept(&self, job: &Value) -> Uuid {
        let answers = self.acceptor.accept(&[job::inbound("blanca", job.to_string().as_bytes())]).await;
        match answers.expect("the ledger answers").pop() {
            Some(AcceptOutcome::Accepted { id, .. }) => id,
            other => panic!("no new request: {other:?}"),
        }
    }

    async fn accept_responses(&self, response: &Value) -> ResponseOutcome {
        let heard = self.acceptor.accept_responses(&[responding(response)]).await;
        heard.expect("the ledger answers").pop().expect("one is heard")
    }

    /// The requests that a response completes by now.
    async fn completes(&self, response: &Value) -> Vec<Uuid> {
        match self.accept_responses(response).await {
            ResponseOutcome::Kept(kept) => kept.requests,
            other => panic!("not kept: {other:?}"),
        }
    }

    async fn count(&self, statement: &'static str) -> i64 {
        let (count,): (i64,) = sqlx::query_as(with_states(statement))
            .fetch_one(&self.env.pool)
            .await
            .expect("the ledger answers");
        count
    }

    /// How everything stands in the end, but for ids and times.
    async fn outcome(&self) -> (String, Option<String>, i64, i64, i64, i64) {
        let standing = self.env.standings().await.pop().expect("there is a request");
        let due = self.count("select count(*) from due").await;
        let reserved = self.count("select count(*) from reservation").await;
        let answers = self.count("select count(*) from answer where response is not null").await;
        let endings = self.count("select count(*) from ending where state = {Suppressed}").await;
        (standing.status.to_owned(), standing.reason, due, reserved, answers, endings)
    }

    async fn end(self) {
        self.env.nothing_left(self.worker).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_over_amqp_completes_its_request_and_nothing_more_is_sent() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.publish(&in_an_hour("+14155550001", json!({}))).await;
    let id = env.all_are(1, "queued").await[0].id;
    let answered_at = "2026-03-01T09:00:00Z";
    let body = response("r-1", json!({ "request_id": id, "answered_at": answered_at, "score": 5 }));
    env.publish_to("responses.blanca", None, body.to_string().as_bytes()).await;
    let standing = &env.all_are(1, "suppressed").await[0];
    assert_eq!(standing.reason.as_deref(), Some("answered"));
    let shown = env.ledger.request(id).await.expect("asked").expect("it is there");
    assert_eq!(shown.answered_at.map(|at| at.to_rfc3339()), Some("2026-03-01T09:00:00+00:00".to_owned()));
    let listed = page::fetch_page(&env.ledger, &ListFilter::default(), None, 9).await.expect("asked").rows;
    assert_eq!(listed[0].answered_at, shown.answered_at, "the list shows it as well");
    assert!(env.simulator.accepted().is_empty());
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn either_order_of_a_request_and_its_response_ends_the_same() {
    let former = random_id();
    let named = [
        (json!({ "former_id": former }), json!({ "request_id": former })),
        (json!({ "ext_interaction_id": "call-7" }), json!({ "ext_interaction_id": "call-7" })),
    ];
    for (of_job, of_response) in named {
        let mut ends = Vec::new();
        for response_first in [false, true] {
            let world = World::new().await;
            let job = in_an_hour("+14155550002", of_job.clone());
            let response = response("r-1", of_response.clone());
            let id = match response_first {
                false => {
                    let id = world.accept(&job).await;
                    assert_eq!(world.completes(&response).await, [id]);
                    id
                }
                true => {
                    assert!(world.completes(&response).await.is_empty(), "the request is not known yet");
                    let id = world.accept(&job).await;
                    assert_eq!(world.completes(&response).await, [id], "the same again knows more by then");
                    id
                }
            };
            let shown = world.env.ledger.request(id).await.expect("asked").expect("it is there");
            assert!(shown.answered_at.is_some());
            ends.push(world.outcome().await);
            world.end().await;
        }
        assert_eq!(ends[0], ends[1]);
        assert_eq!(ends[0], ("suppressed".to_owned(), Some("answered".to_owned()), 0, 0, 1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_its_response_that_come_in_one_instant_always_meet() {
    const PAIRS: usize = 150;
    let world = World::new().await;
    let pairs = (0..PAIRS).map(|n| {
        let job =
            in_an_hour(&format!("+1415556{n:04}"), json!({ "ext_interaction_id": format!("call-{n}") }));
        let response = response(&format!("r-{n}"), json!({ "ext_interaction_id": format!("call-{n}") }));
        let world = &world;
        async move {
            let heard = async {
                // Now this one is first and now that.
                for _ in 0..n % 7 {
                    world.env.ledger.ping().await.expect("the ledger answers");
                }
                world.accept_responses(&response).await
            };
            let accepted = async {
                for _ in 0..n / 7 % 7 {
                    world.env.ledger.ping().await.expect("the ledger answers");
                }
                world.accept(&job).await
            };
            join(accepted, heard).await
        }
    });
    join_all(pairs).await;
    // The rest is the sweep's part, which is due at once here.
    change(&world.env, "update awaited set check_at = now()").await;
    while world.env.ledger.awaited_due(200).await.expect("swept") > 0 {}
    assert_eq!(world.count("select count(*) from answer").await, PAIRS as i64);
    let standings = world.env.standings().await;
    assert!(standings.iter().all(|one| one.reason.as_deref() == Some("answered")), "{standings:?}");
    assert_eq!(world.count("select count(*) from reservation").await, 0, "no customer was asked");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_both_sides_missed_is_found_by_the_sweep_of_a_worker() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let taker = env.worker_with("roles.dispatch = false").await;
    let acceptor = taker.acceptor.clone().expect("this worker takes jobs");
    let body = response("r-1", json!({ "ext_interaction_id": "call-7" }));
    acceptor.accept_responses(&[responding(&body)]).await.expect("heard");
    // As if the job had been gathered before the response was written: it finds nothing that waits.
    change(&env, "create table aside as select * from awaited").await;
    change(&env, "delete from awaited").await;
    let job = in_an_hour("+14155550003", json!({ "ext_interaction_id": "call-7" }));
    acceptor.accept(&[job::inbound("blanca", job.to_string().as_bytes())]).await.expect("accepted");
    assert_eq!(env.standings().await[0].status, "queued", "it missed the response");
    change(&env, "insert into awaited select * from aside").await;
    let sweeper = env.worker_with("roles.web = false\nroles.intake = false").await;
    assert_eq!(env.all_are(1, "suppressed").await[0].reason.as_deref(), Some("answered"));
    assert!(sweeper.stop().await);
    env.nothing_left(taker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_response_again_is_told_the_same_and_another_under_its_id_is_a_conflict() {
    let world = World::new().await;
    let id = world.accept(&in_an_hour("+14155550004", json!({}))).await;
    let said = response("r-1", json!({ "request_id": id, "score": 3 }));
    let first = world.accept_responses(&said).await;
    assert!(matches!(&first, ResponseOutcome::Kept(kept) if kept.requests == [id]));
    assert_eq!(world.accept_responses(&said).await, first);
    let twice =
        world.acceptor.accept_responses(&[responding(&said), responding(&said)]).await.expect("heard");
    assert_eq!(twice, [first.clone(), first], "in one batch, too");
    let other = response("r-1", json!({ "request_id": id, "score": 4 }));
    assert!(matches!(world.accept_responses(&other).await, ResponseOutcome::Conflict(_)));
    assert_eq!(world.count("select count(*) from response").await, 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_cannot_be_taken_is_kept_as_rejected_and_stops_no_other() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    env.publish(&in_an_hour("+14155550005", json!({}))).await;
    let id = env.all_are(1, "queued").await[0].id;
    let nothing = response("r-0", json!({ "stars": 5 })).to_string();
    let good = response("r-1", json!({ "request_id": id })).to_string();
    let other = response("r-1", json!({ "request_id": id, "score": 1 })).to_string();
    for (key, body) in [
        ("responses.blanca", "{"),
        // The same mistake again only counts, also within one batch.
        ("responses.blanca", "{"),
        ("responses.blanca", nothing.as_str()),
        ("responses.nobody", good.as_str()),
        ("responses.blanca", good.as_str()),
        ("responses.blanca", other.as_str()),
    ] {
        env.publish_to(key, None, body.as_bytes()).await;
    }
    let codes: BTreeSet<String> = env.rejected(4).await.into_iter().collect();
    let wanted = ["conflict", "not_json", "unknown_company", "unknown_field"].map(str::to_owned);
    assert_eq!(codes, BTreeSet::from(wanted));
    wait::until("each refusal is counted", || async {
        let (times,): (i64,) =
            sqlx::query_as("select sum(times) from rejected_job").fetch_one(&env.pool).await.expect("asked");
        times == 5
    })
    .await;
    assert_eq!(env.all_are(1, "suppressed").await[0].reason.as_deref(), Some("answered"));
    assert_eq!(env.ready("parked").await, 0);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_before_the_commit_leaves_the_response_to_the_next() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let first = Process::start(&env, "");
    env.publish(&in_an_hour("+14155550006", json!({ "ext_interaction_id": "call-7" }))).await;
    env.all_are(1, "queued").await;
    let mut lock = env.pool.begin().await.expect("begun");
    sqlx::query("lock table response in access exclusive mode").execute(&mut *lock).await.expect("locked");
    let body = response("r-1", json!({ "ext_interaction_id": "call-7" }));
    env.publish_to("responses.blanca", None, body.to_string().as_bytes()).await;
    let look = Look::at(&env.amqp_url, &env.amqp_name).await;
    wait::until("the response is taken", || async { look.ready("responses").await == 0 }).await;
    drop(first);
    lock.rollback().await.expect("let go");
    wait::until("the response is back", || async { look.ready("responses").await == 1 }).await;
    let worker = env.worker().await;
    assert_eq!(env.all_are(1, "suppressed").await[0].reason.as_deref(), Some("answered"));
    wait::until("it is acknowledged", || async { look.ready("responses").await == 0 }).await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_request_that_is_answered_ends_and_a_delivered_one_keeps_its_status() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let mut at_once = in_an_hour("+14155550007", json!({ "ext_interaction_id": "call-1" }));
    at_once["delay_secs"] = json!(0);
    env.publish(&at_once).await;
    env.all_are(1, "delivered").await;
    let acceptor = worker.acceptor.clone().expect("this worker takes jobs");
    let paused = in_an_hour("+14155550008", json!({ "ext_interaction_id": "call-2" }));
    acceptor.accept(&[job::inbound("blanca", paused.to_string().as_bytes())]).await.expect("accepted");
    let id = env.standings().await[1].id;
    assert!(
        env.ledger
            .pause(postrider_domain::ids::MessageId(id), ActionOrigin::PROGRAM)
            .await
            .expect("asked")
            .is_some()
    );
    for n in [1, 2] {
        let body = response(&format!("r-{n}"), json!({ "ext_interaction_id": format!("call-{n}") }));
        acceptor.accept_responses(&[responding(&body)]).await.expect("heard");
    }
    let standings = env.standings().await;
    assert_eq!((standings[0].status, standings[0].reason.as_deref()), ("delivered", None));
    assert_eq!((standings[1].status, standings[1].reason.as_deref()), ("suppressed", Some("answered")));
    for one in standings {
        let shown = env.ledger.request(one.id).await.expect("asked").expect("it is there");
        assert!(shown.answered_at.is_some(), "both are completed");
    }
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interactions_response_completes_every_request_about_it_also_one_to_come() {
    let world = World::new().await;
    let interaction = json!({ "ext_interaction_id": "call-7" });
    let first = world.accept(&in_an_hour("+14155550009", interaction.clone())).await;
    let second = world.accept(&in_an_hour("+14155550010", interaction.clone())).await;
    let other = world.accept(&in_an_hour("+14155550011", json!({ "ext_interaction_id": "call-8" }))).await;
    let said = response("r-1", interaction.clone());
    assert_eq!(world.completes(&said).await, [first, second]);
    let third = world.accept(&in_an_hour("+14155550012", interaction)).await;
    assert_eq!(world.completes(&said).await, [first, second, third]);
    for (id, answered) in [(first, true), (second, true), (third, true), (other, false)] {
        let shown = world.env.ledger.request(id).await.expect("asked").expect("it is there");
        assert_eq!(shown.answered_at.is_some(), answered);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_waits_for_its_request_for_its_time_and_no_longer() {
    let world = World::new().await;
    let former = random_id();
    world.accept_responses(&response("r-1", json!({ "request_id": former }))).await;
    change(&world.env, "update awaited set until = now(), check_at = now()").await;
    assert_eq!(world.env.ledger.awaited_due(10).await.expect("swept"), 1);
    assert_eq!(world.count("select count(*) from awaited").await, 0);
    world.accept(&in_an_hour("+14155550013", json!({ "former_id": former }))).await;
    assert_eq!(world.env.standings().await[0].status, "queued");
    world.end().await;
}
