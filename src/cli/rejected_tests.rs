//! The list of rejected jobs, one of them in detail, and the answers to a replay, as they are printed.
//!
//! Rows are made by hand; no database is read.

use super::*;
use crate::intake::inbound::EntryPoint;

fn job(routing: &str) -> RejectedJob {
    let at = DateTime::UNIX_EPOCH;
    let row = RejectedRow {
        id: Uuid::from_u128(5),
        company: None,
        routing: routing.into(),
        source: "amqp".into(),
        received_at: at,
        last_seen_at: at,
        times: 2,
        body_bytes: 2,
        problems: vec![
            Problem::new("customer.email", "bad_email", "write it as local@domain"),
            Problem::new("", "unknown_company", "no company has that slug"),
        ],
        replayed_at: None,
        replayed_as: None,
        test: false,
    };
    RejectedJob { row, message_key: Some("m-1".into()), body: Some(b"{}".to_vec()), body_sha256: vec![0xab] }
}

#[test]
fn a_replay_speaks_for_the_company_of_its_routing_key_under_the_same_key() {
    let arrival = arrival(&job("requests.acme"), None, None).expect("can be replayed");
    assert_eq!((arrival.company.as_deref(), arrival.key.as_deref()), (Some("acme"), Some("m-1")));
    assert_eq!(
        (arrival.entry_point, arrival.body.as_slice()),
        (EntryPoint::Operator { test: false }, b"{}".as_slice())
    );
}

#[test]
fn the_operator_may_name_the_company_and_correct_the_body() {
    let arrival =
        arrival(&job("reqests.acme"), Some(b"{ }".to_vec()), Some("other".into())).expect("replayable");
    assert_eq!((arrival.company.as_deref(), arrival.body.as_slice()), (Some("other"), b"{ }".as_slice()));
}

#[test]
fn no_job_is_handed_in_for_another_company_than_its_own() {
    let mut of_acme = job("requests.acme");
    of_acme.row.company = Some("acme".into());
    let error = of_its_company(&of_acme, Some("other")).expect_err("it is acme's");
    assert!(error.to_string().contains("a job of acme"), "{error}");
    for named in [None, Some("acme")] {
        of_its_company(&of_acme, named).expect("it is acme's");
    }
    of_its_company(&job("reqests.acme"), Some("other")).expect("it is nobody's yet");
}

#[test]
fn what_cannot_be_replayed_says_what_is_missing() {
    let problem = |job: RejectedJob, company: Option<&str>| {
        arrival(&job, None, company.map(str::to_owned)).expect_err("cannot be replayed").to_string()
    };
    assert!(problem(job("requests.a.b"), None).contains("--company"));
    assert!(problem(RejectedJob { body: None, ..job("requests.acme") }, None).contains("--body"));
    let mut done = job("requests.acme");
    done.row.replayed_as = Some(Uuid::from_u128(9));
    assert!(problem(done, None).contains("00000000-0000-0000-0000-000000000009"));
}

#[test]
fn the_list_shows_the_first_problem_and_counts_the_rest() {
    insta::assert_snapshot!(table(&[job("requests.acme").row]).render(false), @r#"
    Rejected                              Company  Routing        Last seen             Times  Bytes  Replayed as  Problems
    00000000-0000-0000-0000-000000000005  -        requests.acme  1970-01-01T00:00:00Z      2      2  -            customer.email: bad_email: write it as local@domain (and 1 more)
    "#);
}

#[test]
fn show_names_every_problem_and_no_body() {
    insta::assert_snapshot!(facts(&job("requests.acme"), DateTime::UNIX_EPOCH), @r#"
    Rejected     00000000-0000-0000-0000-000000000005
    Routing      requests.acme
    Through      amqp
    Message key  m-1
    First seen   1970-01-01T00:00:00Z (now)
    Last seen    1970-01-01T00:00:00Z (now)
    Times        2
    Bytes        2
    SHA-256      ab

    Field           Problem          What to do
    customer.email  bad_email        write it as local@domain
    -               unknown_company  no company has that slug
    "#);
}

#[test]
fn a_job_still_rejected_lists_all_its_problems() {
    let problems = job("requests.acme").row.problems;
    let error = told(AcceptOutcome::Rejected { id: Uuid::from_u128(6), problems }).expect_err("is an error");
    insta::assert_snapshot!(error, @r#"
    still rejected:
      customer.email: bad_email: write it as local@domain
      unknown_company: no company has that slug
    "#);
}
