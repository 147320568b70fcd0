//! Backtests of handmade histories: cases that a real history has only by rare chance.
//!
//! Rich histories, made by the worker, are replayed in `tests/it/simulations`. Times are milliseconds.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::{
    company::{Company, Policy, Role, file},
    hash_keys::IdentityKey,
    ids::{CompanyId, lowest_id_at},
    job::{Customer, Manual, RequesterRole},
    lifecycle::{Reason, State},
    rules::{self, Case, Decision, Facts, Inputs, Requester, ReservationHolder, Verdict},
};

use super::{Backtest, BacktestReport, Period, RecordedRequest, report::Standing, run::numbered};

const DAY: i64 = 86_400_000;

fn at(millis: i64) -> DateTime<Utc> {
    let start = DateTime::from_timestamp(1_800_000_000, 0).expect("a time within range");
    start + Duration::milliseconds(millis)
}

fn company() -> Company {
    let example = include_str!("../../../../deploy/example-company.toml");
    let policy = file::parse(example).expect("the example is valid").policy;
    let company =
        Company { id: CompanyId(1), version: 1, policy: policy.clone(), account_ids: HashMap::new() };
    numbered(&company, 1, policy)
}

/// Sent when it was accepted, and delivered.
fn undecided(number: u128, person: u32, accepted: i64) -> RecordedRequest {
    let email = Some(format!("person{person}@customers.example"));
    RecordedRequest {
        id: Uuid::from_u128(lowest_id_at(at(accepted)).as_u128() | number),
        accepted_at: at(accepted),
        test: false,
        original_request: None,
        policy_version: 1,
        customer: Customer { email, ..Customer::default() },
        brand: "blancapeak".to_owned(),
        channel: "phone".to_owned(),
        country: None,
        asked_medium: None,
        manual: None,
        decision: None,
        medium: None,
        state: State::Delivered,
        reason: None,
        may_have_been_sent: true,
        begins: vec![at(accepted)],
        ended_at: None,
        manual_retry: None,
    }
}

/// With the decision of its own policy.
fn decided(mut stored: RecordedRequest, decided: i64, found: impl FnOnce(&mut Facts)) -> RecordedRequest {
    let blank = Decision {
        verdict: Verdict::Send,
        candidate: None,
        due_at: at(decided),
        expires_at: at(decided),
        policy_version: 1,
        decided_at: at(decided),
        trail: Vec::new(),
        inputs: Inputs::default(),
    };
    let (company, job) = (company(), stored.job(&blank));
    let placed = stored.place(&job, &company).expect("it has a place");
    let mut facts = stored.facts(&blank, Vec::new());
    found(&mut facts);
    let case = Case { job: &job, company: &company, placed: &placed, facts: &facts };
    let decision = rules::decide(&case).expect("it is accepted");
    stored.medium = decision.candidate.as_ref().map(|candidate| candidate.medium);
    if let Verdict::Suppress(reason) = decision.verdict {
        stored = unsent(stored, State::Suppressed, reason, None);
    }
    stored.decision = Some(decision);
    stored
}

fn request(number: u128, person: u32, times: [i64; 2], held_by: Option<&RecordedRequest>) -> RecordedRequest {
    let [looked, accepted] = times;
    let holder =
        |held_by: &RecordedRequest| ReservationHolder { request: held_by.id, asked_at: held_by.accepted_at };
    decided(undecided(number, person, accepted), looked, |facts| {
        facts.holders = held_by.map(holder).into_iter().collect();
    })
}

/// Ended without having gone out: when it was accepted, or later.
fn unsent(stored: RecordedRequest, state: State, reason: Reason, ended: Option<i64>) -> RecordedRequest {
    let reason = Some(reason.as_str().to_owned());
    let begins = if ended.is_some() { stored.begins } else { Vec::new() };
    let ended_at = Some(ended.map_or(stored.accepted_at, at));
    RecordedRequest { state, reason, may_have_been_sent: false, begins, ended_at, ..stored }
}

/// Its address refused for good.
fn refused(stored: RecordedRequest, ended: i64) -> RecordedRequest {
    unsent(stored, State::Failed, Reason::RecipientRefused, Some(ended))
}

fn simulated(current: &Company, changed: Policy, rows: Vec<RecordedRequest>) -> BacktestReport {
    let keys = IdentityKey::new([7; 32]);
    let span = Period { read_from: at(-60 * DAY), from: at(-DAY), until: at(DAY) };
    let mut simulation = Backtest::new(&keys, current, changed, 30, span);
    simulation.add_policy(current, 1, Some(current.policy.clone()));
    simulation.push(rows);
    simulation.finish(0)
}

