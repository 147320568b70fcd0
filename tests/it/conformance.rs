//! One suite over all three providers: each fault that a call can meet, and the end state that follows.
//!
//! A row is one recipient's fault at the simulated provider; its columns are the expected rows of the ledger
//! and the number of messages that the provider really accepted. No row is ever accepted twice, except the one
//! where the SMTP relay answers "not accepted" after it accepted: that cannot be detected.

use std::{collections::HashMap, time::Duration};

use postrider::{
    dispatch::{breaker::BreakerState, lane::Lane},
    worker::Worker,
};
use postrider_domain::{company::Policy, ids::BlockKind, lifecycle::State};
use postrider_provider_simulator::Behaviour;
use serde_json::{Value, json};

use crate::support::{TestEnv, company, job, proxy::Proxy, wait};

/// Tries that the suite allows before a message is given up.
const TRIES_MAX: i16 = 3;

/// How one message ends.
#[derive(Debug, Clone, Copy, PartialEq)]
struct End {
    state: State,
    reason: Option<&'static str>,
    /// Where it is stable.
    code: Option<&'static str>,
    attempts: i16,
    /// 0 accepted, 1 refused, 2 unknown.
    outcome: i16,
    /// How often the provider took it.
    accepted: usize,
    block: Option<BlockKind>,
    /// The person counts as asked.
    kept: bool,
}

const DELIVERED: End = End {
    state: State::Delivered,
    reason: None,
    code: None,
    attempts: 1,
    outcome: 0,
    accepted: 1,
    block: None,
    kept: true,
};
const SENT: End = End { state: State::Sent, ..DELIVERED };
const AFTERWARDS: End = End { state: State::Failed, reason: Some("failed_at_provider"), ..DELIVERED };
const UNKNOWN: End =
    End { state: State::PresumedFailed, reason: Some("outcome_unknown"), outcome: 2, ..DELIVERED };
/// The same, and the provider had not taken it: we cannot know.
const UNTAKEN: End = End { accepted: 0, ..UNKNOWN };
const EXHAUSTED: End = End {
    state: State::PresumedFailed,
    reason: Some("retries_exhausted"),
    attempts: TRIES_MAX,
    outcome: 1,
    accepted: 0,
    kept: false,
    ..DELIVERED
};

const fn refused(reason: &'static str, code: &'static str) -> End {
    End { state: State::Failed, reason: Some(reason), attempts: 1, ..EXHAUSTED }.code(code)
}

impl End {
    const fn code(self, code: &'static str) -> End {
        End { code: Some(code), ..self }
    }

    const fn block(self, kind: BlockKind) -> End {
        End { block: Some(kind), ..self }
    }

    const fn attempts(self, attempts: i16) -> End {
        End { attempts, ..self }
    }
}

use BlockKind::{Complained, HardBounced, Stop, Unsubscribed};

