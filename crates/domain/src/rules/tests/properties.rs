//! Properties of every decision, whatever the job, the policy and the facts.
//!
//! Arbitrary cases are made here; what single rules say is in the tests above this file.

use chrono::{DateTime, Duration};
use proptest::prelude::*;
use uuid::Uuid;

use crate::{
    company::{Company, policy::sandbox_address},
    ids::Medium,
    job::Job,
    lifecycle::Reason,
    rules::{Decision, Facts, MemberFact, ReservationHolder, Verdict},
};

use super::{ALL_RULES, company, decided, job, now};

const YEAR_SECS: u32 = 366 * 86_400;
/// The last instant that a job may name (RFC 3339 ends with the year 9999).
const LAST_SECOND: i64 = 253_402_300_799;

fn any_medium() -> impl Strategy<Value = Option<Medium>> {
    prop::option::of(prop::sample::select(Medium::ALL.to_vec()))
}

fn any_job() -> impl Strategy<Value = Job> {
    let reach = (any::<bool>(), any::<bool>(), any_medium());
    let times = (
        prop::option::of(0i64..=LAST_SECOND),
        prop::option::of(0..=YEAR_SECS),
        prop::option::of(0..=YEAR_SECS),
    );
    (reach, times, any::<bool>()).prop_map(|((email, phone, medium), (after, delay, expiry), silent)| {
        let mut job = job();
        let customer = job.customer.as_mut().expect("the job has a customer");
        customer.email = customer.email.take().filter(|_| email);
        customer.phone = customer.phone.take().filter(|_| phone);
        Job {
            medium,
            send_after: after.and_then(|secs| DateTime::from_timestamp(secs, 0)),
            delay_secs: delay,
            expires_after_secs: expiry,
            do_not_send: silent,
            ..job
        }
    })
}

fn any_company() -> impl Strategy<Value = Company> {
    let delays = (0..=YEAR_SECS, prop::option::of(0..=YEAR_SECS), prop::option::of(0..=YEAR_SECS));
    let media = prop::sample::subsequence(Medium::ALL.to_vec(), 0..=2).prop_shuffle();
    (delays, media, 0u32..=3_660, 0..=YEAR_SECS, any::<bool>(), 0usize..=2, any::<[bool; 2]>()).prop_map(
        |((own, of_channel, of_brand), media, days, expiry, approved, accounts, tests)| {
            let mut company = company();
            let policy = &mut company.policy;
            policy.delay_secs = own;
            policy.channels[0].delay_secs = of_channel;
            policy.brands[0].delay_secs = of_brand;
            policy.medium_preference = media;
            policy.suppression_days = days;
            policy.expires_after_secs = expiry;
            policy.require_approved = approved;
            policy.accounts.truncate(accounts);
            policy.test_email = tests[0].then(|| "tests@blanca.example".to_owned());
            policy.test_phone = tests[1].then(|| "+15005550006".to_owned());
            company
        },
    )
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let member = prop_oneof![
        6 => any::<bool>().prop_map(|approved| MemberFact::Found { approved }),
        1 => Just(MemberFact::UnknownEmail),
        1 => Just(MemberFact::UnknownCustomId),
        1 => Just(MemberFact::Mismatch),
    ];
    let holder = (any::<u128>(), -400i64..400).prop_map(|(id, days)| ReservationHolder {
        request: Uuid::from_u128(id),
        asked_at: now() + Duration::days(days),
    });
    let holders = prop::collection::vec(holder, 0..=3);
    (member, [0i32..32, 0i32..32], holders, any::<bool>(), any::<bool>()).prop_map(
        |(member, block_bits, holders, recovery, test)| Facts {
            now: now(),
            member,
            block_bits,
            holders,
            recovery,
            test,
            answered: false,
            requester: None,
        },
    )
}

fn first_stop(decision: &Decision) -> Option<Reason> {
    decision.trail.iter().find_map(|finding| finding.stops)
}

proptest! {
    #[test]
    fn every_job_is_rejected_with_problems_or_decided_by_every_rule(
        job in any_job(), company in any_company(), facts in any_facts()
    ) {
        match decided(&job, &company, &facts) {
            Err(codes) => prop_assert!(!codes.is_empty()),
            Ok(decision) => {
                let rules: Vec<&str> = decision.trail.iter().map(|finding| finding.rule.as_str()).collect();
                prop_assert_eq!(rules, ALL_RULES);
                prop_assert_eq!(decision.reason(), first_stop(&decision));
                prop_assert!(decision.due_at >= facts.now && decision.expires_at >= decision.due_at);
            }
        }
    }

    #[test]
    fn do_not_send_suppresses_whatever_else(
        job in any_job(), company in any_company(), facts in any_facts()
    ) {
        let silent = Job { do_not_send: true, ..job };
        if let Ok(decision) = decided(&silent, &company, &facts) {
            prop_assert_eq!(decision.verdict, Verdict::Suppress(Reason::DoNotSend));
            prop_assert_eq!(decision.could_pass_at(), None);
        }
    }

    #[test]
    fn what_is_sent_has_somebody_to_write_to_who_is_not_blocked(
        job in any_job(), company in any_company(), facts in any_facts()
    ) {
        if let Ok(decision) = decided(&job, &company, &facts)
            && decision.verdict == Verdict::Send
        {
            let candidate = decision.candidate.expect("what is sent has a candidate");
            prop_assert_eq!(facts.blocks(candidate.medium), 0);
            prop_assert!(job.medium.is_none_or(|medium| medium == candidate.medium));
            let of_customer = job.customer.as_ref().and_then(|customer| customer.address(candidate.medium));
            let of_tests = company.policy.test_address(candidate.medium).unwrap_or(sandbox_address(candidate.medium));
            let expected = if facts.test { Some(of_tests) } else { of_customer };
            prop_assert_eq!(expected, Some(candidate.address.as_str()), "a test never reaches its customer");
        }
    }

    #[test]
    fn a_request_held_only_by_its_period_is_sent_once_it_could_pass(
        job in any_job(), company in any_company(), facts in any_facts()
    ) {
        if let Ok(decision) = decided(&job, &company, &facts)
            && decision.reason() == Some(Reason::SuppressionPeriod)
        {
            let at = decision.could_pass_at().expect("a period ends");
            prop_assert!(at > facts.now);
            let then = decided(&job, &company, &Facts { now: at, ..facts });
            prop_assert_eq!(then.map(|decision| decision.verdict), Ok(Verdict::Send));
        }
    }

    #[test]
    fn neither_recovery_nor_test_is_ever_held_by_the_period(
        job in any_job(), company in any_company(), facts in any_facts(), recovery in any::<bool>()
    ) {
        let facts = Facts { recovery, test: !recovery, ..facts };
        if let Ok(decision) = decided(&job, &company, &facts) {
            prop_assert!(decision.trail.iter().all(|finding| finding.stops != Some(Reason::SuppressionPeriod)));
        }
    }

    #[test]
    fn a_stored_decision_reads_as_itself_and_holds_no_address(
        job in any_job(), company in any_company(), facts in any_facts()
    ) {
        if let Ok(decision) = decided(&job, &company, &facts) {
            let stored = serde_json::to_string(&decision).expect("a decision is plain data");
            for private in ["jane", "Jane", "4155552671"] {
                prop_assert!(!stored.contains(private));
            }
            let read: Decision = serde_json::from_str(&stored).expect("a stored decision is readable");
            prop_assert_eq!(read, Decision { candidate: None, ..decision });
        }
    }
}
