//! Requests over HTTP: the list and its pages, one request and its why, and what a person does to one.
//!
//! Retries as such are in `retries`; here is what a caller sends and hears. Many at once: `bulk`.

mod paging;

use std::collections::HashSet;

use postrider::{api::Scope, worker::Worker};
use serde_json::{Value, json};

use crate::support::{TestEnv, api::Client, job, sql::with_states, wait};

/// A company, a worker that sends nothing, and a caller.
pub struct House {
    pub env: TestEnv,
    pub worker: Worker,
    pub client: Client,
}

impl House {
    pub async fn new() -> House {
        let env = TestEnv::new().await;
        env.company("blanca", |_| {}).await;
        let worker = env.worker_with("roles.dispatch = false").await;
        let client = env.client("blanca").await;
        House { env, worker, client }
    }

    /// Accepts jobs that differ from the usual one; gives their requests' ids, oldest first.
    pub async fn accept(&self, changes: &[Value]) -> Vec<String> {
        let acceptor = self.worker.acceptor.as_ref().expect("takes jobs");
        let before: HashSet<_> = self.ids().await.into_iter().collect();
        for (number, change) in changes.iter().enumerate() {
            let mut job = json!({
                "customer": { "name": "Jane Doe", "custom_id": format!("c{number}-{}", before.len()) },
                "employee": { "email": "paulagent@blancapeak.com" },
                "channel": "phone",
                "delay_secs": 3_600,
            });
            job["customer"]["phone"] = json!(format!("+1415{:07}", before.len() + number));
            merge(&mut job, change);
            let answers = acceptor.accept(&[job::inbound("blanca", job.to_string().as_bytes())]).await;
            let answer = answers.expect("accepted").pop().expect("an answer");
            assert!(matches!(answer, postrider::intake::AcceptOutcome::Accepted { .. }), "{answer:?}");
        }
        self.ids().await.into_iter().filter(|id| !before.contains(id)).collect()
    }

    async fn ids(&self) -> Vec<String> {
        self.env.standings().await.into_iter().map(|standing| standing.id.to_string()).collect()
    }

    pub async fn change(&self, statement: &'static str) {
        sqlx::raw_sql(with_states(statement)).execute(&self.env.pool).await.expect("the ledger answers");
    }

    async fn found(&self, query: &str) -> Vec<String> {
        let answer = self.client.get(&format!("/v1/requests?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text);
        listed(&answer.json)
    }

    pub async fn end(self) {
        self.env.nothing_left(self.worker).await;
    }
}

fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change.clone(),
    }
}

