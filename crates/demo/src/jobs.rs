//! Five hundred jobs of a busy company, the same in every run, each with its expected end.
//!
//! No I/O. Counts by kind are fixed; a seeded generator only shuffles them and draws delays and copies, so that a
//! wrong total is never a matter of chance. Recipients choose their own fault: email addresses by
//! their first word (`postrider_provider_simulator::RecipientFault`), phone numbers through `faults`, because one customer is asked
//! once and each job needs a number of its own.

use serde_json::{Value, json};

/// The company that gets the generated jobs.
pub const BUSY_COMPANY: &str = "demo-many";
/// The number of generated jobs without their copies.
pub const JOBS: usize = 500;

/// A job to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoJob {
    pub company: String,
    /// The AMQP message id.
    pub key: String,
    pub body: Vec<u8>,
    /// The allowed ends: `status` or `status: reason`.
    pub ends: Vec<&'static str>,
}

/// The generated jobs and their preparation.
#[derive(Debug, Default)]
pub struct Plan {
    pub jobs: Vec<DemoJob>,
    /// In the order of publishing, places in `jobs`; a place that comes again is a copy.
    pub order: Vec<usize>,
    /// Phone numbers and the fault of their calls.
    pub faults: Vec<(String, &'static str)>,
    /// Addresses blocked by hand before anything is published.
    pub blocked: Vec<String>,
    /// Phone numbers that text STOP before anything is published.
    pub stopped: Vec<String>,
}

/// The account that sends a job; in the demo's company each medium and brand has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Mailgun,
    Relay,
    Twilio,
}

/// Count, route, the recipient's fault, expected end. Over the relay `sent` is the end: SMTP has no receipts.
const KINDS: &[(usize, Route, &str, &str)] = &[
    (140, Route::Mailgun, "ok", "delivered"),
    (70, Route::Relay, "ok", "sent"),
    (110, Route::Twilio, "ok", "delivered"),
    (8, Route::Mailgun, "flaky", "delivered"),
    (5, Route::Relay, "flaky", "sent"),
    (8, Route::Twilio, "flaky", "delivered"),
    (3, Route::Mailgun, "busy", "failed: retries_exhausted"),
    (2, Route::Relay, "busy", "failed: retries_exhausted"),
    (4, Route::Twilio, "busy", "failed: retries_exhausted"),
    (4, Route::Mailgun, "invalid", "failed: recipient_refused"),
    (4, Route::Relay, "invalid", "failed: recipient_refused"),
    (4, Route::Twilio, "invalid", "failed: recipient_refused"),
    (6, Route::Mailgun, "bounce", "failed: failed_at_provider"),
    (5, Route::Twilio, "bounce", "failed: failed_at_provider"),
    (4, Route::Twilio, "optout", "failed: stop"),
    (4, Route::Mailgun, "acceptreset", "delivered"),
    (4, Route::Twilio, "acceptreset", "delivered"),
    (3, Route::Mailgun, "accepterror", "delivered"),
    (3, Route::Twilio, "accepterror", "delivered"),
    (2, Route::Mailgun, "hang", "delivered"),
    (2, Route::Twilio, "hang", "delivered"),
    (3, Route::Mailgun, "error", "failed: outcome_unknown"),
    (3, Route::Twilio, "error", "failed: outcome_unknown"),
    (3, Route::Relay, "nodot", "failed: outcome_unknown"),
    (5, Route::Mailgun, "twice", "delivered"),
    (5, Route::Twilio, "twice", "delivered"),
    (4, Route::Mailgun, "shuffled", "delivered"),
    (4, Route::Twilio, "shuffled", "delivered"),
    (4, Route::Twilio, "early", "delivered"),
    (3, Route::Mailgun, "complain", "delivered"),
    (3, Route::Mailgun, "latebounce", "delivered"),
];
const DO_NOT_SEND: usize = 18;
const BLOCKED: usize = 8;
const STOPPED: usize = 6;
const INVALID: usize = 24;
/// The rest of `JOBS`: second jobs for customers of earlier ones.
const SECOND_JOB_ENDS: [&str; 2] = ["delivered", "suppressed: suppression_period"];
const COPIED: usize = 30;
const SEED: u64 = 20_260_301;

/// The jobs of the demo.
pub fn plan() -> Plan {
    let mut dice = SeededRandom(SEED);
    let mut plan = Plan::default();
    for (count, way, word, end) in KINDS {
        for _ in 0..*count {
            plan.add_job(*way, word, vec![end]);
        }
    }
    plan.never_sent();
    for n in 0..INVALID {
        plan.invalid(n);
    }
    let mut n = 0;
    while plan.jobs.len() < JOBS {
        plan.again(n);
        n += 1;
    }
    plan.delays(&mut dice);
    plan.shuffle(&mut dice);
    plan
}

impl Plan {
    fn add(&mut self, body: &Value, ends: Vec<&'static str>) -> usize {
        let place = self.jobs.len();
        let key = format!("job-{place:03}");
        self.jobs.push(DemoJob {
            company: BUSY_COMPANY.to_owned(),
            key,
            body: body.to_string().into_bytes(),
            ends,
        });
        place
    }

