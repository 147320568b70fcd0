//! Tests of the rules: one sentence per promise, and the properties that hold for every job.
//!
//! `facts` are made by hand here; how they are gathered is tested with the ledger. `placing` has the
//! tests of what is rejected before any fact is known: brand, channel, recovery.

mod manual;
mod placing;
mod properties;

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::{
    company::{
        Account, Brand, Channel, Company, Policy, ProviderSettings, SuppressionScope, policy::SmtpTls,
    },
    ids::{AccountId, BlockKind, CompanyId, Medium},
    job::{Customer, Employee, Job, JobOrigin},
    lifecycle::Reason,
};

use super::{Case, Decision, Facts, MemberFact, ReservationHolder, Verdict, decide, place, suppression};

const EMAIL_ACCOUNT: AccountId = AccountId(1);
const SMS_ACCOUNT: AccountId = AccountId(2);
const ALL_RULES: [&str; 6] = ["do_not_send", "medium", "blocked", "suppression_period", "delay", "expiry"];

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time within range")
}

fn brand(label: &str) -> Brand {
    Brand {
        label: label.to_owned(),
        name: label.to_owned(),
        survey_url: "https://survey.example.com/{request}".to_owned(),
        email_from: Some("ask@example.com".to_owned()),
        reply_to: None,
        postal_address: None,
        language: "en".to_owned(),
        delay_secs: None,
        email_account: None,
        sms_account: None,
    }
}

fn channel(name: &str) -> Channel {
    Channel { name: name.to_owned(), automatic: true, manual: true, delay_secs: None }
}

fn account(id: &str, settings: ProviderSettings) -> Account {
    Account { id: id.to_owned(), rate_per_sec: 10, concurrency: 1, settings }
}

fn smtp() -> ProviderSettings {
    ProviderSettings::Smtp {
        host: "localhost".to_owned(),
        port: 25,
        tls: SmtpTls::None,
        username: None,
        password_env: None,
        domain: "example.com".to_owned(),
    }
}

fn twilio() -> ProviderSettings {
    ProviderSettings::Twilio {
        base_url: "http://localhost".to_owned(),
        account_sid: "AC1".to_owned(),
        api_key_sid: None,
        api_secret_env: "A".to_owned(),
        auth_token_env: "B".to_owned(),
        from: Some("+15005550006".to_owned()),
        messaging_service_sid: None,
    }
}

fn company() -> Company {
    Company {
        id: CompanyId(1),
        version: 7,
        policy: Policy {
            slug: "blanca".to_owned(),
            name: "Blanca".to_owned(),
            default_brand: None,
            brands: vec![brand("blanca")],
            channels: vec![channel("phone"), channel("chat")],
            accounts: vec![account("mail", smtp()), account("text", twilio())],
            bindings: Vec::new(),
            suppression_days: 30,
            suppression_scope: SuppressionScope::Company,
            medium_preference: vec![Medium::Email, Medium::Sms],
            delay_secs: 0,
            expires_after_secs: 3_600,
            require_approved: true,
            admin_may_request_on_behalf: false,
            resend_if_absent: false,
            test_email: Some("tests@blanca.example".to_owned()),
            test_phone: None,
            connectors: Vec::new(),
            alerts: Default::default(),
        },
        account_ids: [("mail".to_owned(), EMAIL_ACCOUNT), ("text".to_owned(), SMS_ACCOUNT)].into(),
    }
}

fn job() -> Job {
    Job {
        customer: Some(Customer {
            custom_id: None,
            name: Some("Jane".to_owned()),
            email: Some("jane@example.com".to_owned()),
            phone: Some("+14155552671".to_owned()),
        }),
        employee: Employee { email: Some("paul@example.com".to_owned()), custom_id: None },
        channel: Some("phone".to_owned()),
        ..Job::default()
    }
}

fn facts() -> Facts {
    Facts {
        now: now(),
        member: MemberFact::Found { approved: true },
        block_bits: [0, 0],
        holders: Vec::new(),
        recovery: false,
        test: false,
        answered: false,
        requester: None,
    }
}

fn asked(days_ago: i64) -> ReservationHolder {
    ReservationHolder { request: Uuid::from_u128(9), asked_at: now() - Duration::days(days_ago) }
}

