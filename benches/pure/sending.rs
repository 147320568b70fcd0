//! From facts to what a provider is given, and its answer: texts, tokens, Twilio's form. Email's MIME and
//! call are in `split`.
//!
//! No I/O.

use std::hint::black_box;

use criterion::Criterion;
use postrider_domain::content::{RenderFacts, Renderer};
use postrider_providers::{
    http_response::{HttpResponse, ResponseBody},
    twilio::wire::{self, Sender},
};

use crate::material::{self, ACCOUNT};

/// As long as Twilio's.
const ANSWER: &str = r#"{"account_sid":"AC00000000000000000000000000000001","api_version":"2010-04-01",
"body":"Hi Customer 4321, how was your experience with Blanca Peak? Tell us: https://survey.example.com/s/x",
"date_created":"Fri, 20 Nov 2026 09:30:00 +0000","date_sent":null,"date_updated":"Fri, 20 Nov 2026 09:30:00
+0000","direction":"outbound-api","error_code":null,"error_message":null,"from":"+15005550006",
"messaging_service_sid":null,"num_media":"0","num_segments":"1","price":null,"price_unit":"USD",
"sid":"SM11111111111111111111111111111111","status":"queued","subresource_uris":{"media":"/2010-04-01"},
"tags":null,"to":"+14150004321","uri":"/2010-04-01/Accounts/AC00/Messages/SM11.json"}"#;

pub fn bench(criterion: &mut Criterion) {
    texts(criterion);
    twilio(criterion);
    tokens(criterion);
}

fn texts(criterion: &mut Criterion) {
    let renderer = Renderer::new();
    let facts = material::render_facts();
    let nameless = RenderFacts { customer_name: None, ..facts };
    let mut group = criterion.benchmark_group("render");
    group.bench_function("SMS", |bencher| bencher.iter(|| renderer.render_sms(black_box(&facts))));
    group.bench_function("SMS without a name", |bencher| {
        bencher.iter(|| renderer.render_sms(black_box(&nameless)));
    });
    group.finish();
}

fn twilio(criterion: &mut Criterion) {
    let text = Renderer::new().render_sms(&material::render_facts()).expect("a text").text;
    let sms = material::sms(text);
    let sender = Sender { from: Some("+15005550006"), messaging_service_sid: None };
    let body = ResponseBody::Complete(ANSWER.replace('\n', "").into_bytes());
    let answer = HttpResponse { status: 201, retry_after: None, rate_limit_reset: None, body };
    let now = material::now();
    let mut group = criterion.benchmark_group("twilio");
    group.bench_function("form", |bencher| bencher.iter(|| wire::form(black_box(&sms), sender)));
    group.bench_function("answer", |bencher| bencher.iter(|| wire::classify(black_box(&answer), now)));
    group.finish();
}

fn tokens(criterion: &mut Criterion) {
    let (key, sent) = (material::token_key(), material::correlation());
    let mut group = criterion.benchmark_group("token");
    group.bench_function("sign", |bencher| {
        bencher.iter(|| key.sign(ACCOUNT, black_box(sent.message), sent.attempt));
    });
    group.bench_function("verify", |bencher| {
        bencher.iter(|| key.verify(black_box(sent.token), ACCOUNT, sent.message, sent.attempt));
    });
    group.bench_function("unsubscribe link", |bencher| {
        let keys = material::keys();
        bencher.iter(|| keys.unsubscribe_tag(black_box(sent.message)));
    });
    group.finish();
}