/// Word, and its end at Twilio, Mailgun and a relay. A relay has no receipts: what it took stays sent.
const TABLE: [(&str, [End; 3]); 27] = [
    ("ok", [DELIVERED, DELIVERED, SENT]),
    ("slow", [DELIVERED, DELIVERED, SENT]),
    ("silent", [SENT, SENT, SENT]),
    ("flaky", [DELIVERED.attempts(2), DELIVERED.attempts(2), SENT.attempts(2)]),
    ("busy", [EXHAUSTED.code("20429"), EXHAUSTED.code("http_429"), EXHAUSTED.code("4.7.1")]),
    (
        "invalid",
        [
            refused("recipient_refused", "21211"),
            refused("recipient_refused", "http_400"),
            refused("recipient_refused", "5.1.1").block(HardBounced),
        ],
    ),
    (
        "optout",
        [
            refused("stop", "21610").block(Stop),
            AFTERWARDS.code("606").block(Unsubscribed),
            refused("refused_by_provider", "5.7.1"),
        ],
    ),
    (
        "spam",
        [
            AFTERWARDS.code("30007"),
            refused("refused_by_provider", "http_400"),
            refused("refused_by_provider", "5.7.1"),
        ],
    ),
    ("reset", [UNTAKEN.code("reset"), UNTAKEN.code("reset"), UNTAKEN.code("reset_after_data")]),
    ("acceptreset", [DELIVERED, DELIVERED, UNKNOWN.code("reset_after_data")]),
    ("hang", [DELIVERED, DELIVERED, UNKNOWN.code("timeout_after_data")]),
    ("cut", [DELIVERED, DELIVERED, UNKNOWN.code("reset_after_data")]),
    ("garbage", [DELIVERED, DELIVERED, UNKNOWN.code("reset_after_data")]),
    // At Mailgun it is a wrong path, so the account's fault: see the test after this table's.
    (
        "magnificent",
        [UNTAKEN.code("http_200_unreadable"), DELIVERED, refused("refused_by_provider", "5.6.0")],
    ),
    ("error", [UNTAKEN.code("20500"), UNTAKEN.code("http_500"), EXHAUSTED.code("4.3.0")]),
    // A relay's 451 is a refusal (RFC 5321), also where the relay lies.
    ("accepterror", [DELIVERED, DELIVERED, End { accepted: 3, ..EXHAUSTED.code("4.3.0") }]),
    ("dot451", [UNTAKEN.code("20503"), UNTAKEN.code("http_503"), EXHAUSTED.code("4.3.0")]),
    ("nodot", [DELIVERED, DELIVERED, UNKNOWN.code("timeout_after_data")]),
    ("dotreset", [DELIVERED, DELIVERED, UNKNOWN.code("reset_after_data")]),
    (
        "bounce",
        [AFTERWARDS.code("30005").block(HardBounced), AFTERWARDS.code("5.1.1").block(HardBounced), SENT],
    ),
    ("rejectedlater", [AFTERWARDS.code("30003"), AFTERWARDS, SENT]),
    ("softbounce", [DELIVERED, DELIVERED, SENT]),
    ("early", [DELIVERED, DELIVERED, SENT]),
    ("shuffled", [DELIVERED, DELIVERED, SENT]),
    ("latebounce", [DELIVERED.block(HardBounced), DELIVERED.block(HardBounced), SENT]),
    ("complain", [DELIVERED.block(Stop), DELIVERED.block(Complained), SENT]),
    ("unsubscribe", [DELIVERED.block(Stop), DELIVERED.block(Unsubscribed), SENT]),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Via {
    Twilio = 0,
    Mailgun = 1,
    Smtp = 2,
}

impl Via {
    fn recipient(self, number: usize) -> String {
        match self {
            Via::Twilio => format!("+1415555{number:04}"),
            Via::Mailgun | Via::Smtp => format!("customer.{number}@example.test"),
        }
    }

    fn job(self, recipient: &str) -> Value {
        let field = if self == Via::Twilio { "phone" } else { "email" };
        job::to(json!({ "name": "Jane", field: recipient }))
    }

    fn account(self) -> &'static str {
        match self {
            Via::Twilio => "blanca-twilio",
            Via::Mailgun => "blanca-mailgun",
            Via::Smtp => "blanca-smtp",
        }
    }

    /// The company's account at this provider, where the simulated one listens or elsewhere.
    fn at(self, policy: &mut Policy, http: std::net::SocketAddr, smtp: std::net::SocketAddr) {
        let email = match self {
            Via::Twilio | Via::Mailgun => company::mailgun("blanca", http),
            Via::Smtp => company::smtp("blanca", smtp),
        };
        policy.accounts = vec![company::twilio("blanca", http), email];
    }
}

/// The ledger's rows of one message.
#[derive(Debug, sqlx::FromRow)]
struct Found {
    recipient: String,
    state: i16,
    reason: Option<String>,
    code: Option<String>,
    attempt: i16,
    tries: i16,
    outcome: Option<i16>,
    provider_id: Option<String>,
    kinds: i32,
    held: i64,
}

async fn found(env: &TestEnv) -> Vec<Found> {
    sqlx::query_as(
        "select coalesce(r.customer_email, r.customer_phone) as recipient, m.state, m.reason, m.code, m.attempt,
            m.tries, m.outcome, m.provider_id, coalesce(b.kinds, 0) as kinds,
            (select count(*) from reservation c where c.request = r.id) as held
        from message m join request r on r.id = m.request left join block b on b.address_hash = m.address_hash order by m.id",
    )
    .fetch_all(&env.pool)
    .await
    .expect("the ledger answers")
}

