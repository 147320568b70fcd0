//! Look-ups at the simulated providers, over real HTTP: what is found, what is absent, what is unclear.
//!
//! No ledger and no worker: a provider is connected as a lane connects it, an attempt is made, and the
//! provider is asked for it. `pretended` asks servers that do what no provider and no simulator does.

mod pretended;

use std::{net::SocketAddr, time::Duration};

use chrono::TimeDelta;
use postrider_domain::{
    company::Account,
    ids::{BlockKind, MessageId},
};
use postrider_provider_simulator::{Accepted, Behaviour, Simulator, SimulatorConfig};
use postrider_providers::{
    Correlation, HttpClient, LookupQuery, LookupResult, Outcome, Outgoing, OutgoingEmail, OutgoingSms, Proof,
    Provider, ReceiptKind, Timeouts, Token, build_provider,
};
use secrecy::SecretString;

use crate::support::{company, proxy::Proxy, wait};

const HOUR: Duration = Duration::from_secs(3_600);
const BOTH: [Via; 2] = [Via::Twilio, Via::Mailgun];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Via {
    Twilio,
    Mailgun,
}

impl Via {
    fn account(self, http: SocketAddr) -> Account {
        match self {
            Via::Twilio => company::twilio("blanca", http),
            Via::Mailgun => company::mailgun("blanca", http),
        }
    }

    fn recipient(self, number: usize) -> String {
        match self {
            Via::Twilio => format!("+1415555{number:04}"),
            Via::Mailgun => format!("customer.{number}@example.test"),
        }
    }

    /// As a lane is connected, with time enough for a busy machine.
    fn at(self, http: SocketAddr) -> Box<dyn Provider> {
        self.with(http, 20_000, None)
    }

    fn with(self, http: SocketAddr, timeout_millis: u64, secret: Option<&str>) -> Box<dyn Provider> {
        let whole = Duration::from_millis(timeout_millis);
        let timeouts = Timeouts { connect: whole, http: whole, smtp: whole };
        let simulated = SimulatorConfig::default();
        let secret = |variable: &str| {
            let given = secret.map(str::to_owned).unwrap_or_else(|| match variable {
                "POSTRIDER_SIMULATED_TWILIO" => simulated.twilio_auth_token.clone(),
                _ => simulated.mailgun_api_key.clone(),
            });
            Some(SecretString::from(given))
        };
        let client = HttpClient::new(&timeouts).expect("a client");
        build_provider(&self.account(http), &secret, &client, timeouts).expect("the secret is there")
    }

    /// An attempt at this recipient, as it goes out and as it is sought when its answer was lost.
    fn attempt(self, to: &str) -> (Outgoing, LookupQuery) {
        let (message, request) = (MessageId(postrider_clock::new_id()), postrider_clock::new_id());
        let correlation = Correlation { message, attempt: 2, token: Token([7; 16]) };
        let text = format!("How was it? https://survey.example.com/s/{request}");
        let outgoing = match self {
            Via::Twilio => Outgoing::Sms(OutgoingSms {
                to: to.to_owned(),
                text,
                status_callback: "http://127.0.0.1:9/status".to_owned(),
                correlation,
            }),
            Via::Mailgun => Outgoing::Email(OutgoingEmail {
                from_name: "Blanca".to_owned(),
                from_address: "ask@blancapeak.example".to_owned(),
                reply_to: None,
                to_name: None,
                to_address: to.to_owned(),
                subject: "How was it?".to_owned(),
                html: text.clone(),
                text,
                unsubscribe_url: "https://blancapeak.example/u".to_owned(),
                correlation,
            }),
        };
        let sought = LookupQuery {
            message,
            attempt: 2,
            request,
            to: to.to_owned(),
            provider_id: None,
            begun_at: postrider_clock::wall(),
        };
        (outgoing, sought)
    }

    /// Makes an attempt by this provider; gives it as it is sought, and what the call told.
    async fn send(self, provider: &dyn Provider, to: &str) -> (LookupQuery, Outcome) {
        let (outgoing, sought) = self.attempt(to);
        let outcome = provider.send(&outgoing).await;
        (sought, outcome)
    }
}

