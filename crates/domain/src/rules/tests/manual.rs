//! Requests by hand, overrides of the suppression period, and responses that came first.
//!
//! Roles and reasons only: how a person is found among the team's members is `intake::asides`' work, and the
//! calls themselves are tested with the API.

use crate::{
    company::{Company, Role},
    job::{Job, Manual, RequesterRole},
    lifecycle::Reason,
    rules::{Case, Facts, Requester, place, suppression},
};

use super::{ALL_RULES, JobOrigin, asked, company, facts, job, sends, suppresses};

fn by_hand(role: Option<RequesterRole>) -> Job {
    let manual = Manual { requested_by: "Ann".to_owned(), role, override_reason: None };
    Job { manual: Some(Box::new(manual)), ..job() }
}

fn overriding() -> Job {
    let manual = Manual {
        requested_by: "Ann".to_owned(),
        role: None,
        override_reason: Some("she asked for it".to_owned()),
    };
    Job { manual: Some(Box::new(manual)), ..job() }
}

fn listed(role: Role, is_employee: bool) -> Facts {
    Facts { requester: Some(Requester { role, is_employee }), ..facts() }
}

fn refused(job: &Job, company: &Company, facts: &Facts) -> Vec<String> {
    let placed = place(job, &company.policy, JobOrigin::Manual).expect("it has a place");
    let case = Case { job, company, placed: &placed, facts };
    let problems = crate::rules::decide(&case).expect_err("it is refused");
    problems.into_iter().map(|problem| format!("{} {}", problem.path, problem.code)).collect()
}

#[test]
fn an_administrator_asks_on_behalf_only_where_the_company_allows_it() {
    let stated = by_hand(Some(RequesterRole::CompanyAdmin));
    let no = ["requested_by on_behalf_not_allowed"];
    assert_eq!(refused(&stated, &company(), &facts()), no);
    assert_eq!(refused(&by_hand(None), &company(), &listed(Role::Admin, false)), no);
    let mut open = company();
    open.policy.admin_may_request_on_behalf = true;
    sends(&stated, &open, &facts());
    sends(&by_hand(None), &open, &listed(Role::Admin, false));
}

#[test]
fn everybody_asks_about_their_own_interaction_and_a_leader_for_the_team() {
    for role in Role::ALL {
        sends(&by_hand(None), &company(), &listed(role, true));
    }
    sends(&by_hand(Some(RequesterRole::CompanyAdmin)), &company(), &listed(Role::Admin, true));
    sends(&by_hand(None), &company(), &listed(Role::Leader, false));
    let another = refused(&by_hand(None), &company(), &listed(Role::Member, false));
    assert_eq!(another, ["requested_by on_behalf_not_allowed"]);
    sends(&by_hand(None), &company(), &facts());
}

#[test]
fn a_role_that_is_stated_does_not_hide_the_one_that_is_listed() {
    let leader = by_hand(Some(RequesterRole::TeamLeader));
    assert_eq!(refused(&leader, &company(), &listed(Role::Admin, false)).len(), 1);
}

#[test]
fn who_asks_is_a_finding_without_the_name() {
    let decision = sends(&by_hand(Some(RequesterRole::TeamLeader)), &company(), &facts());
    assert_eq!(decision.trail[0].rule, "requester");
    assert_eq!(decision.trail[0].note, "asked for by a person as team_leader");
    assert_eq!(decision.trail.len(), ALL_RULES.len() + 1);
}

#[test]
fn an_override_passes_the_period_with_its_reason_and_takes_the_person_over() {
    let held = Facts { holders: vec![asked(1)], ..facts() };
    suppresses(&by_hand(None), &company(), &held);
    let decision = sends(&overriding(), &company(), &held);
    let finding = decision.trail.iter().find(|finding| finding.rule == "suppression_period");
    assert!(finding.expect("it is one of the rules").note.ends_with("with the reason: she asked for it"));
    let takes_over = |job: &Job| {
        let company = company();
        let placed = place(job, &company.policy, JobOrigin::Manual).expect("it has a place");
        suppression::takes_over(&Case { job, company: &company, placed: &placed, facts: &held })
    };
    assert!(takes_over(&overriding()) && !takes_over(&by_hand(None)));
}

#[test]
fn an_override_passes_no_block_no_answer_and_no_do_not_send() {
    let stopped = Facts { block_bits: [1, 1], holders: vec![asked(1)], ..facts() };
    assert_eq!(suppresses(&overriding(), &company(), &stopped).0, Reason::Stop);
    let silent = Job { do_not_send: true, ..overriding() };
    assert_eq!(suppresses(&silent, &company(), &facts()).0, Reason::DoNotSend);
    let answered = Facts { answered: true, ..facts() };
    assert_eq!(suppresses(&overriding(), &company(), &answered).0, Reason::Answered);
}

#[test]
fn who_answered_before_is_not_asked_and_every_other_rule_has_its_word_first() {
    let answered = Facts { answered: true, ..facts() };
    let (reason, decision) = suppresses(&job(), &company(), &answered);
    assert_eq!((reason, decision.could_pass_at()), (Reason::Answered, None));
    let held = Facts { holders: vec![asked(1)], ..answered.clone() };
    assert_eq!(suppresses(&job(), &company(), &held).0, Reason::SuppressionPeriod);
    let recovery = Facts { recovery: true, answered: false, ..held };
    sends(&job(), &company(), &recovery);
}
