//! Where the CPU of one email goes: render, MIME, HTTP.
//!
//! `measure` gives the table, in µs of CPU per email, for the harness's report or to paste; `bench` has the
//! same three as criterion's group `email`, in wall time but for the call. *HTTP* is Mailgun's client of the
//! product on one thread, from the message to its outcome, less MIME: body, request, both ways through the
//! kernel, answer. The provider is `loopback` on another thread, whose CPU does not count; no TLS, as in
//! `make bench`.

mod cpu;
mod loopback;

use std::{
    fmt,
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::Criterion;
use postrider::{
    clock,
    content::{RenderedEmail, Renderer},
    providers::{
        Outcome, Outgoing, OutgoingEmail, Provider, Timeouts,
        email::{message_id, mime},
        http_client,
        mailgun::{Mailgun, MailgunSettings},
    },
};
use tokio::runtime::{Builder, Runtime};

use crate::material::{self, UNSUBSCRIBE_URL};

const DOMAIN: &str = "mg.blancapeak.example";
const ROUNDS: usize = 5;
const EMAILS: u32 = 2_000;
const WARM_UP: u32 = 200;

/// µs of CPU per email, each the median of the rounds.
pub struct Split {
    render: f64,
    mime: f64,
    http: f64,
}

/// Sends some thousand emails, one after the other.
pub fn measure() -> Split {
    let way = Way::new();
    way.spent(WARM_UP, Way::call);
    let median = |step: fn(&Way)| {
        let mut rounds: Vec<Duration> = (0..ROUNDS).map(|_| way.spent(EMAILS, step)).collect();
        rounds.sort_unstable();
        rounds[ROUNDS / 2].as_secs_f64() * 1e6 / f64::from(EMAILS)
    };
    let mime = median(Way::mime);
    Split { render: median(Way::render), mime, http: median(Way::call) - mime }
}

impl fmt::Display for Split {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Split { render, mime, http } = self;
        let whole = render + mime + http;
        writeln!(out, "split: µs of CPU per email\n")?;
        writeln!(out, "| render | MIME | HTTP | together |\n|---|---|---|---|")?;
        writeln!(out, "| {render:.1} | {mime:.1} | {http:.1} | {whole:.1} |")?;
        let share = |part: f64| 100.0 * part / whole;
        writeln!(out, "| {:.0} % | {:.0} % | {:.0} % | |", share(*render), share(*mime), share(*http))
    }
}

pub fn bench(criterion: &mut Criterion) {
    let way = Way::new();
    let mut group = criterion.benchmark_group("email");
    group.bench_function("render", |bencher| bencher.iter(|| way.render()));
    group.bench_function("MIME", |bencher| bencher.iter(|| way.mime()));
    group.bench_function("MIME and HTTP (CPU)", |bencher| {
        bencher.iter_custom(|count| way.spent(u32::try_from(count).unwrap_or(u32::MAX), Way::call));
    });
    group.finish();
}

/// The product's parts on an email's way out.
struct Way {
    renderer: Renderer,
    runtime: Runtime,
    provider: Mailgun,
    email: Outgoing,
}

impl Way {
    fn new() -> Way {
        let base_url = format!("http://{}", loopback::start());
        let timeouts = Timeouts::default();
        let http = http_client(&timeouts).expect("a client");
        let settings = MailgunSettings { base_url, domain: DOMAIN.to_owned(), api_key: "a-key".into() };
        let renderer = Renderer::new();
        let rendered = renderer.render_email(&material::render_facts()).expect("an email");
        Way {
            renderer,
            // One thread: what it uses is all that the product uses.
            runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
            provider: Mailgun::new(settings, &http, timeouts.http),
            email: Outgoing::Email(email(rendered)),
        }
    }

    /// CPU time of this thread for `count` times `step`; the wall's where Linux does not tell.
    fn spent(&self, count: u32, step: fn(&Way)) -> Duration {
        let (began, before): (Instant, _) = (clock::monotonic(), cpu::of_this_thread());
        for _ in 0..count {
            step(self);
        }
        match (before, cpu::of_this_thread()) {
            (Some(before), Some(after)) => after.saturating_sub(before),
            _ => began.elapsed(),
        }
    }

    fn render(&self) {
        let rendered = self.renderer.render_email(black_box(&material::render_facts()));
        black_box(rendered.expect("an email"));
    }

    fn mime(&self) {
        let Outgoing::Email(email) = black_box(&self.email) else { return };
        let id = message_id(&email.correlation, DOMAIN);
        black_box(mime(email, &id, clock::wall()).expect("a message"));
    }

    fn call(&self) {
        let outcome = self.runtime.block_on(self.provider.send(&self.email));
        assert!(matches!(outcome, Outcome::Accepted { provider_id: Some(_) }), "{outcome:?}");
    }
}

fn email(RenderedEmail { subject, text, html }: RenderedEmail) -> OutgoingEmail {
    OutgoingEmail {
        from_name: "Blanca Peak".to_owned(),
        from_address: "feedback@blancapeak.example".to_owned(),
        reply_to: None,
        to_name: Some("Customer 4321".to_owned()),
        to_address: "customer.4321@customers.example".to_owned(),
        subject,
        text,
        html,
        unsubscribe_url: UNSUBSCRIBE_URL.to_owned(),
        correlation: material::correlation(),
    }
}
