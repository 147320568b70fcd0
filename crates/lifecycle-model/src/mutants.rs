//! Mutation tests of the search: one planted fault at a time must lead to a violation.
//!
//! The counterexample is printed and is the shortest; the tests name its essential steps. A mutant that survives
//! fails its test: the search would no longer see such a fault.

use super::{
    model_state::FaultBudget,
    properties::Violation,
    scenario::{Mutant, ProviderIndex, Scenario},
    search::explore,
};
use postrider_domain::lifecycle::State::{Canceled, Delivered, Failed};

const CRASH: FaultBudget = FaultBudget { all: 1, crashes: 1, stalls: 0, delays: 0, user_actions: 0 };
const STALL: FaultBudget = FaultBudget { stalls: 1, crashes: 0, ..CRASH };
const USER_ACTION: FaultBudget = FaultBudget { user_actions: 1, crashes: 0, ..CRASH };
const DELAY_AND_USER_ACTION: FaultBudget = FaultBudget { all: 2, delays: 1, ..USER_ACTION };

fn with_mutant(mutant: Mutant, budget: FaultBudget) -> Scenario {
    Scenario { mutant: Some(mutant), stalls_before_call: false, ..Scenario::with(budget) }
}

/// The mutant leads to the violation by these steps in this order; without the mutant there is no violation.
#[track_caller]
fn assert_found(scenario: &Scenario, violation: Violation, words: &[&str]) {
    let Err(found) = explore(scenario) else {
        panic!("{:?} is not found", scenario.mutant);
    };
    println!("{:?}:\n{found}\n", scenario.mutant);
    assert_eq!(found.violation, violation);
    let mut steps = found.steps.iter();
    for word in words {
        assert!(steps.any(|step| step.contains(word)), "{word:?} is missing in\n{found}");
    }
    let assert_holds = explore(&Scenario { mutant: None, ..scenario.clone() });
    assert!(assert_holds.is_ok(), "a violation without the mutant:\n{}", assert_holds.expect_err("a way"));
}

#[test]
fn a_begin_that_ignores_its_epoch_is_found() {
    let scenario = with_mutant(Mutant::BeginIgnoresEpoch, STALL);
    assert_found(
        &scenario,
        Violation::SendingWithoutLease,
        &["stalls until its lease expires", "sweeper", "begins it"],
    );
}

#[test]
fn a_begin_that_ignores_the_answer_is_found() {
    let scenario = with_mutant(Mutant::BeginIgnoresAnswer, USER_ACTION);
    assert_found(&scenario, Violation::BegunAfterStop, &["the customer answers", "begins it"]);
}

#[test]
fn a_slow_begin_that_is_not_checked_once_more_is_found() {
    let scenario = with_mutant(Mutant::BeginIsNotChecked, DELAY_AND_USER_ACTION);
    assert_found(&scenario, Violation::CalledAfterStop, &["slow begin", "the customer", "makes the call"]);
}

#[test]
fn a_call_that_ignores_its_lease_is_found() {
    let scenario = with_mutant(Mutant::CallIgnoresLease, FaultBudget { crashes: 1, all: 2, ..STALL });
    let scenario = Scenario { resend_if_absent: true, ..scenario };
    let words =
        ["stalls until its lease expires", "-> Unknown", "no trace", "no trace", "Unknown -> Waiting"];
    assert_found(&scenario, Violation::TooManyCalls(2), &words);
}

#[test]
fn a_settle_that_ignores_its_epoch_is_found() {
    let budget = FaultBudget { all: 2, delays: 1, ..STALL };
    let scenario = with_mutant(Mutant::SettleIgnoresEpoch, budget);
    assert_found(
        &scenario,
        Violation::TooManyCalls(2),
        &["and will repeat it", "B begins it", "Sending -> Waiting"],
    );
}

#[test]
fn an_unknown_that_is_claimed_again_is_found() {
    let scenario = with_mutant(Mutant::UnknownIsClaimed, CRASH);
    let words = ["makes the call (attempt 1)", "crashes", "claims it: Unknown -> Waiting", "B passes"];
    assert_found(&scenario, Violation::TooManyCalls(2), &words);
}

#[test]
fn a_receipt_that_overwrites_a_failure_is_found() {
    let scenario = with_mutant(Mutant::ReceiptsOverwriteFailed, CRASH);
    assert_found(
        &scenario,
        Violation::EndChanged(Failed, Delivered),
        &["failed (attempt 1)", "delivered (attempt 1)"],
    );
}

#[test]
fn a_cancel_of_what_may_have_gone_out_is_found() {
    let scenario = Scenario {
        resend_if_absent: true,
        index: ProviderIndex::Lagging,
        sends_max: 2,
        ..with_mutant(Mutant::CancelIgnoresReached, USER_ACTION)
    };
    let words = ["Unknown -> Waiting", "a user cancels it", "Waiting -> Canceled"];
    assert_found(&scenario, Violation::SentYetEndedUnsent(Canceled), &words);
}

#[test]
fn a_lost_begin_that_is_settled_before_it_is_released_is_found() {
    let scenario =
        with_mutant(Mutant::SettledBeforeRelease, FaultBudget { all: 1, delays: 1, crashes: 0, ..CRASH });
    assert_found(
        &scenario,
        Violation::SendingWithoutLease,
        &["gets no answer to its begin", "without a waiting worker", "drops"],
    );
}

#[test]
fn a_pause_without_an_expiry_is_found() {
    assert_found(
        &with_mutant(Mutant::PauseDropsExpiry, USER_ACTION),
        Violation::PausedWithoutExpiry,
        &["a user pauses it"],
    );
}

#[test]
fn a_fence_and_a_judgement_that_disagree_are_found() {
    assert_found(
        &with_mutant(Mutant::StandingIgnoresAnswer, USER_ACTION),
        Violation::Cycle,
        &["the customer answers", "cycle", "reads"],
    );
}