/// The decision, or the problems' codes.
fn decided(job: &Job, company: &Company, facts: &Facts) -> Result<Decision, Vec<String>> {
    let codes =
        |problems: Vec<crate::document::Problem>| problems.into_iter().map(|problem| problem.code).collect();
    let placed = place(job, &company.policy, JobOrigin::Automatic).map_err(codes)?;
    decide(&Case { job, company, placed: &placed, facts }).map_err(codes)
}

fn sends(job: &Job, company: &Company, facts: &Facts) -> Decision {
    let decision = decided(job, company, facts).expect("the job is not rejected");
    assert_eq!(decision.verdict, Verdict::Send, "{:?}", decision.trail);
    decision
}

fn suppresses(job: &Job, company: &Company, facts: &Facts) -> (Reason, Decision) {
    let decision = decided(job, company, facts).expect("the job is not rejected");
    (decision.reason().expect("the job is suppressed"), decision)
}

fn medium_of(decision: &Decision) -> Option<Medium> {
    decision.candidate.as_ref().map(|candidate| candidate.medium)
}

#[test]
fn a_plain_job_is_sent_now_by_the_preferred_medium_and_every_rule_says_so() {
    let decision = sends(&job(), &company(), &facts());
    let candidate = decision.candidate.clone().expect("somebody to write to");
    assert_eq!((candidate.medium, candidate.account), (Medium::Email, EMAIL_ACCOUNT));
    assert_eq!(candidate.address, "jane@example.com");
    assert_eq!((decision.due_at, decision.expires_at), (now(), now() + Duration::hours(1)));
    assert_eq!((decision.policy_version, decision.decided_at), (7, now()));
    let rules: Vec<&str> = decision.trail.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(rules, ALL_RULES);
    assert_eq!(decision.could_pass_at(), Some(now()));
}

#[test]
fn the_first_rule_that_stops_names_the_reason_and_the_others_still_speak() {
    let all_at_once = Facts { block_bits: [8, 1], holders: vec![asked(1)], ..facts() };
    let (reason, decision) = suppresses(&Job { do_not_send: true, ..job() }, &company(), &all_at_once);
    assert_eq!(reason, Reason::DoNotSend);
    let stops: Vec<Option<Reason>> = decision.trail.iter().map(|finding| finding.stops).collect();
    let expected = [
        Some(Reason::DoNotSend),
        None,
        Some(Reason::HardBounced),
        Some(Reason::SuppressionPeriod),
        None,
        None,
    ];
    assert_eq!(stops, expected);
    assert_eq!(suppresses(&job(), &company(), &all_at_once).0, Reason::HardBounced);
}

#[test]
fn do_not_send_suppresses_even_who_could_not_be_reached_anyway() {
    let nobody = Job { do_not_send: true, customer: None, ..job() };
    let (reason, decision) = suppresses(&nobody, &company(), &facts());
    assert_eq!((reason, decision.candidate.clone()), (Reason::DoNotSend, None));
    assert_eq!(decision.could_pass_at(), None, "a wish never passes by itself");
}

#[test]
fn a_blocked_medium_falls_out_and_the_next_one_is_taken() {
    let decision =
        sends(&job(), &company(), &Facts { block_bits: [BlockKind::HardBounced.bit(), 0], ..facts() });
    assert_eq!(medium_of(&decision), Some(Medium::Sms));
    let note = &decision.trail[2].note;
    assert!(note.contains("email") && note.contains("hard_bounced"), "{note}");
}

#[test]
fn where_all_are_blocked_the_first_candidates_block_is_the_reason() {
    let blocked = Facts { block_bits: [BlockKind::Complained.bit(), BlockKind::Stop.bit()], ..facts() };
    let (reason, decision) = suppresses(&job(), &company(), &blocked);
    assert_eq!((reason, medium_of(&decision)), (Reason::Complained, Some(Medium::Email)));
    let mut sms_first = company();
    sms_first.policy.medium_preference.reverse();
    assert_eq!(suppresses(&job(), &sms_first, &blocked).0, Reason::Stop);
}

#[test]
fn of_several_blocks_the_customers_own_wish_is_shown_first() {
    let bits = BlockKind::ALL.into_iter().map(BlockKind::bit).sum();
    assert_eq!(
        suppresses(&job(), &company(), &Facts { block_bits: [bits, bits], ..facts() }).0,
        Reason::Stop
    );
}