/// As recorded, request by request.
fn is_the_same(what: &str, report: &BacktestReport) {
    assert_eq!(report.not_replayable, [], "{what}");
    assert_eq!(report.samples, [], "{what}");
    assert_eq!(report.before, report.after, "{what}");
}

#[test]
fn a_decision_during_a_release_is_replayed_as_recorded() {
    let first = refused(request(1, 1, [5, 10], None), 1_000);
    let of_another = request(2, 2, [1_004, 1_005], None);
    // The end was not visible yet; meanwhile another request was accepted.
    let held = request(3, 1, [1_003, 1_010], Some(&first));
    assert_eq!(held.state, State::Suppressed);
    // The end could be seen, though the look began before it.
    let passed = request(4, 1, [990, 995], None);
    // Lost to the first one, which was faster and ended before the loser's turn in the replay.
    let lost = request(5, 1, [4, 20], None);
    let lost = unsent(lost, State::Suppressed, Reason::SuppressionPeriod, None);
    assert!(lost.lost_its_race());
    for (what, second) in [("held", held), ("passed", passed), ("lost", lost)] {
        let company = company();
        let rows = vec![first.clone(), of_another.clone(), second];
        let report = simulated(&company, company.policy.clone(), rows);
        is_the_same(what, &report);
        assert_eq!(report.requests, 3, "{what}");
    }
}

#[test]
fn a_difference_beyond_the_concurrency_margin_is_excluded() {
    let first = refused(request(1, 1, [5, 10], None), 1_000);
    let held = request(2, 1, [60_000, 60_010], Some(&first));
    let company = company();
    let report = simulated(&company, company.policy.clone(), vec![first, held]);
    let why: Vec<_> = report.not_replayable.iter().map(|one| (one.why, one.requests)).collect();
    assert_eq!(why, [("held_by_earlier", 1)]);
}

#[test]
fn an_administrator_who_asked_about_their_own_interaction_is_replayed() {
    let role = Some(RequesterRole::CompanyAdmin);
    let manual = Manual { requested_by: "Ann".to_owned(), role, override_reason: None };
    let asked = RecordedRequest { channel: "chat".to_owned(), manual: Some(manual), ..undecided(1, 1, 10) };
    let asked = decided(asked, 5, |facts| {
        facts.requester = Some(Requester { role: Role::Admin, is_employee: true });
    });
    let company = company();
    assert!(!company.policy.admin_may_request_on_behalf);
    is_the_same("own", &simulated(&company, company.policy.clone(), vec![asked]));
}

#[test]
fn an_automatic_request_needs_a_channel_that_is_on_for_systems() {
    let company = company();
    let mut changed = company.policy.clone();
    for channel in changed.channels.iter_mut().filter(|channel| channel.name == "phone") {
        (channel.automatic, channel.manual) = (false, true);
    }
    let report = simulated(&company, changed, vec![request(1, 1, [5, 10], None)]);
    assert_eq!((report.after.rejected, report.by_reason[0].reason.as_str()), (1, "channel_off"));
    assert_eq!(report.samples[0].after.standing, Standing::Rejected);
}

#[test]
fn a_changed_default_brand_excludes_jobs_that_may_have_named_none() {
    let mut single = company();
    let several = single.policy.clone();
    single.policy.brands.truncate(1);
    single.policy.default_brand = None;
    for (default_brand, known) in [(Some("blancapeak"), true), (Some("blancagold"), false), (None, false)] {
        let changed = Policy { default_brand: default_brand.map(str::to_owned), ..several.clone() };
        let report = simulated(&single, changed, vec![request(1, 1, [5, 10], None)]);
        let why: Vec<_> = report.not_replayable.iter().map(|one| one.why).collect();
        assert_eq!(why.is_empty(), known, "{default_brand:?}: {why:?}");
    }
}

#[test]
fn a_request_before_the_period_reserves_although_its_channel_is_gone() {
    let before = RecordedRequest { channel: "chat".to_owned(), ..undecided(1, 1, -2 * DAY) };
    let before = decided(before, -2 * DAY - 5, |_| {});
    let held = request(2, 1, [5, 10], Some(&before));
    let company = company();
    let mut changed = company.policy.clone();
    changed.channels.retain(|channel| channel.name != "chat");
    let report = simulated(&company, changed, vec![before, held]);
    is_the_same("held", &report);
    assert_eq!((report.read_before, report.after.not_sent), (1, 1));
}
