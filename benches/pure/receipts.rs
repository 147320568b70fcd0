//! Webhooks: is it the provider's, and what does it tell?
//!
//! The signatures are the simulator's, which shares no code with what verifies them.

use std::hint::black_box;

use criterion::Criterion;
use postrider_domain::lifecycle::TransitionMap;
use postrider_provider_simulator::sign;
use postrider_providers::{mailgun, twilio};
use secrecy::SecretString;
use serde_json::json;

use crate::material;

const FORM: Option<&str> = Some("application/x-www-form-urlencoded; charset=UTF-8");
const KEY: &str = "a-key-of-the-bench-0000000000000";
const STATUS: &str = "AccountSid=AC00000000000000000000000000000001&ApiVersion=2010-04-01\
    &From=%2B15005550006&MessageSid=SM11111111111111111111111111111111&MessageStatus=delivered\
    &SmsSid=SM11111111111111111111111111111111&SmsStatus=delivered&To=%2B14150004321";

pub fn bench(criterion: &mut Criterion) {
    from_twilio(criterion);
    from_mailgun(criterion);
}

fn from_twilio(criterion: &mut Criterion) {
    let url = material::status_callback();
    let query = url.split_once('?').expect("a correlation").1;
    let parameters: Vec<(String, String)> = form_urlencoded::parse(STATUS.as_bytes()).into_owned().collect();
    let signature = sign::twilio(KEY, &url, &parameters);
    let keys = [SecretString::from(KEY)];
    let verify = |body: &[u8]| twilio::verify(&keys, &url, FORM, body, Some(&signature));
    verify(STATUS.as_bytes()).expect("the signature holds");
    let mut group = criterion.benchmark_group("receipt of Twilio");
    group.bench_function("verify", |bencher| bencher.iter(|| verify(black_box(STATUS.as_bytes()))));
    group.bench_function("parse", |bencher| {
        bencher.iter(|| twilio::parse_status(black_box(query), black_box(STATUS.as_bytes())));
    });
    group.bench_function("key, token and map", |bencher| {
        let receipt = twilio::parse_status(query, STATUS.as_bytes()).expect("a receipt");
        let (keys, token_key) = (material::keys(), material::token_key());
        bencher.iter(|| {
            let key = keys.identity.receipt_hash(material::ACCOUNT, black_box(&receipt.dedupe_key));
            let known = receipt.correlation.expect("ours");
            let ours = token_key.verify(known.token, material::ACCOUNT, known.message, known.attempt);
            let signal = receipt.kind.stored_form().and_then(|stored| stored.signal);
            (key, ours, signal.map(TransitionMap::new))
        });
    });
    group.finish();
}

fn from_mailgun(criterion: &mut Criterion) {
    let body = event();
    let keys = [SecretString::from(KEY)];
    let (signature, _) = mailgun::parse_event(&body).expect("an event");
    mailgun::verify(&keys, &signature, material::now()).expect("the signature holds");
    let mut group = criterion.benchmark_group("receipt of Mailgun");
    group.bench_function("verify", |bencher| {
        bencher.iter(|| mailgun::verify(&keys, black_box(&signature), material::now()));
    });
    group.bench_function("parse", |bencher| bencher.iter(|| mailgun::parse_event(black_box(&body))));
    group.finish();
}

fn event() -> Vec<u8> {
    let (timestamp, token) = (material::now().timestamp().to_string(), "0123456789abcdef0123456789abcdef01");
    let [message, attempt, ours] = material::correlation().to_values();
    let event = json!({
        "signature": {
            "timestamp": timestamp, "token": token, "signature": sign::mailgun(KEY, &timestamp, token),
        },
        "event-data": {
            "event": "delivered",
            "id": "CPgfbmQMTCKtHW6uIWtuVe",
            "timestamp": 1_795_167_000.265_f64,
            "log-level": "info",
            "recipient": "customer.4321@customers.example",
            "delivery-status": { "code": 250, "message": "OK", "attempt-no": 1, "tls": true },
            "message": { "headers": {
                "message-id": "0199aa7c5d7e7c319a526b8a1f0e4d21.1@mg.blancapeak.example",
                "to": "customer.4321@customers.example",
                "from": "Blanca Peak <feedback@blancapeak.example>",
                "subject": "How was your experience with Blanca Peak?",
            }, "attachments": [], "size": 3_400 },
            "user-variables": { "m": message, "a": attempt, "t": ours },
            "tags": [],
        },
    });
    event.to_string().into_bytes()
}
