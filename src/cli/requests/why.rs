//! `postrider requests why`: the finding of each rule, the events since, and the time at which the request could pass.
//!
//! The explanation is that of `requests::views::explain`; this file prints it as a table and sentences.

use anyhow::Context;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    cli::{
        lookup,
        output::{self, Table, fields, moment},
    },
    company_cache::CompanyCache,
    config::Config,
    requests::views::{
        explain::{Explanation, RuleFinding, explain},
        reasons::sentence,
        status_text::StatusText,
    },
    worker,
};
use postrider_ledger::Ledger;

pub(super) async fn run(config: &Config, ledger: &Ledger, id: Uuid, json: bool) -> anyhow::Result<()> {
    let detail = lookup::request(ledger, id).await?;
    // Without the secret of the installation the rules cannot be evaluated again.
    let company_cache = CompanyCache::load(ledger.clone()).await.ok();
    let keys = worker::keys(config).ok();
    let why = explain(ledger, company_cache.as_ref().zip(keys.as_deref()), &detail).await;
    let why = why.context("read the stored decision")?;
    if json {
        return output::json(&why);
    }
    output::put(&head(&why, StatusText::new(&detail).text(detail.now), detail.now))?;
    output::put("\n")?;
    table(&why.rules, detail.now).print()?;
    output::put(&format!("\n{}", tail(&why)))
}

fn head(why: &Explanation, status: String, now: DateTime<Utc>) -> String {
    let verdict = match why.verdict_reason {
        None => format!("send, due {}", moment(why.due_at, now)),
        Some(reason) => format!("suppress, {reason}: {}", sentence(reason)),
    };
    fields(&[
        ("Request", format!("{} of {}", why.request_id, why.company)),
        ("Status", status),
        ("Reason", why.reason.clone().unwrap_or_default()),
        ("Decision", verdict),
        ("Decided", format!("{}, by policy version {}", moment(why.decided_at, now), why.policy_version)),
    ])
}

fn table(rules: &[RuleFinding], now: DateTime<Utc>) -> Table<4> {
    let mut table = Table::new(["Rule", "Finding", "Could pass", "Because"]);
    for rule in rules {
        let (word, could) = match (rule.reason, rule.could_pass_at) {
            (None, _) => ("pass".to_owned(), String::new()),
            (Some(reason), Some(at)) => (format!("stop: {reason}"), moment(at, now)),
            (Some(reason), None) => (format!("stop: {reason}"), "never by itself".to_owned()),
        };
        table.row([rule.rule.clone(), word, could, rule.note.clone()]);
    }
    table
}

