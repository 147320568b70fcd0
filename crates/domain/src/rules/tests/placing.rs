//! Tests of what is refused before any fact is known: brand, channel, and what a recovery inherits.
//!
//! The jobs, companies and facts are those of the tests above this file.

use crate::{
    document::Problem,
    ids::Medium,
    job::{Customer, Job, JobOrigin},
    rules::{OriginalRequest, Placed, place, recovery::inherit},
};

use super::{brand, company, job};

fn codes(problems: Vec<Problem>) -> Vec<(String, String)> {
    problems.into_iter().map(|problem| (problem.path, problem.code)).collect()
}

fn placed_as(
    job: &Job,
    company: &crate::company::Company,
    source: JobOrigin,
) -> Result<Placed, Vec<(String, String)>> {
    place(job, &company.policy, source).map_err(codes)
}

fn problem(path: &str, code: &str) -> Vec<(String, String)> {
    vec![(path.to_owned(), code.to_owned())]
}

#[test]
fn the_brand_is_the_jobs_else_the_default_else_the_only_one() {
    let label = |job: &Job, company: &crate::company::Company| {
        placed_as(job, company, JobOrigin::Automatic).map(|placed| placed.brand.label)
    };
    let mut company = company();
    assert_eq!(label(&job(), &company), Ok("blanca".to_owned()));
    company.policy.brands.push(brand("gold"));
    assert_eq!(label(&job(), &company), Err(problem("brand", "missing")));
    company.policy.default_brand = Some("gold".to_owned());
    assert_eq!(label(&job(), &company), Ok("gold".to_owned()));
    let named = |label: &str| Job { brand: Some(label.to_owned()), ..job() };
    assert_eq!(label(&named("blanca"), &company), Ok("blanca".to_owned()));
    assert_eq!(label(&named("Blanca"), &company), Err(problem("brand", "unknown_brand")), "labels are exact");
    company.policy.default_brand = Some("gone".to_owned());
    assert_eq!(label(&job(), &company), Err(problem("brand", "unknown_brand")));
}

#[test]
fn a_channel_must_be_integrated_and_switched_on_for_the_source() {
    let mut company = company();
    company.policy.channels[0].automatic = false;
    assert_eq!(placed_as(&job(), &company, JobOrigin::Automatic), Err(problem("channel", "channel_off")));
    assert!(placed_as(&job(), &company, JobOrigin::Manual).is_ok());
    company.policy.channels[0] =
        crate::company::Channel { automatic: true, manual: false, ..super::channel("phone") };
    assert!(placed_as(&job(), &company, JobOrigin::Automatic).is_ok());
    assert_eq!(placed_as(&job(), &company, JobOrigin::Manual), Err(problem("channel", "channel_off")));
    let other = Job { channel: Some("fax".to_owned()), ..job() };
    assert_eq!(placed_as(&other, &company, JobOrigin::Automatic), Err(problem("channel", "unknown_channel")));
    let none = Job { channel: None, ..job() };
    assert_eq!(placed_as(&none, &company, JobOrigin::Automatic), Err(problem("channel", "missing")));
}

#[test]
fn brand_and_channel_are_both_named_where_both_are_wrong() {
    let lost = Job { brand: Some("x".to_owned()), channel: Some("y".to_owned()), ..job() };
    let expected = [problem("brand", "unknown_brand"), problem("channel", "unknown_channel")].concat();
    assert_eq!(placed_as(&lost, &company(), JobOrigin::Automatic), Err(expected));
}

fn root() -> OriginalRequest {
    OriginalRequest {
        id: uuid::Uuid::from_u128(1),
        customer: Customer {
            custom_id: Some("c1".to_owned()),
            name: Some("Jane".to_owned()),
            email: Some("jane@example.com".to_owned()),
            phone: Some("+14155552671".to_owned()),
        },
        channel: "chat".to_owned(),
        brand: "gold".to_owned(),
        language: Some("fr-CA".to_owned()),
        country: Some("CA".to_owned()),
        medium: Some(Medium::Sms),
        was_sent: true,
        recoveries: 0,
        open_recoveries: 0,
    }
}

fn bare() -> Job {
    Job { employee: job().employee, ..Job::default() }
}

#[test]
fn a_recovery_inherits_everything_that_it_leaves_out_and_nothing_that_it_says() {
    let job = inherit(&bare(), Some(&root())).expect("a recovery");
    assert_eq!(job.customer, Some(root().customer));
    let words = [job.channel, job.brand, job.language, job.country].map(Option::unwrap_or_default);
    assert_eq!(words, ["chat", "gold", "fr-CA", "CA"]);
    assert_eq!(job.medium, Some(Medium::Sms));

    let own = |word: &str| Some(word.to_owned());
    let said = Job {
        channel: own("phone"),
        brand: own("blanca"),
        language: own("de"),
        country: own("DE"),
        medium: Some(Medium::Email),
        ..bare()
    };
    assert_eq!(inherit(&said, Some(&root())).map(|job| Job { customer: None, ..job }), Ok(said));
}

#[test]
fn an_address_given_replaces_all_addresses_of_the_root() {
    let given = Customer { email: Some("new@example.com".to_owned()), ..Customer::default() };
    let job = inherit(&Job { customer: Some(given.clone()), ..bare() }, Some(&root())).expect("a recovery");
    assert_eq!(job.customer, Some(given), "no identity of another person comes along");
    assert_eq!(job.medium, None, "the inherited medium cannot reach the new address");
    let renamed = Customer { name: Some("Janet".to_owned()), ..Customer::default() };
    let job = inherit(&Job { customer: Some(renamed), ..bare() }, Some(&root())).expect("a recovery");
    assert_eq!(job.customer, Some(Customer { name: Some("Janet".to_owned()), ..root().customer }));
}

#[test]
fn a_recovery_needs_a_sent_root_of_this_company_none_open_and_fewer_than_three() {
    let code = |root: Option<OriginalRequest>| inherit(&bare(), root.as_ref()).map(|_| ()).map_err(codes);
    let refused = |word: &str| Err(problem("initial_feedback_request_id", word));
    assert_eq!(code(None), refused("unknown_request"));
    assert_eq!(code(Some(OriginalRequest { was_sent: false, ..root() })), refused("not_sent"));
    assert_eq!(code(Some(OriginalRequest { recoveries: 3, ..root() })), refused("too_many_recoveries"));
    assert_eq!(
        code(Some(OriginalRequest { recoveries: 1, open_recoveries: 1, ..root() })),
        refused("recovery_open")
    );
    assert_eq!(code(Some(OriginalRequest { recoveries: 2, ..root() })), Ok(()));
}