async fn simulator(change: impl FnOnce(&mut Behaviour)) -> Simulator {
    let mut behaviour = Behaviour::default();
    change(&mut behaviour);
    let config = SimulatorConfig { behaviour, ..SimulatorConfig::default() };
    Simulator::start(config).await.expect("loopback has free ports")
}

async fn look_up(provider: &dyn Provider, sought: &LookupQuery) -> LookupResult {
    let mut looked = provider.lookup(std::slice::from_ref(sought)).await;
    assert_eq!(looked.len(), 1, "one answer for one attempt");
    looked.remove(0)
}

fn kind(looked: &LookupResult) -> Option<&ReceiptKind> {
    match looked {
        LookupResult::Found(Proof { kind, .. }) => Some(kind),
        LookupResult::Absent | LookupResult::Unclear { .. } => None,
    }
}

fn unclear(code: &str) -> LookupResult {
    LookupResult::Unclear { code: code.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_found_though_its_answer_was_lost() {
    // No receipt comes in the time of this test: the acceptance is all that there is to find.
    let simulator = simulator(|behaviour| behaviour.webhook_delay = (HOUR, HOUR)).await;
    for via in BOTH {
        let (hasty, patient) = (via.with(simulator.http_addr, 2_000, None), via.at(simulator.http_addr));
        for (number, word) in ["acceptreset", "hang", "accepterror", "cut"].into_iter().enumerate() {
            let recipient = via.recipient(number);
            simulator.set_recipient_fault(&recipient, word);
            let (sought, outcome) = via.send(&*hasty, &recipient).await;
            let lost = matches!(outcome, Outcome::Unknown { .. } | Outcome::Accepted { provider_id: None });
            assert!(lost, "{via:?} {word}: {outcome:?}");
            let taken = |all: &[Accepted]| all.iter().any(|one| one.recipient == recipient);
            assert!(simulator.wait_until(taken, wait::TIMEOUT).await, "{via:?} {word}: it was accepted");
            let accepted = simulator.accepted().pop().expect("just now");
            let proof =
                Proof { kind: ReceiptKind::Accepted, code: None, provider_id: Some(accepted.provider_id) };
            assert_eq!(look_up(&*patient, &sought).await, LookupResult::Found(proof), "{via:?} {word}");
        }
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_never_took_is_absent() {
    let simulator = simulator(|_| {}).await;
    for via in BOTH {
        let provider = via.at(simulator.http_addr);
        let recipient = via.recipient(1);
        let (other, _) = via.send(&*provider, &recipient).await;
        for word in ["reset", "error", "dot451"] {
            simulator.set_recipient_fault(&recipient, word);
            let (sought, outcome) = via.send(&*provider, &recipient).await;
            assert!(matches!(outcome, Outcome::Unknown { .. }), "{via:?} {word}: {outcome:?}");
            assert_eq!(look_up(&*provider, &sought).await, LookupResult::Absent, "{via:?} {word}");
        }
        let later = LookupQuery { begun_at: other.begun_at + TimeDelta::minutes(10), ..other.clone() };
        if via == Via::Twilio {
            assert_eq!(
                look_up(&*provider, &later).await,
                LookupResult::Absent,
                "an older text of the request"
            );
        }
        let next = LookupQuery { attempt: 3, ..other.clone() };
        if via == Via::Mailgun {
            assert_eq!(look_up(&*provider, &next).await, LookupResult::Absent, "another attempt");
        }
        assert!(matches!(look_up(&*provider, &other).await, LookupResult::Found(_)), "{via:?}");
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_tells_how_far_the_message_came_and_which_address_is_dead() {
    let failed = |block| ReceiptKind::Failed { block };
    let (accepted, delivered) = (ReceiptKind::Accepted, ReceiptKind::Delivered);
    let bounced = failed(Some(BlockKind::HardBounced));
    let simulator = simulator(|_| {}).await;
    let rows = [
        (Via::Twilio, "silent", &accepted, None),
        (Via::Twilio, "ok", &delivered, None),
        (Via::Twilio, "lostreceipt", &delivered, None),
        (Via::Twilio, "complain", &delivered, None),
        (Via::Twilio, "bounce", &bounced, Some("30005")),
        (Via::Twilio, "latebounce", &bounced, Some("30005")),
        (Via::Twilio, "spam", &failed(None), Some("30007")),
        (Via::Twilio, "rejectedlater", &failed(None), Some("30003")),
        (Via::Mailgun, "silent", &accepted, None),
        (Via::Mailgun, "ok", &delivered, Some("250")),
        (Via::Mailgun, "lostreceipt", &delivered, Some("250")),
        (Via::Mailgun, "softbounce", &delivered, Some("250")),
        (Via::Mailgun, "shuffled", &delivered, Some("250")),
        (Via::Mailgun, "complain", &delivered, Some("250")),
        (Via::Mailgun, "bounce", &bounced, Some("5.1.1")),
        (Via::Mailgun, "latebounce", &bounced, Some("5.1.1")),
        (Via::Mailgun, "optout", &failed(Some(BlockKind::Unsubscribed)), Some("606")),
        (Via::Mailgun, "rejectedlater", &failed(None), None),
    ];
    // A customer that sent STOP gets no more messages: each row has a customer of its own.
    for (number, (via, word, expected, code)) in rows.into_iter().enumerate() {
        let provider = via.at(simulator.http_addr);
        let recipient = via.recipient(number);
        simulator.set_recipient_fault(&recipient, word);
        let (sought, outcome) = via.send(&*provider, &recipient).await;
        simulator.webhooks_settled().await;
        let Outcome::Accepted { provider_id } = outcome else { panic!("{via:?} {word}: {outcome:?}") };
        let proof = Proof { kind: expected.clone(), code: code.map(str::to_owned), provider_id };
        let known = LookupQuery { provider_id: proof.provider_id.clone(), ..sought.clone() };
        let found = LookupResult::Found(proof);
        assert_eq!(look_up(&*provider, &sought).await, found, "{via:?} {word}, the answer lost");
        assert_eq!(look_up(&*provider, &known).await, found, "{via:?} {word}, the id known");
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_attempts_are_asked_for_at_once_and_answered_each_in_its_place() {
    let simulator = simulator(|_| {}).await;
    for (via, count) in [(Via::Twilio, 15), (Via::Mailgun, 50)] {
        let provider = via.at(simulator.http_addr);
        let mut sought = Vec::new();
        for number in 0..count {
            let recipient = via.recipient(number);
            simulator.set_recipient_fault(&recipient, if number % 5 == 0 { "bounce" } else { "ok" });
            let (outgoing, one) = via.attempt(&recipient);
            if number % 3 != 0 {
                let outcome = provider.send(&outgoing).await;
                assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
            }
            sought.push(one);
        }
        simulator.webhooks_settled().await;
        let looked = provider.lookup(&sought).await;
        assert_eq!(looked.len(), count);
        for (number, one) in looked.iter().enumerate() {
            let fits = match (number % 3, number % 5) {
                (0, _) => *one == LookupResult::Absent,
                (_, 0) => matches!(kind(one), Some(ReceiptKind::Failed { block: Some(_) })),
                _ => kind(one) == Some(&ReceiptKind::Delivered),
            };
            assert!(fits, "{via:?} {number}: {one:?}");
        }
        assert_eq!(provider.lookup(&[]).await, []);
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_read_and_too_many_are_unclear() {
    let simulator = simulator(|_| {}).await;
    for via in BOTH {
        let provider = via.at(simulator.http_addr);
        let recipient = via.recipient(3);
        let mut sought = Vec::new();
        // One number; twelve messages, each with two events.
        for _ in 0..12 {
            sought.push(via.send(&*provider, &recipient).await.0);
        }
        simulator.webhooks_settled().await;
        let (_, never) = via.attempt(&recipient);
        sought.push(never);
        let pages_of = |look_up_page_max| {
            simulator.set_behaviour(Behaviour { look_up_page_max, ..Behaviour::default() });
        };
        pages_of(3);
        let looked = provider.lookup(&sought).await;
        let delivered = looked.iter().filter(|one| kind(one) == Some(&ReceiptKind::Delivered)).count();
        assert_eq!((delivered, &looked[12]), (12, &LookupResult::Absent), "{via:?}");
        pages_of(1);
        let looked = provider.lookup(&sought).await;
        assert!(looked.iter().any(|one| kind(one).is_some()), "{via:?}: what was seen stands");
        let unseen = looked.iter().filter(|one| **one == unclear("too_many_pages")).count();
        assert!(unseen >= 2 && !looked.contains(&LookupResult::Absent), "{via:?}: {looked:?}");
        pages_of(usize::MAX);
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_shows_late_is_absent_until_then() {
    let simulator = simulator(|behaviour| behaviour.look_up_lag = HOUR).await;
    for via in BOTH {
        let provider = via.at(simulator.http_addr);
        let (sought, outcome) = via.send(&*provider, &via.recipient(4)).await;
        let Outcome::Accepted { provider_id } = outcome else { panic!("accepted") };
        simulator.webhooks_settled().await;
        assert_eq!(look_up(&*provider, &sought).await, LookupResult::Absent, "{via:?}");
        if via == Via::Twilio {
            // A SID that we were given exists, whatever the look-up says.
            let known = LookupQuery { provider_id, ..sought.clone() };
            assert_eq!(look_up(&*provider, &known).await, unclear("http_404"));
        }
        simulator.set_behaviour(Behaviour::default());
        assert_eq!(kind(&look_up(&*provider, &sought).await), Some(&ReceiptKind::Delivered), "{via:?}");
        simulator.set_behaviour(Behaviour { look_up_lag: HOUR, ..Behaviour::default() });
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_mailgun_has_one_of_its_apis_that_one_decides_alone() {
    let simulator = simulator(|_| {}).await;
    let provider = Via::Mailgun.at(simulator.http_addr);
    let mut sought = Vec::new();
    for number in 0..6 {
        let (outgoing, one) = Via::Mailgun.attempt(&Via::Mailgun.recipient(number));
        if number % 2 == 1 {
            provider.send(&outgoing).await;
        }
        sought.push(one);
    }
    simulator.webhooks_settled().await;
    for (logs, events) in [(true, false), (false, true), (false, false)] {
        simulator.set_logs_offered(logs);
        simulator.set_events_offered(events);
        for (number, one) in provider.lookup(&sought).await.iter().enumerate() {
            let fits = match (logs || events, number % 2) {
                (true, 1) => kind(one) == Some(&ReceiptKind::Delivered),
                (true, _) => *one == LookupResult::Absent,
                (false, _) => *one == unclear("not_on_offer"),
            };
            assert!(fits, "logs {logs}, events {events}, {number}: {one:?}");
        }
    }
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_out_closed_slow_or_gone_says_nothing() {
    let simulator = simulator(|_| {}).await;
    for via in BOTH {
        let provider = via.at(simulator.http_addr);
        let (_, never) = via.attempt(&via.recipient(5));
        let twice = [never.clone(), never.clone()];
        assert_eq!(provider.lookup(&twice).await, [LookupResult::Absent, LookupResult::Absent], "{via:?}");
        simulator.set_outage(true);
        assert_eq!(provider.lookup(&twice).await, [unclear("http_503"), unclear("http_503")], "{via:?}");
        simulator.set_outage(false);
        let stranger = via.with(simulator.http_addr, 20_000, Some("wrong"));
        assert_eq!(look_up(&*stranger, &never).await, unclear("http_401"), "{via:?}");
        simulator.set_behaviour(Behaviour { latency: (HOUR, HOUR), ..Behaviour::default() });
        let hasty = via.with(simulator.http_addr, 1_000, None);
        assert_eq!(look_up(&*hasty, &never).await, unclear("timeout"), "{via:?}");
        simulator.set_behaviour(Behaviour::default());
        let nobody = Proxy::closed(simulator.http_addr);
        assert_eq!(look_up(&*via.at(nobody.addr), &never).await, unclear("connect"), "{via:?}");
    }
    simulator.shutdown().await;
}