    fn add_job(&mut self, way: Route, word: &'static str, ends: Vec<&'static str>) -> String {
        let place = self.jobs.len();
        let (field, address) = match way {
            Route::Mailgun | Route::Relay => ("email", format!("{word}.{place:03}@customers.example")),
            Route::Twilio => ("phone", format!("+1415555{:04}", 1_000 + place)),
        };
        let channel = ["phone", "chat", "email"][place % 3];
        let mut body = json!({
            "customer": { "name": format!("Customer {place}"), field: address },
            "employee": { "email": "paulagent@blancapeak.com" },
            "channel": channel,
            "ext_interaction_id": format!("{:06}", 100_000 + place),
        });
        if way == Route::Relay {
            body["brand"] = json!("blancagold");
        }
        if way == Route::Twilio && word != "ok" {
            self.faults.push((address.clone(), word));
        }
        self.add(&body, ends);
        address
    }

    fn never_sent(&mut self) {
        for _ in 0..DO_NOT_SEND {
            self.add_job(Route::Mailgun, "ok", vec!["suppressed: do_not_send"]);
            self.change_last(|body| body["do_not_send"] = json!(true));
        }
        for _ in 0..BLOCKED {
            let address = self.add_job(Route::Mailgun, "ok", vec!["suppressed: blocked_by_hand"]);
            self.blocked.push(address);
        }
        for _ in 0..STOPPED {
            let address = self.add_job(Route::Twilio, "ok", vec!["suppressed: stop"]);
            self.stopped.push(address);
        }
    }

    /// One of the mistakes that producers make.
    fn invalid(&mut self, n: usize) {
        let (end, change): (_, fn(&mut Value)) = match n % 5 {
            0 => ("rejected: unknown_channel", |body| body["channel"] = json!("pigeon")),
            1 => ("rejected: unknown_field", |body| body["colour"] = json!("blue")),
            2 => ("rejected: unknown_brand", |body| body["brand"] = json!("nobody")),
            3 => {
                ("rejected: unknown_employee", |body| body["employee"]["email"] = json!("who@blancapeak.com"))
            }
            _ => ("rejected: not_json", |_| {}),
        };
        self.add_job(Route::Mailgun, "ok", vec![end]);
        self.change_last(change);
        if n % 5 == 4 {
            let last = self.jobs.last_mut().expect("one was just added");
            last.body.pop();
        }
    }

    /// A second job for the customer of job `n`; whichever is accepted first is sent.
    fn again(&mut self, n: usize) {
        let mut body: Value = serde_json::from_slice(&self.jobs[n].body).expect("an ordinary job is JSON");
        body["tags"] = json!(["again"]);
        self.jobs[n].ends = SECOND_JOB_ENDS.to_vec();
        self.add(&body, SECOND_JOB_ENDS.to_vec());
    }

    /// A sixth of the jobs that are due at once waits for one to five seconds instead.
    fn delays(&mut self, dice: &mut SeededRandom) {
        for job in &mut self.jobs {
            let waits = matches!(job.ends[..], ["delivered" | "sent"]) && dice.below(6) == 0;
            if waits && let Ok(mut body) = serde_json::from_slice::<Value>(&job.body) {
                body["delay_secs"] = json!(1 + dice.below(5));
                job.body = body.to_string().into_bytes();
            }
        }
    }

    /// Fisher-Yates, then copies: at once, and at the very end.
    fn shuffle(&mut self, dice: &mut SeededRandom) {
        let mut order: Vec<usize> = (0..self.jobs.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, dice.below(last + 1));
        }
        let copied: Vec<usize> = order.iter().copied().step_by(JOBS / COPIED).take(COPIED).collect();
        for place in order {
            self.order.push(place);
            let copies = if copied.contains(&place) { 1 + dice.below(2) } else { 0 };
            self.order.extend(std::iter::repeat_n(place, copies));
        }
        self.order.extend(copied);
    }

    fn change_last(&mut self, change: impl FnOnce(&mut Value)) {
        let last = self.jobs.last_mut().expect("one was just added");
        let mut body = serde_json::from_slice(&last.body).expect("an ordinary job is JSON");
        change(&mut body);
        last.body = body.to_string().into_bytes();
    }
}

/// A seeded splitmix64: small, known, and the same everywhere.
struct SeededRandom(u64);

impl SeededRandom {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % end.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use postrider_provider_simulator::RecipientFault;

    #[test]
    fn the_same_jobs_come_in_every_run_each_under_its_own_key() {
        let (one, two) = (plan(), plan());
        assert_eq!((&one.jobs, &one.order), (&two.jobs, &two.order));
        let keys: BTreeSet<_> = one.jobs.iter().map(|job| &job.key).collect();
        assert_eq!((one.jobs.len(), keys.len()), (JOBS, JOBS));
        assert_eq!(one.order.iter().collect::<BTreeSet<_>>().len(), JOBS, "every job is published");
        assert!(one.order.len() > JOBS + COPIED, "and some of them again");
    }

    #[test]
    fn every_word_of_a_recipient_is_one_that_the_simulator_knows() {
        for (_, _, word, _) in KINDS {
            assert!(RecipientFault::parse(word).is_some(), "{word}");
        }
    }

    #[test]
    fn there_is_some_of_everything() {
        let plan = plan();
        let ending = |end: &str| plan.jobs.iter().filter(|job| job.ends == [end]).count();
        for end in
            ["delivered", "sent", "suppressed: stop", "failed: retries_exhausted", "rejected: not_json"]
        {
            assert!(ending(end) > 0, "{end}");
        }
        let again = plan.jobs.iter().filter(|job| job.ends == SECOND_JOB_ENDS).count();
        assert!(again >= 2, "some customers are asked for twice");
        let delayed =
            plan.jobs.iter().filter(|job| String::from_utf8_lossy(&job.body).contains("delay_secs"));
        assert!(delayed.count() > 20);
    }
}