async fn bed_of(via: Via) -> TestEnv {
    let env = TestEnv::new().await;
    let company::Providers { http, smtp } = env.providers();
    env.company("blanca", |policy| via.at(policy, http, smtp)).await;
    env.simulator.set_behaviour(Behaviour { slow: Duration::from_millis(400), ..Behaviour::default() });
    env
}

/// Publishes a job for each word; gives the word of each recipient.
async fn publish(env: &TestEnv, via: Via, words: &[&'static str]) -> HashMap<String, &'static str> {
    env.consuming().await;
    let producer = env.producer().await;
    let mut recipients = HashMap::new();
    for (number, word) in words.iter().enumerate() {
        let recipient = via.recipient(number + 100);
        env.simulator.set_recipient_fault(&recipient, word);
        let body = via.job(&recipient).to_string();
        assert!(producer.publish("requests.blanca", None, body.as_bytes()).await, "the job is routed");
        recipients.insert(recipient, *word);
    }
    recipients
}

/// How the provider saw a recipient: calls made, messages taken.
fn seen(env: &TestEnv, recipient: &str) -> (usize, usize) {
    let calls = env.simulator.calls().iter().filter(|call| call.recipient == recipient).count();
    let accepted = env.simulator.accepted().iter().filter(|one| one.recipient == recipient).count();
    (calls, accepted)
}

async fn conforms(via: Via) {
    let env = bed_of(via).await;
    // Breakers have a test of their own; here they would only slow every row.
    let worker = env.worker_with(&format!("retry.tries_max = {TRIES_MAX}\nbreaker.failures = 1000")).await;
    let words: Vec<&'static str> = TABLE
        .iter()
        .map(|(word, _)| *word)
        .filter(|word| !(via == Via::Mailgun && *word == "magnificent"))
        .collect();
    let recipients = publish(&env, via, &words).await;
    wait::until("nothing is on its way any more", || async {
        let found = found(&env).await;
        found.len() == words.len() && found.iter().all(|one| one.state > State::Unknown.code())
    })
    .await;
    env.simulator.webhooks_settled().await;
    let mut wrong = Vec::new();
    for one in found(&env).await {
        let word = recipients[&one.recipient];
        let (_, ends) = TABLE.iter().find(|(listed, _)| *listed == word).expect("published from the table");
        let expected = ends[via as usize];
        let (calls, accepted) = seen(&env, &one.recipient);
        let end = End {
            state: State::from_code(one.state).expect("a known state"),
            reason: expected.reason.filter(|reason| one.reason.as_deref() == Some(*reason)),
            code: expected.code.filter(|code| one.code.as_deref() == Some(*code)),
            attempts: one.attempt,
            outcome: one.outcome.unwrap_or(-1),
            accepted,
            block: BlockKind::strongest(one.kinds),
            kept: one.held > 0,
        };
        let counted = one.tries == one.attempt && calls == one.attempt as usize;
        let reason_gone = expected.reason.is_some() || one.reason.is_none();
        if end != expected || !counted || !reason_gone {
            wrong.push(format!(
                "{word}: {calls} calls, {accepted} accepted, expected\n{expected:?}\nfound {one:?}"
            ));
        }
        let id_known = one.provider_id.is_some() || accepted == 0 || via == Via::Smtp;
        assert!(id_known, "{word}: an accepted message has its id, at the latest by receipt: {one:?}");
    }
    assert!(wrong.is_empty(), "{via:?}:\n{}", wrong.join("\n"));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_twilio_comes_to_its_end() {
    conforms(Via::Twilio).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_mailgun_comes_to_its_end() {
    conforms(Via::Mailgun).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_relay_comes_to_its_end() {
    conforms(Via::Smtp).await;
}

fn lane(worker: &Worker, account: &str) -> std::sync::Arc<Lane> {
    let lanes = worker.acceptor.as_ref().and_then(|acceptor| acceptor.fast_path.lanes.clone());
    let all = lanes.expect("this worker dispatches").all();
    let found = all.values().find(|lane| lane.settings.id == account);
    std::sync::Arc::clone(found.expect("the account has its lane"))
}

async fn waiting_again(env: &TestEnv) -> Found {
    wait::until_some("the first message waits after two attempts", || async {
        found(env)
            .await
            .into_iter()
            .find(|one| one.state == State::Waiting.code() && one.attempt >= 2 && one.reason.is_some())
    })
    .await
}

async fn account_refused(via: Via, word: &'static str, code: &str) {
    let env = bed_of(via).await;
    let worker = env.worker_with("retry.tries_max = 2").await;
    let recipients = publish(&env, via, &[word]).await;
    let recipient = recipients.keys().next().expect("one was published").clone();
    let one = waiting_again(&env).await;
    assert_eq!(
        (one.reason.as_deref(), one.code.as_deref(), one.tries, one.outcome),
        (Some("account_misconfigured"), Some(code), 0, Some(1)),
        "{one:?}"
    );
    assert!(one.held > 0, "a waiting message keeps its reservation");
    assert_ne!(lane(&worker, via.account()).breaker_state(), BreakerState::Closed);
    assert_eq!(seen(&env, &recipient).1, 0);
    env.simulator.set_recipient_fault(&recipient, "ok");
    let status = if via == Via::Smtp { "sent" } else { "delivered" };
    env.all_are(1, status).await;
    assert_eq!(lane(&worker, via.account()).breaker_state(), BreakerState::Closed);
    assert_eq!(seen(&env, &recipient).1, 1);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_account_burns_no_tries_and_opens_its_breaker() {
    tokio::join!(
        account_refused(Via::Twilio, "misconfigured", "20003"),
        account_refused(Via::Mailgun, "misconfigured", "http_401"),
        account_refused(Via::Mailgun, "magnificent", "wrong_path"),
        account_refused(Via::Smtp, "misconfigured", "5.7.26"),
    );
}

/// No server listens at the account's address; `mended` says whether the address or the account changes.
async fn unreachable(via: Via, mended: bool) {
    let env = TestEnv::new().await;
    let company::Providers { http, smtp } = env.providers();
    let mut closed_http = Proxy::closed(http);
    let mut closed_smtp = Proxy::closed(smtp);
    env.company("blanca", |policy| via.at(policy, closed_http.addr, closed_smtp.addr)).await;
    let worker = env.worker_with("retry.tries_max = 2\nbreaker.failures = 2").await;
    let recipients = publish(&env, via, &["ok"]).await;
    let recipient = recipients.keys().next().expect("one was published").clone();
    let one = waiting_again(&env).await;
    assert_eq!(
        (one.reason.as_deref(), one.code.as_deref(), one.tries, one.outcome),
        (Some("not_called"), Some("connect"), 0, Some(1)),
        "{one:?}"
    );
    assert_ne!(lane(&worker, via.account()).breaker_state(), BreakerState::Closed);
    assert_eq!(seen(&env, &recipient), (0, 0));
    if mended {
        env.company("blanca", |policy| via.at(policy, http, smtp)).await;
    } else {
        closed_http.open();
        closed_smtp.open();
    }
    let status = if via == Via::Smtp { "sent" } else { "delivered" };
    env.all_are(1, status).await;
    // The receipt can be faster than the settling, which counts the try.
    env.no_lease().await;
    let one = found(&env).await.remove(0);
    let counted = (one.tries, one.outcome, one.reason);
    assert_eq!(counted, (1, Some(0), None), "only the call that was made counts");
    assert_eq!(seen(&env, &recipient), (1, 1));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_connection_nothing_counts_until_a_server_listens_or_the_account_is_mended() {
    tokio::join!(
        unreachable(Via::Twilio, true),
        unreachable(Via::Twilio, false),
        unreachable(Via::Mailgun, true),
        unreachable(Via::Mailgun, false),
        unreachable(Via::Smtp, true),
        unreachable(Via::Smtp, false),
    );
}
