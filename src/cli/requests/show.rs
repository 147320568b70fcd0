//! `postrider requests show`: everything about one request, and what happened to it in order.
//!
//! The timeline is made of columns: accepted, each attempt begun and settled, receipts, the end. For the
//! rules' account of it read `why`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    cli::output::{self, Table, fields, moment, time},
    ledger::{
        Ledger,
        requests::{PastAttempt, RequestDetail},
    },
    lifecycle::{State, Status},
    message::{Customer, Employee, Medium, RequesterRole},
};

use super::standing::{Standing, address, quarantined, sent_by};

/// One request as programs read it.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    request_id: Uuid,
    company: &'a str,
    status: Status,
    detail: Option<&'static str>,
    paused: bool,
    reason: Option<&'a str>,
    code: Option<&'a str>,
    test: bool,
    customer: Option<&'a Customer>,
    employee: &'a Employee,
    address: Option<&'a str>,
    medium: Option<Medium>,
    account: Option<&'a str>,
    provider_id: Option<&'a str>,
    brand: &'a str,
    channel: &'a str,
    language: Option<&'a str>,
    country: Option<&'a str>,
    ext_interaction_id: Option<&'a str>,
    external_url: Option<&'a str>,
    tags: &'a [String],
    custom_properties: &'a BTreeMap<String, String>,
    initial_feedback_request_id: Option<Uuid>,
    /// Who asks by hand.
    requested_by: Option<&'a str>,
    requested_by_role: Option<RequesterRole>,
    override_reason: Option<&'a str>,
    attempts: i16,
    created_at: DateTime<Utc>,
    first_due_at: DateTime<Utc>,
    /// When it is next sent or looked at, where it waits.
    due_at: Option<DateTime<Utc>>,
    expires_at: DateTime<Utc>,
    paused_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    /// When the customer answered: the request is completed.
    answered_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    timeline: Vec<Event>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Event {
    at: DateTime<Utc>,
    event: &'static str,
    attempt: Option<i16>,
    /// The outcome of an attempt, the kind of a receipt, the status of an end.
    what: Option<String>,
    /// The provider's code, or the reason of an end.
    why: Option<String>,
}

pub(super) async fn run(ledger: &Ledger, id: Uuid, json: bool) -> anyhow::Result<()> {
    let detail = super::find(ledger, id).await?;
    if json {
        return output::json(&shown(&detail));
    }
    output::put(&facts(&detail))?;
    output::put("\n")?;
    table(&timeline(&detail), detail.now).print()
}

impl Standing {
    pub(super) fn of(detail: &RequestDetail) -> Standing {
        Standing {
            state: detail.state,
            paused: detail.paused_at.is_some(),
            quarantined: quarantined(detail.reason.as_deref()),
            attempts: detail.attempt,
            due_at: detail.due_at,
        }
    }
}

fn shown(detail: &RequestDetail) -> Shown<'_> {
    let job = &detail.job;
    Shown {
        request_id: detail.id,
        company: &detail.slug,
        status: detail.state.status(),
        detail: detail.state.detail(),
        paused: Standing::of(detail).is_paused(),
        reason: detail.reason.as_deref(),
        code: detail.code.as_deref(),
        test: detail.test,
        customer: job.customer.as_ref(),
        employee: &job.employee,
        address: job.customer.as_ref().and_then(|customer| address(customer, detail.medium)),
        medium: detail.medium,
        account: detail.account.as_deref(),
        provider_id: detail.provider_id.as_deref(),
        brand: &detail.brand,
        channel: &detail.channel,
        language: job.language.as_deref(),
        country: job.country.as_deref(),
        ext_interaction_id: job.ext_interaction_id.as_deref(),
        external_url: job.external_url.as_deref(),
        tags: &job.tags,
        custom_properties: &job.custom_properties,
        initial_feedback_request_id: detail.root,
        requested_by: job.manual.as_ref().map(|manual| manual.requested_by.as_str()),
        requested_by_role: job.manual.as_ref().and_then(|manual| manual.role),
        override_reason: job.override_reason(),
        attempts: detail.attempt,
        created_at: detail.created_at,
        first_due_at: detail.first_due_at,
        due_at: detail.due_at,
        expires_at: detail.expires_at,
        paused_at: detail.paused_at,
        delivered_at: detail.delivered_at,
        answered_at: detail.answered_at,
        ended_at: detail.ended_at,
        timeline: timeline(detail),
    }
}