fn tail(why: &Explanation) -> String {
    let since = why.since.clone().unwrap_or_else(|| "nothing".to_owned());
    fields(&[("Since then", since), ("Next", why.next.text.clone())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requests::views::{
        explain::explanation,
        fixtures::{at, detail},
    };
    use postrider_domain::{
        lifecycle::{Reason, State},
        rules::{Decision, Finding, Verdict},
    };
    use postrider_ledger::requests::{AnswerRecord, RequestDetail};

    fn decision(trail: Vec<Finding>) -> Decision {
        Decision {
            verdict: trail.iter().find_map(|finding| finding.stops).map_or(Verdict::Send, Verdict::Suppress),
            candidate: None,
            due_at: at(60),
            expires_at: at(259_200),
            policy_version: 3,
            decided_at: at(0),
            trail,
            inputs: postrider_domain::rules::Inputs::default(),
        }
    }

    fn passed() -> Decision {
        decision(vec![
            Finding::pass("do_not_send", ""),
            Finding::pass("medium", "email, by the company's preference"),
            Finding::pass("suppression_period", "no request within 30 days"),
        ])
    }

    fn text(detail: &RequestDetail, decision: Decision, again: Option<Decision>) -> String {
        let why = explanation(detail, decision, again);
        let head = head(&why, StatusText::new(detail).text(detail.now), detail.now);
        format!("{head}\n{}\n{}", table(&why.rules, detail.now).render(false), tail(&why))
    }

    fn suppressed(reason: &str) -> RequestDetail {
        RequestDetail {
            state: State::Suppressed,
            reason: Some(reason.to_owned()),
            ended_at: Some(at(20)),
            due_at: None,
            ..detail()
        }
    }

    #[test]
    fn a_request_that_waits_says_when_it_goes_out() {
        insta::assert_snapshot!(text(&detail(), passed(), None), @r#"
        Request   00000000-0000-0000-0000-000000000007 of acme
        Status    queued (waiting until 1970-01-01T00:01:00Z)
        Decision  send, due 1970-01-01T00:01:00Z (in 30 s)
        Decided   1970-01-01T00:00:00Z (30 s ago), by policy version 3

        Rule                Finding  Could pass  Because
        do_not_send         pass     -           -
        medium              pass     -           email, by the company's preference
        suppression_period  pass     -           no request within 30 days

        Since then  nothing
        Next        it is sent at 1970-01-01T00:01:00Z (in 30 s)
        "#);
    }

    #[test]
    fn a_stopping_rule_says_when_it_could_pass() {
        let held = Finding {
            passes_at: Some(at(86_400)),
            ..Finding::stop("suppression_period", Reason::SuppressionPeriod, "request 8 asks; period 1 days")
        };
        let decision = decision(vec![Finding::pass("do_not_send", ""), held]);
        insta::assert_snapshot!(text(&suppressed("suppression_period"), decision, None), @r#"
        Request   00000000-0000-0000-0000-000000000007 of acme
        Status    suppressed
        Reason    suppression_period
        Decision  suppress, suppression_period: another request asks or asked this customer within the suppression period
        Decided   1970-01-01T00:00:00Z (30 s ago), by policy version 3

        Rule                Finding                   Could pass                      Because
        do_not_send         pass                      -                               -
        suppression_period  stop: suppression_period  1970-01-02T00:00:00Z (in 23 h)  request 8 asks; period 1 days

        Since then  nothing
        Next        a new job for this customer could pass at 1970-01-02T00:00:00Z (in 23 h)
        "#);
    }

    #[test]
    fn a_race_lost_after_the_decision_is_told_with_the_next_time() {
        let mut again = passed();
        again.trail[2] = Finding {
            passes_at: Some(at(86_400)),
            ..Finding::stop("suppression_period", Reason::SuppressionPeriod, "")
        };
        let why = explanation(&suppressed("suppression_period"), passed(), Some(again));
        insta::assert_snapshot!(tail(&why), @r#"
        Since then  suppressed at 1970-01-01T00:00:20Z, suppression_period: another request asks or asked this customer within the suppression period
        Next        a new job for this customer could pass at 1970-01-02T00:00:00Z (in 23 h)
        "#);
        let blind = explanation(&suppressed("overtaken"), passed(), None);
        insta::assert_snapshot!(tail(&blind), @r#"
        Since then  suppressed at 1970-01-01T00:00:20Z, overtaken: it waited past its suppression period, and a later request asked the customer instead
        Next        a new job could pass after the suppression period of the request that was sent instead
        "#);
    }

    #[test]
    fn each_end_after_the_decision_is_told_in_its_own_words() {
        let told: Vec<String> = ["expired", "stop", "blocked_by_hand"]
            .map(|reason| tail(&explanation(&suppressed(reason), passed(), None)))
            .to_vec();
        insta::assert_snapshot!(told.concat(), @r#"
        Since then  suppressed at 1970-01-01T00:00:20Z, expired: it was not sent before it expired
        Next        a new job for this customer could pass at 1970-01-01T00:00:30Z (now)
        Since then  suppressed at 1970-01-01T00:00:20Z, stop: the customer answered STOP
        Next        a new job for this customer never passes by itself
        Since then  suppressed at 1970-01-01T00:00:20Z, blocked_by_hand: a person blocked the address
        Next        a new job for this customer never passes by itself
        "#);
    }

    #[test]
    fn each_state_after_an_attempt_is_told() {
        let attempted = |state, reason: Option<&str>| RequestDetail {
            state,
            attempt: 2,
            begun_at: Some(at(5)),
            delivered_at: Some(at(9)),
            ended_at: Some(at(9)),
            code: reason.map(|_| "http_503".to_owned()),
            reason: reason.map(str::to_owned),
            ..detail()
        };
        let told: Vec<String> = [
            attempted(State::Waiting, Some("refused_for_now")),
            attempted(State::Sending, None),
            attempted(State::Unknown, Some("awaiting_proof")),
            attempted(State::Sent, None),
            attempted(State::Delivered, None),
            attempted(State::PresumedFailed, Some("outcome_unknown")),
            attempted(State::Failed, Some("a_reason_of_a_later_version")),
            attempted(State::Canceled, Some("canceled_by_person")),
            RequestDetail { paused_at: Some(at(12)), ..detail() },
            RequestDetail {
                paused_at: Some(at(12)),
                ended_at: None,
                ..attempted(State::Waiting, Some("quarantined"))
            },
        ]
        .iter()
        .map(|detail| tail(&explanation(detail, passed(), None)))
        .collect();
        insta::assert_snapshot!(told.concat(), @r#"
        Since then  attempt 2 at 1970-01-01T00:00:05Z was not sent, refused_for_now: the provider refused it temporarily (http_503)
        Next        it is sent at 1970-01-01T00:01:00Z (in 30 s)
        Since then  attempt 2 is in flight, begun at 1970-01-01T00:00:05Z
        Next        the attempt in flight decides
        Since then  attempt 2 was made at 1970-01-01T00:00:05Z, awaiting_proof: the provider's answer was lost; it is not known yet whether it was sent (http_503)
        Next        a receipt, or the end of the time for one, decides; no further attempt is made until then
        Since then  attempt 2 was handed over at 1970-01-01T00:00:05Z
        Next        none: it was sent
        Since then  delivered at 1970-01-01T00:00:09Z, by attempt 2
        Next        none: it was sent
        Since then  failed at 1970-01-01T00:00:09Z, outcome_unknown: the provider's answer was lost, and no receipt or status query gave the result in time (http_503)
        Next        it has ended; a person may retry it, or a new job may ask this customer
        Since then  failed at 1970-01-01T00:00:09Z, a_reason_of_a_later_version (http_503)
        Next        it has ended; a person may retry it, or a new job may ask this customer
        Since then  canceled at 1970-01-01T00:00:09Z, canceled_by_person: a person canceled it
        Next        it has ended; only a new job can ask this customer
        Since then  paused by a person at 1970-01-01T00:00:12Z
        Next        it waits until it is resumed: the rules are then evaluated again
        Since then  quarantined at 1970-01-01T00:00:12Z: its workers crashed on it before any call was made, the last one while it processed nothing else; attempt 2 at 1970-01-01T00:00:05Z was not sent (http_503)
        Next        it waits for `postrider quarantine replay`: the rules are then evaluated again, and it is tried alone
        "#);
    }

    #[test]
    fn an_answer_is_told_with_its_score_and_without_its_words() {
        let (score, comment) = (Some(4), Some("Good, thanks".to_owned()));
        let answer = AnswerRecord { score, comment, ..AnswerRecord::default() };
        let (answered_at, answer) = (Some(at(9)), Some(answer));
        let answered = RequestDetail { state: State::Sent, attempt: 1, answered_at, answer, ..detail() };
        insta::assert_snapshot!(tail(&explanation(&answered, passed(), None)), @r#"
        Since then  attempt 1 was handed over; the customer answered at 1970-01-01T00:00:09Z, score 4
        Next        none: it was sent
        "#);
    }

    #[test]
    fn programs_get_every_finding_and_the_next_time() {
        let why = serde_json::to_value(explanation(&detail(), passed(), None)).expect("plain data");
        let note = "email, by the company's preference";
        let medium = serde_json::json!({
            "rule": "medium", "finding": "pass", "reason": null, "note": note, "could_pass_at": null
        });
        assert_eq!(why["rules"][1], medium);
        assert_eq!(why["verdict"], "send");
        assert_eq!(why["next"]["at"], "1970-01-01T00:01:00Z");
    }
}