#[test]
fn a_block_of_a_medium_that_the_job_did_not_name_is_no_matter() {
    let by_sms = Job { medium: Some(Medium::Sms), ..job() };
    let decision = sends(&by_sms, &company(), &Facts { block_bits: [1, 0], ..facts() });
    assert_eq!(medium_of(&decision), Some(Medium::Sms));
    let (reason, _) = suppresses(&by_sms, &company(), &Facts { block_bits: [0, 1], ..facts() });
    assert_eq!(reason, Reason::Stop, "a named medium has no substitute");
}

#[test]
fn the_medium_is_the_jobs_else_the_first_preferred_one_with_an_address_and_an_account() {
    let with = |email: bool, phone: bool| {
        let mut job = job();
        let customer = job.customer.as_mut().expect("the job has a customer");
        customer.email = customer.email.take().filter(|_| email);
        customer.phone = customer.phone.take().filter(|_| phone);
        job
    };
    assert_eq!(medium_of(&sends(&with(false, true), &company(), &facts())), Some(Medium::Sms));
    let named = Job { medium: Some(Medium::Sms), ..with(true, true) };
    assert_eq!(medium_of(&sends(&named, &company(), &facts())), Some(Medium::Sms));
    let named = Job { medium: Some(Medium::Sms), ..with(true, false) };
    assert_eq!(decided(&named, &company(), &facts()), Err(vec!["no_address".to_owned()]));
    let mut only_mail = company();
    only_mail.policy.accounts.truncate(1);
    assert_eq!(medium_of(&sends(&with(true, true), &only_mail, &facts())), Some(Medium::Email));
    assert_eq!(decided(&with(false, true), &only_mail, &facts()), Err(vec!["no_address".to_owned()]));
}

#[test]
fn a_brands_own_account_goes_before_the_companys_first() {
    let mut company = company();
    company.policy.accounts.push(account("gold", smtp()));
    company.account_ids.insert("gold".to_owned(), AccountId(3));
    company.policy.brands[0].email_account = Some("gold".to_owned());
    let candidate = sends(&job(), &company, &facts()).candidate;
    assert_eq!(candidate.map(|candidate| candidate.account), Some(AccountId(3)));
}

#[test]
fn the_suppression_period_passes_exactly_so_many_days_after_the_last_ask() {
    let (reason, decision) = suppresses(&job(), &company(), &Facts { holders: vec![asked(29)], ..facts() });
    assert_eq!(reason, Reason::SuppressionPeriod);
    let passes_at = now() + Duration::days(1);
    assert_eq!(decision.could_pass_at(), Some(passes_at));
    let later = |at| Facts { now: at, holders: vec![asked(29)], ..facts() };
    suppresses(&job(), &company(), &later(passes_at - Duration::microseconds(1)));
    sends(&job(), &company(), &later(passes_at));
}

#[test]
fn the_period_counts_from_the_latest_holder_planned_asks_included() {
    let planned = ReservationHolder { request: Uuid::from_u128(5), asked_at: now() + Duration::days(3) };
    let holders = vec![asked(40), planned, asked(2)];
    let (_, decision) = suppresses(&job(), &company(), &Facts { holders, ..facts() });
    assert_eq!(decision.could_pass_at(), Some(now() + Duration::days(33)));
    assert!(decision.trail[3].note.contains(&planned.request.to_string()), "the finding names the holder");
}

#[test]
fn a_period_of_no_days_holds_nobody_and_reserves_nothing() {
    let mut company = company();
    company.policy.suppression_days = 0;
    let facts = Facts { holders: vec![asked(0)], ..facts() };
    sends(&job(), &company, &facts);
    assert!(!reserves(&company, &facts));
}

#[test]
fn a_recovery_passes_the_period_and_takes_the_reservation_over() {
    let recovery = Facts { recovery: true, holders: vec![asked(1)], ..facts() };
    let decision = sends(&job(), &company(), &recovery);
    assert!(decision.trail[3].note.contains("takes over"));
    assert!(reserves(&company(), &recovery));
    let blocked = Facts { block_bits: [1, 1], ..recovery };
    assert_eq!(suppresses(&job(), &company(), &blocked).0, Reason::Stop, "it passes no other rule");
}