fn facts(detail: &RequestDetail) -> String {
    let (job, now) = (&detail.job, detail.now);
    let customer = job.customer.clone().unwrap_or_default();
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let properties = job.custom_properties.iter().map(|(key, value)| format!("{key}={value}"));
    fields(&[
        ("Request", detail.id.to_string()),
        ("Company", detail.slug.clone()),
        ("Status", Standing::of(detail).text(now)),
        ("Reason", text(detail.reason.as_deref())),
        ("Code", text(detail.code.as_deref())),
        ("Sent to", text(customer.name.as_deref())),
        ("Address", text(address(&customer, detail.medium))),
        ("Medium", text(detail.medium.map(Medium::word))),
        ("Account", text(detail.account.as_deref())),
        ("Provider id", text(detail.provider_id.as_deref())),
        ("Customer id", text(customer.custom_id.as_deref())),
        ("Sent by", text(sent_by(&job.employee))),
        ("Brand", detail.brand.clone()),
        ("Channel", detail.channel.clone()),
        ("Language", text(job.language.as_deref())),
        ("Country", text(job.country.as_deref())),
        ("Interaction", text(job.ext_interaction_id.as_deref())),
        ("Link", text(job.external_url.as_deref())),
        ("Tags", job.tags.join(", ")),
        ("Properties", properties.collect::<Vec<_>>().join(", ")),
        ("Requested by", text(job.manual.as_ref().map(|manual| manual.requested_by.as_str()))),
        ("Override", text(job.override_reason())),
        ("Recovery of", detail.root.map(|root| root.to_string()).unwrap_or_default()),
        ("Test", if detail.test { "yes".to_owned() } else { String::new() }),
        ("Attempts", detail.attempt.to_string()),
        ("Created", moment(detail.created_at, now)),
        ("First due", moment(detail.first_due_at, now)),
        ("Next due", detail.due_at.map(|at| moment(at, now)).unwrap_or_default()),
        ("Expires", moment(detail.expires_at, now)),
        ("Answered", detail.answered_at.map(|at| moment(at, now)).unwrap_or_default()),
        ("Paused", detail.paused_at.map(|at| moment(at, now)).unwrap_or_default()),
    ])
}

/// What happened, in order.
fn timeline(detail: &RequestDetail) -> Vec<Event> {
    let event = |at, event| Event { at, event, attempt: None, what: None, why: None };
    let mut events = vec![event(detail.created_at, "accepted")];
    let current = (detail.attempt > 0).then(|| PastAttempt {
        attempt: detail.attempt,
        begun_at: detail.begun_at,
        settled_at: detail.settled_at,
        outcome: detail.outcome,
        // A failure that a provider reported later left its own code there.
        code: detail.code.clone().filter(|_| detail.reason.as_deref() != Some("failed_at_provider")),
    });
    for attempt in detail.past.iter().chain(&current) {
        let of = |at, word| Event { attempt: Some(attempt.attempt), ..event(at, word) };
        events.extend(attempt.begun_at.map(|at| of(at, "attempt_begun")));
        events.extend(attempt.settled_at.map(|at| Event {
            what: attempt.outcome.map(outcome),
            why: attempt.code.clone(),
            ..of(at, "attempt_settled")
        }));
    }
    events.extend(detail.receipts.iter().map(|receipt| Event {
        attempt: receipt.attempt,
        what: Some(receipt.kind.clone()),
        why: receipt.code.clone(),
        ..event(receipt.at, if receipt.looked_up { "found_by_asking" } else { "receipt" })
    }));
    events.extend(detail.answered_at.map(|at| event(at, "answered")));
    events.extend(detail.paused_at.map(|at| event(at, "paused")));
    let delivered_at = detail.delivered_at.filter(|_| detail.state == State::Delivered);
    events.extend(delivered_at.or(detail.ended_at).map(|at| Event {
        what: Some(detail.state.status().word().to_owned()),
        why: detail.reason.clone(),
        ..event(at, "ended")
    }));
    // Stable: what happened at one instant stays in the order above.
    events.sort_by_key(|event| event.at);
    events
}

/// The word of a stored outcome.
fn outcome(code: i16) -> String {
    match code {
        0 => "accepted".to_owned(),
        1 => "refused".to_owned(),
        2 => "unknown".to_owned(),
        other => format!("outcome {other}"),
    }
}