fn listed(page: &Value) -> Vec<String> {
    let lines = page["requests"].as_array().expect("a list");
    lines.iter().map(|line| line["request_id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_each_request_once_while_others_arrive() {
    let house = House::new().await;
    let mut expected = house.accept(&vec![json!({}); 7]).await;
    expected.reverse();
    for filter in ["", "&status=queued"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let answer = house.client.get(&format!("/v1/requests?limit=2{filter}{cursor}")).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            seen.extend(listed(&answer.json));
            house.accept(&[json!({})]).await;
            match answer.json["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let newer = seen.len() - expected.len();
        assert_eq!(seen[newer..], expected, "{filter}: newest first, each once");
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len(), "{filter}");
        // The first page of the second round shows what came during the first.
        assert!(filter.is_empty() == (newer == 0), "{filter}: {newer} newer ones");
    }
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_finds_its_own() {
    let house = House::new().await;
    let ids = house
        .accept(&[
            json!({ "customer": { "name": "Zoe Zett", "email": "Zoe@Example.com" }, "tags": ["vip", "a,b"],
                "brand": "blancagold", "ext_interaction_id": "call 7" }),
            json!({ "customer": { "custom_id": "C-9" }, "channel": "chat", "medium": "sms" }),
            json!({ "do_not_send": true }),
        ])
        .await;
    for (query, found) in [
        ("status=suppressed", 2),
        ("status=suppressed,failed", 2),
        ("reason=do_not_send", 2),
        ("medium=email", 0),
        ("channel=chat", 1),
        ("brand=blancagold", 0),
        ("employee=PaulAgent@blancapeak.com&channel=chat", 1),
        ("tag=vip", 0),
        ("tag=a%2Cb", 0),
        ("q=zoe@example.com", 0),
        ("q=%2B1%20415-000-0001", 1),
        ("q=C-9", 1),
        ("q=call%207", 0),
        ("q=zoe&from=2020-01-01", 0),
        ("to=2020-01-01", 9),
        ("test=true", 9),
        ("source=http", 9),
        ("q=zoe", 9),
        ("status=delivered", 9),
    ] {
        let expected: Vec<String> = ids.get(found).cloned().into_iter().collect();
        assert_eq!(house.found(query).await, expected, "{query}");
    }
    assert_eq!(house.found("from=2020-01-01&source=amqp&test=false").await.len(), 3);
    for (query, field) in [
        ("status=lost", "status"),
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("cursor=x", "cursor"),
        ("from=then", "from"),
        ("colour=red", "colour"),
        ("q=%00", "q"),
    ] {
        let answer = house.client.get(&format!("/v1/requests?{query}")).await;
        assert_eq!((answer.status, answer.fields()), (422, vec![field]), "{query}: {}", answer.text);
    }
    assert_eq!(house.client.get("/v1/requests?tag=a&tag=b").await.status, 400, "one of them would be lost");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_is_shown_whole_and_says_why_it_stands_as_it_does() {
    let house = House::new().await;
    let id =
        house.accept(&[json!({ "tags": ["vip"], "custom_properties": { "shop": "Rome" } })]).await[0].clone();
    let shown = house.client.get(&format!("/v1/requests/{id}")).await.json;
    assert_eq!((shown["status"].as_str(), shown["detail"].as_str()), (Some("queued"), Some("waiting")));
    assert_eq!((&shown["tags"], &shown["custom_properties"]["shop"]), (&json!(["vip"]), &json!("Rome")));
    assert_eq!(shown["timeline"][0]["event"], "accepted");
    assert_eq!(shown["messages"][0]["message_id"], json!(id));
    let why = house.client.get(&format!("/v1/requests/{id}/why")).await.json;
    assert_eq!(why["verdict"], "send");
    let rules: Vec<&str> =
        why["rules"].as_array().expect("rules").iter().filter_map(|rule| rule["rule"].as_str()).collect();
    assert!(rules.contains(&"suppression_period") && rules.contains(&"blocked"), "{rules:?}");
    assert!(why["next"]["text"].as_str().is_some_and(|text| text.starts_with("it is sent at")), "{why}");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_pauses_resumes_and_cancels_and_doing_it_twice_changes_nothing() {
    let house = House::new().await;
    let id = house.accept(&[json!({})]).await[0].clone();
    let act = async |act: &str| house.client.post(&format!("/v1/requests/{id}/{act}"), &json!({})).await;
    for (word, result, already) in [
        ("pause", "paused", false),
        ("pause", "paused", true),
        ("resume", "resumed", false),
        ("resume", "not_paused", true),
        ("cancel", "canceled", false),
        ("cancel", "canceled", true),
    ] {
        let answer = act(word).await;
        assert_eq!(answer.status, 200, "{word}: {}", answer.text);
        assert_eq!((&answer.json["result"], &answer.json["already"]), (&json!(result), &json!(already)));
    }
    for word in ["pause", "resume"] {
        let answer = act(word).await;
        assert_eq!((answer.status, answer.as_str()), (409, "over"), "{}", answer.text);
        assert!(answer.text.contains("canceled"), "the end is named: {}", answer.text);
    }
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_on_record_with_its_actor_and_one_without_effect_is_not() {
    let house = House::new().await;
    let id = house.accept(&[json!({})]).await[0].clone();
    for act in ["pause", "pause", "resume", "resume", "cancel", "cancel", "pause"] {
        house.client.post(&format!("/v1/requests/{id}/{act}"), &json!({})).await;
    }
    let key = house.client.get("/v1/key").await.json["id"].clone();
    let shown = house.client.get(&format!("/v1/requests/{id}")).await.json;
    let told: Vec<_> = shown["timeline"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| (event["event"].clone(), event["what"].clone(), event["key_id"].clone()))
        .collect();
    let act = |word: &str| (json!(word), json!("through a test"), key.clone());
    let expected = [
        (json!("accepted"), Value::Null, Value::Null),
        act("paused"),
        act("resumed"),
        act("canceled"),
        (json!("ended"), json!("canceled"), Value::Null),
    ];
    assert_eq!(told, expected);
    assert!(key.is_string());
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_customer_answered_is_shown_with_the_request() {
    let house = House::new().await;
    let id = house.accept(&[json!({})]).await[0].clone();
    let path = format!("/v1/requests/{id}");
    assert_eq!(house.client.get(&path).await.json["answer"], Value::Null);
    let said = json!({ "response_id": "r-1", "request_id": id, "score": 4, "comment": "Good,\nthanks",
        "custom_properties": { "survey": "spring" } });
    let answer = house.client.post("/v1/responses", &said).await;
    assert_eq!(answer.json["status"], "completed", "{}", answer.text);
    let mut shown = house.client.get(&path).await.json;
    assert!(shown["answer"]["received_at"].take().is_string());
    let expected = json!({ "source": "http", "response_id": "r-1", "received_at": null, "score": 4,
        "comment": "Good,\nthanks", "custom_properties": { "survey": "spring" } });
    assert_eq!(shown["answer"], expected);
    let why = house.client.get(&format!("{path}/why")).await;
    assert!(why.json["since"].as_str().is_some_and(|since| since.ends_with(", score 4")), "{}", why.text);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_begun_is_handed_over() {
    let house = House::new().await;
    let ids = house.accept(&[json!({}), json!({})]).await;
    house
        .change("update message set state = {Sending}, attempt = 1, begun_at = now(); delete from due")
        .await;
    let cancel = house.client.post(&format!("/v1/requests/{}/cancel", ids[0]), &json!({})).await;
    assert_eq!((cancel.status, cancel.as_str()), (409, "handed_over"));
    assert!(cancel.json["detail"].as_str().is_some_and(|text| text.starts_with("handed over at 2")));
    let pause = house.client.post(&format!("/v1/requests/{}/pause", ids[1]), &json!({})).await;
    assert_eq!((pause.status, &pause.json["result"]), (200, &json!("under_way")), "{}", pause.text);
    house.change("update message set state = {Sent}, settled_at = now(), outcome = 0").await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_over_http_is_on_record_and_needs_to_know_what_may_double() {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    env.simulator.set_recipient_fault("+14155552671", "reset");
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    env.publish(&json!({
        "customer": { "phone": "+14155552671" },
        "employee": { "email": "paulagent@blancapeak.com" },
        "channel": "phone",
    }))
    .await;
    let failed = env.all_are(1, "failed").await;
    assert_eq!(failed[0].reason.as_deref(), Some("outcome_unknown"));
    let path = format!("/v1/requests/{}/retry", failed[0].id);
    let nobody = client.post(&path, &json!({})).await;
    assert_eq!(nobody.status, 422, "{}", nobody.text);
    let unknowing = client.post(&path, &json!({ "requested_by": "Ann" })).await;
    assert_eq!((unknowing.status, unknowing.as_str()), (409, "outcome_unknown"), "{}", unknowing.text);
    env.simulator.set_recipient_fault("+14155552671", "ok");
    let knowing = json!({ "requested_by": "Ann", "note": "she called", "acknowledge_possible_duplicate": true,
        "of": failed[0].id });
    let first = client.post(&path, &knowing).await;
    assert_eq!((first.status, &first.json["already"]), (202, &json!(false)), "{}", first.text);
    let again = client.post(&path, &knowing).await;
    assert_eq!((again.status, &again.json["already"]), (200, &json!(true)), "{}", again.text);
    assert_eq!(first.json["message_id"], again.json["message_id"], "a repeated call makes no second one");
    let shown = wait::until_some("the retry is delivered", || async {
        let shown = client.get(&format!("/v1/requests/{}", failed[0].id)).await.json;
        (shown["status"] == "delivered").then_some(shown)
    })
    .await;
    assert_eq!(shown["messages"][0]["status"], "failed", "the old one stays");
    let retry = &shown["messages"][1]["retry"];
    assert_eq!((&retry["requested_by"], &retry["through"]), (&json!("Ann"), &json!("a test")));
    assert_eq!(retry["acknowledged_possible_duplicate"], true);
    let line = &client.get("/v1/requests").await.json["requests"][0];
    assert_eq!(
        (&line["status"], &line["attempts"], &line["retries"]),
        (&json!("delivered"), &json!(2), &json!(0))
    );
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_sees_or_moves_the_requests_of_another_company() {
    let house = House::new().await;
    let id = house.accept(&[json!({})]).await[0].clone();
    house.env.company("other", |_| {}).await;
    let stranger = house.env.client("other").await;
    assert_eq!(listed(&stranger.get("/v1/requests").await.json), Vec::<String>::new());
    for path in ["", "/why"] {
        assert_eq!(stranger.get(&format!("/v1/requests/{id}{path}")).await.status, 404, "{path}");
    }
    for act in ["pause", "resume", "cancel", "retry"] {
        let answer =
            stranger.post(&format!("/v1/requests/{id}/{act}"), &json!({ "requested_by": "Eve" })).await;
        assert_eq!((answer.status, answer.as_str()), (404, "not_found"), "{act}: {}", answer.text);
    }
    let shown = house.client.get(&format!("/v1/requests/{id}")).await.json;
    assert_eq!((&shown["status"], &shown["paused"]), (&json!("queued"), &json!(false)));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_needs_read_and_acting_needs_manage_and_a_test_key_moves_tests_only() {
    let house = House::new().await;
    let id = house.accept(&[json!({})]).await[0].clone();
    let cancel = format!("/v1/requests/{id}/cancel");
    let reader = house.env.client_with("blanca", true, &[Scope::Read]).await;
    assert_eq!(reader.get("/v1/requests").await.status, 200);
    assert_eq!(reader.post(&cancel, &json!({})).await.status, 403);
    let manager = house.env.client_with("blanca", true, &[Scope::Manage]).await;
    assert_eq!(manager.get(&format!("/v1/requests/{id}")).await.status, 403);
    let tester = house.env.client_with("blanca", false, &Scope::ALL).await;
    assert_eq!(tester.post(&cancel, &json!({})).await.status, 403);
    assert_eq!(house.env.standings().await[0].status, "queued", "nothing was done");
    assert_eq!(manager.post(&cancel, &json!({})).await.status, 200);
    house.end().await;
}
