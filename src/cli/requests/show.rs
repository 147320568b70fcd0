//! `postrider requests show`: one request with everything that is stored about it, and its timeline.
//!
//! The facts are those of `requests::views::detail`; `why` explains the decision of the rules.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    cli::{
        lookup,
        output::{self, Table, fields, moment, time},
    },
    requests::views::{
        detail::RequestView,
        status_text::{StatusText, address, sent_by},
        timeline::{TimelineEvent, timeline},
    },
};
use postrider_domain::ids::Medium;
use postrider_ledger::{Ledger, requests::RequestDetail};

pub(super) async fn run(ledger: &Ledger, id: Uuid, json: bool) -> anyhow::Result<()> {
    let detail = lookup::request(ledger, id).await?;
    if json {
        return output::json(&RequestView::from(detail));
    }
    output::put(&facts(&detail))?;
    output::put("\n")?;
    table(&timeline(&detail), detail.now).print()
}

fn facts(detail: &RequestDetail) -> String {
    let (job, now) = (&detail.job, detail.now);
    let customer = job.customer.clone().unwrap_or_default();
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let answer = detail.answer.clone().unwrap_or_default();
    fields(&[
        ("Request", detail.id.to_string()),
        ("Company", detail.slug.clone()),
        ("Status", StatusText::new(detail).text(now)),
        ("Reason", text(detail.reason.as_deref())),
        ("Code", text(detail.code.as_deref())),
        ("Sent to", text(customer.name.as_deref())),
        ("Address", text(address(&customer, detail.medium))),
        ("Medium", text(detail.medium.map(Medium::as_str))),
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
        ("Properties", pairs(&job.custom_properties)),
        ("Requested by", text(job.manual.as_ref().map(|manual| manual.requested_by.as_str()))),
        ("Override", text(job.override_reason())),
        ("Recovery of", detail.original_request.map(|root| root.to_string()).unwrap_or_default()),
        ("Test", if detail.test { "yes".to_owned() } else { String::new() }),
        ("Attempts", detail.attempt.to_string()),
        ("Created", moment(detail.created_at, now)),
        ("First due", moment(detail.first_due_at, now)),
        ("Next due", detail.due_at.map(|at| moment(at, now)).unwrap_or_default()),
        ("Expires", moment(detail.expires_at, now)),
        ("Answered", detail.answered_at.map(|at| moment(at, now)).unwrap_or_default()),
        ("Score", answer.score.map(|score| score.to_string()).unwrap_or_default()),
        ("Comment", answer.comment.unwrap_or_default().lines().collect::<Vec<_>>().join(" / ")),
        ("Said", pairs(&answer.custom_properties)),
        ("Paused", detail.paused_at.map(|at| moment(at, now)).unwrap_or_default()),
    ])
}

fn pairs(properties: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = properties.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(", ")
}

fn table(events: &[TimelineEvent], now: DateTime<Utc>) -> Table<5> {
    let mut table = Table::new(["Time", "", "What happened", "Attempt", "Detail"]);
    for event in events {
        let detail: Vec<&str> = [event.what.as_deref(), event.why.as_deref()].into_iter().flatten().collect();
        table.row([
            time(event.at),
            output::relative(event.at, now),
            event.event.replace('_', " "),
            event.attempt.map(|attempt| attempt_number(event.message, attempt)).unwrap_or_default(),
            detail.join(": "),
        ]);
    }
    table
}

/// The number of an attempt; of a retry with the number of its message before it.
fn attempt_number(message: i16, attempt: i16) -> String {
    if message == 0 { attempt.to_string() } else { format!("{message}.{attempt}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::views::fixtures::{at, detail};
    use postrider_domain::lifecycle::State;
    use postrider_ledger::requests::{AnswerRecord, PastAttempt, ReceiptLine};

    #[test]
    fn the_timeline_tells_every_attempt_receipt_and_end_in_order() {
        let refused = PastAttempt {
            message: detail().id,
            attempt: 1,
            begun_at: Some(at(1)),
            settled_at: Some(at(2)),
            outcome: Some(1),
            code: Some("http_503".into()),
        };
        let receipt = ReceiptLine {
            message: detail().id,
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
    fn what_the_customer_answered_is_shown_on_one_line_each() {
        let (score, comment) = (Some(4), Some("Good,\nthanks".to_owned()));
        let answer = AnswerRecord { score, comment, ..AnswerRecord::default() };
        let text = facts(&RequestDetail { answered_at: Some(at(20)), answer: Some(answer), ..detail() });
        let shown: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("Answered")).collect();
        assert_eq!(
            shown,
            ["Answered   1970-01-01T00:00:20Z (10 s ago)", "Score      4", "Comment    Good, / thanks"]
        );
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