fn table(events: &[Event], now: DateTime<Utc>) -> Table<5> {
    let mut table = Table::new(["Time", "", "What happened", "Attempt", "Detail"]);
    for event in events {
        let detail: Vec<&str> = [event.what.as_deref(), event.why.as_deref()].into_iter().flatten().collect();
        table.row([
            time(event.at),
            output::relative(event.at, now),
            event.event.replace('_', " "),
            event.attempt.map(|attempt| attempt.to_string()).unwrap_or_default(),
            detail.join(": "),
        ]);
    }
    table
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        ledger::requests::ReceiptLine,
        message::{CompanyId, Job},
    };
    use chrono::Duration;

    pub(crate) fn at(secs: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::seconds(secs)
    }

    /// A request that was just accepted and waits.
    pub(crate) fn detail() -> RequestDetail {
        RequestDetail {
            id: Uuid::from_u128(7),
            company: CompanyId(1),
            slug: "acme".into(),
            job: Job::default(),
            brand: "gold".into(),
            channel: "phone".into(),
            test: false,
            root: None,
            decision: String::new(),
            created_at: at(0),
            medium: Some(Medium::Email),
            account: Some("acme-mail".into()),
            addr: None,
            slots: Vec::new(),
            state: State::Waiting,
            epoch: 1,
            attempt: 0,
            reached: false,
            first_due_at: at(0),
            expires_at: at(259_200),
            paused_at: None,
            begun_at: None,
            settled_at: None,
            delivered_at: None,
            ended_at: None,
            answered_at: None,
            outcome: None,
            code: None,
            reason: None,
            provider_id: None,
            due_at: Some(at(60)),
            now: at(30),
            past: Vec::new(),
            receipts: Vec::new(),
        }
    }

    #[test]
    fn the_timeline_tells_every_attempt_receipt_and_end_in_order() {
        let refused = PastAttempt {
            attempt: 1,
            begun_at: Some(at(1)),
            settled_at: Some(at(2)),
            outcome: Some(1),
            code: Some("http_503".into()),
        };
        let receipt = ReceiptLine {
            at: at(40),
            kind: "delivered".into(),
            code: None,
            attempt: Some(2),
            looked_up: false,
        };
        let detail = RequestDetail {
            state: State::Delivered,
            attempt: 2,
            begun_at: Some(at(35)),
            settled_at: Some(at(36)),
            outcome: Some(0),
            delivered_at: Some(at(40)),
            past: vec![refused],
            receipts: vec![receipt],
            now: at(100),
            ..detail()
        };
        insta::assert_snapshot!(table(&timeline(&detail), detail.now).render(false), @r#"
        Time                             What happened    Attempt  Detail
        1970-01-01T00:00:00Z  1 min ago  accepted         -        -
        1970-01-01T00:00:01Z  1 min ago  attempt begun    1        -
        1970-01-01T00:00:02Z  1 min ago  attempt settled  1        refused: http_503
        1970-01-01T00:00:35Z  1 min ago  attempt begun    2        -
        1970-01-01T00:00:36Z  1 min ago  attempt settled  2        accepted
        1970-01-01T00:00:40Z  1 min ago  receipt          2        delivered
        1970-01-01T00:00:40Z  1 min ago  ended            -        delivered
        "#);
    }

    #[test]
    fn a_failure_reported_later_is_the_ends_and_not_the_attempts() {
        let detail = RequestDetail {
            state: State::Failed,
            attempt: 1,
            begun_at: Some(at(1)),
            settled_at: Some(at(2)),
            outcome: Some(0),
            code: Some("30005".into()),
            reason: Some("failed_at_provider".into()),
            ended_at: Some(at(9)),
            ..detail()
        };
        let settled =
            timeline(&detail).into_iter().find(|event| event.event == "attempt_settled").expect("settled");
        assert_eq!((settled.what.as_deref(), settled.why), (Some("accepted"), None));
    }

    #[test]
    fn facts_leave_out_what_is_not_there() {
        insta::assert_snapshot!(facts(&detail()), @r#"
        Request    00000000-0000-0000-0000-000000000007
        Company    acme
        Status     queued (waiting until 1970-01-01T00:01:00Z)
        Medium     email
        Account    acme-mail
        Brand      gold
        Channel    phone
        Attempts   0
        Created    1970-01-01T00:00:00Z (30 s ago)
        First due  1970-01-01T00:00:00Z (30 s ago)
        Next due   1970-01-01T00:01:00Z (in 30 s)
        Expires    1970-01-04T00:00:00Z (in 2 d)
        "#);
    }
}
