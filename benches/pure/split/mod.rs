//! Where the CPU of one message goes: render, MIME or form, HTTP.
//!
//! `measure` gives the table, in µs of CPU per message, for the harness's report or to paste; `bench` has the
//! same as criterion's group `email`, in wall time but for the calls. *HTTP* is the product's client on one
//! thread, from the message to its outcome, less what was built before: request, both ways through the kernel,
//! answer. Several calls are in flight, as in a worker: one by one, most of the CPU would be the kernel's for
//! waking the other side. The provider is `loopback` on other threads; their CPU does not count; no TLS, as in
//! `make bench`.

mod cpu;
mod loopback;

use std::{
    fmt,
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::Criterion;
use futures_util::{StreamExt, stream::FuturesUnordered};
use postrider_domain::content::{RenderedEmail, Renderer};
use postrider_providers::{
    HttpClient, Outcome, Outgoing, OutgoingEmail, Provider, Timeouts,
    email::{message_id, mime},
    mailgun::{Mailgun, MailgunSettings},
    twilio::{
        Twilio, TwilioSettings,
        wire::{self, Sender},
    },
};
use tokio::runtime::{Builder, Runtime};

use crate::material::{self, UNSUBSCRIBE_URL};

const DOMAIN: &str = "mg.blancapeak.example";
const FROM: &str = "+15005550006";
const ROUNDS: usize = 5;
const STEPS: u32 = 1_000;
const WARM_UP: u32 = 50;
/// Calls of one step.
const IN_FLIGHT: u32 = 16;

/// µs of CPU per message, each the median of the rounds.
pub struct Split {
    email: [f64; 3],
    sms: [f64; 3],
}

/// Sends some thousand messages.
pub fn measure() -> Split {
    let way = Way::new();
    let median = |step: Step| {
        way.spent(WARM_UP, step);
        let mut rounds: Vec<Duration> = (0..ROUNDS).map(|_| way.spent(STEPS, step)).collect();
        rounds.sort_unstable();
        rounds[ROUNDS / 2].as_secs_f64() * 1e6 / f64::from(STEPS)
    };
    let parts = |[render, body, call]: [Step; 3]| {
        let body = median(body);
        [median(render), body, median(call) / f64::from(IN_FLIGHT) - body]
    };
    Split {
        email: parts([Way::render_email, Way::mime, Way::call_mailgun]),
        sms: parts([Way::render_sms, Way::form, Way::call_twilio]),
    }
}

impl fmt::Display for Split {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "split: µs of CPU per message\n")?;
        writeln!(out, "| | render | MIME or form | HTTP | together |\n|---|---|---|---|---|")?;
        for (medium, parts) in [("email", self.email), ("SMS", self.sms)] {
            let whole: f64 = parts.iter().sum();
            let [render, body, http] = parts.map(|part| format!("{part:.1} ({:.0} %)", 100.0 * part / whole));
            writeln!(out, "| {medium} | {render} | {body} | {http} | {whole:.1} |")?;
        }
        Ok(())
    }
}

pub fn bench(criterion: &mut Criterion) {
    let way = Way::new();
    let mut group = criterion.benchmark_group("email");
    group.bench_function("render", |bencher| bencher.iter(|| way.render_email()));
    group.bench_function("MIME", |bencher| bencher.iter(|| way.mime()));
    let calls: [(&str, Step); 2] =
        [("MIME and HTTP (CPU)", Way::call_mailgun), ("SMS, form and HTTP (CPU)", Way::call_twilio)];
    for (name, call) in calls {
        group.bench_function(name, |bencher| {
            bencher
                .iter_custom(|count| way.spent(u32::try_from(count).unwrap_or(u32::MAX), call) / IN_FLIGHT);
        });
    }
    group.finish();
}

/// One part of a message's way.
type Step = fn(&Way);

/// The product's parts on a message's way out.
struct Way {
    renderer: Renderer,
    runtime: Runtime,
    mailgun: Mailgun,
    twilio: Twilio,
    email: Outgoing,
    sms: Outgoing,
}

impl Way {
    fn new() -> Way {
        let base_url = format!("http://{}", loopback::start());
        let timeouts = Timeouts::default();
        let http = HttpClient::new(&timeouts).expect("a client");
        let domain = MailgunSettings {
            base_url: base_url.clone(),
            domain: DOMAIN.to_owned(),
            api_key: "a-key".into(),
        };
        let number = TwilioSettings {
            base_url,
            account_sid: "AC00000000000000000000000000000001".to_owned(),
            api_key_sid: None,
            api_secret: "a-secret".into(),
            from: Some(FROM.to_owned()),
            messaging_service_sid: None,
        };
        let renderer = Renderer::new();
        let email = renderer.render_email(&material::render_facts()).expect("an email");
        let sms = renderer.render_sms(&material::render_facts()).expect("a text");
        Way {
            renderer,
            // One thread: what it uses is all that the product uses.
            runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
            mailgun: Mailgun::new(domain, &http, timeouts.http),
            twilio: Twilio::new(number, &http, timeouts.http),
            email: Outgoing::Email(outgoing(email)),
            sms: Outgoing::Sms(material::sms(sms.text)),
        }
    }

    /// CPU time of this thread for `count` times `step`; the wall's where Linux does not tell.
    fn spent(&self, count: u32, step: Step) -> Duration {
        let (began, before): (Instant, _) = (postrider_clock::monotonic(), cpu::of_this_thread());
        for _ in 0..count {
            step(self);
        }
        match (before, cpu::of_this_thread()) {
            (Some(before), Some(after)) => after.saturating_sub(before),
            _ => began.elapsed(),
        }
    }

    fn render_email(&self) {
        let rendered = self.renderer.render_email(black_box(&material::render_facts()));
        black_box(rendered.expect("an email"));
    }

    fn render_sms(&self) {
        let rendered = self.renderer.render_sms(black_box(&material::render_facts()));
        black_box(rendered.expect("a text"));
    }

    fn mime(&self) {
        let Outgoing::Email(email) = black_box(&self.email) else { return };
        let id = message_id(&email.correlation, DOMAIN);
        black_box(mime(email, &id, postrider_clock::wall()).expect("a message"));
    }

    fn form(&self) {
        let Outgoing::Sms(sms) = black_box(&self.sms) else { return };
        black_box(wire::form(sms, Sender { from: Some(FROM), messaging_service_sid: None }));
    }

    fn call_mailgun(&self) {
        self.call(&self.mailgun, &self.email);
    }

    fn call_twilio(&self) {
        self.call(&self.twilio, &self.sms);
    }

    fn call(&self, provider: &dyn Provider, message: &Outgoing) {
        let calls: FuturesUnordered<_> = (0..IN_FLIGHT).map(|_| provider.send(message)).collect();
        let outcomes: Vec<Outcome> = self.runtime.block_on(calls.collect());
        for outcome in outcomes {
            assert!(matches!(outcome, Outcome::Accepted { provider_id: Some(_) }), "{outcome:?}");
        }
    }
}

fn outgoing(RenderedEmail { subject, text, html }: RenderedEmail) -> OutgoingEmail {
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