#[test]
fn a_test_request_sees_the_period_is_not_held_and_reserves_nothing() {
    let test = Facts { test: true, holders: vec![asked(1)], ..facts() };
    let decision = sends(&job(), &company(), &test);
    assert!(decision.trail[3].note.contains("a test request is not held"));
    assert!(!reserves(&company(), &test));
    assert!(reserves(&company(), &facts()));
}

fn reserves(company: &Company, facts: &Facts) -> bool {
    let job = job();
    let placed = place(&job, &company.policy, JobOrigin::Automatic).expect("the job is placed");
    suppression::reserves(&Case { job: &job, company, placed: &placed, facts })
}

#[test]
fn the_delay_is_the_jobs_else_the_channels_the_brands_the_companys() {
    let due_after =
        |job: &Job, company: &Company| (sends(job, company, &facts()).due_at - now()).num_seconds();
    let mut company = company();
    company.policy.delay_secs = 4;
    assert_eq!(due_after(&job(), &company), 4);
    company.policy.brands[0].delay_secs = Some(3);
    assert_eq!(due_after(&job(), &company), 3);
    company.policy.channels[0].delay_secs = Some(2);
    assert_eq!(due_after(&job(), &company), 2);
    assert_eq!(due_after(&Job { delay_secs: Some(1), ..job() }, &company), 1);
    assert_eq!(due_after(&Job { delay_secs: Some(0), ..job() }, &company), 0, "nought is a delay of its own");
    assert_eq!(
        due_after(&Job { send_after: Some(now()), ..job() }, &company),
        0,
        "a start of its own is the job's"
    );
}

#[test]
fn of_two_starts_the_later_counts_and_one_in_the_past_means_now() {
    let due_after = |after_secs: i64, delay_secs: Option<u32>| {
        let job = Job { send_after: Some(now() + Duration::seconds(after_secs)), delay_secs, ..job() };
        (sends(&job, &company(), &facts()).due_at - now()).num_seconds()
    };
    assert_eq!(due_after(60, Some(30)), 60);
    assert_eq!(due_after(60, Some(90)), 90);
    assert_eq!(due_after(60, None), 60);
    assert_eq!(due_after(-60, None), 0);
    assert_eq!(due_after(-60, Some(30)), 30);
}

#[test]
fn expiry_counts_from_the_first_due_time() {
    let delayed = Job { delay_secs: Some(100), ..job() };
    assert_eq!(sends(&delayed, &company(), &facts()).expires_at, now() + Duration::seconds(3_700));
    let short = Job { expires_after_secs: Some(5), ..delayed };
    assert_eq!(sends(&short, &company(), &facts()).expires_at, now() + Duration::seconds(105));
}

#[test]
fn a_team_member_must_be_known_one_and_approved() {
    for (member, code) in [
        (MemberFact::UnknownEmail, "unknown_employee"),
        (MemberFact::UnknownCustomId, "unknown_employee"),
        (MemberFact::Mismatch, "employee_mismatch"),
        (MemberFact::Found { approved: false }, "employee_not_approved"),
    ] {
        assert_eq!(decided(&job(), &company(), &Facts { member, ..facts() }), Err(vec![code.to_owned()]));
    }
    let mut lenient = company();
    lenient.policy.require_approved = false;
    sends(&job(), &lenient, &Facts { member: MemberFact::Found { approved: false }, ..facts() });
}

#[test]
fn a_rejection_names_every_problem_at_once() {
    let unreachable = Job { customer: Some(Customer::default()), ..job() };
    let facts = Facts { member: MemberFact::Mismatch, ..facts() };
    let expected = vec!["employee_mismatch".to_owned(), "no_address".to_owned()];
    assert_eq!(decided(&unreachable, &company(), &facts), Err(expected));
}

#[test]
fn a_test_request_goes_to_the_companys_own_address_or_to_the_simulator() {
    let mut company = company();
    let test = Facts { test: true, ..facts() };
    let decision = sends(&job(), &company, &test);
    assert_eq!(decision.candidate.expect("an address").address, "tests@blanca.example");
    company.policy.test_email = None;
    let decision = sends(&job(), &company, &test);
    assert!(decision.trail.iter().any(|finding| finding.note.contains("simulator")), "{:?}", decision.trail);
    assert_eq!(decision.candidate.expect("an address").address, "simulated@postrider.invalid");
}
