//! Properties that the search proves of the product, each under a scenario.
//!
//! Every order of a few faults and user actions: up to two crashes, one stall past the lease, one delay (a slow begin
//! or a lost answer to it, a late lease check, an outcome settled twice …), two user actions. Answers of calls are
//! lost, and receipts come late, repeated and out of order, without a limit.

use super::{
    model_state::FaultBudget,
    properties::Violation,
    scenario::{ProviderIndex, Scenario},
    search::{Coverage, explore},
};
use postrider_domain::lifecycle::State::{
    self, Canceled, Delivered, Failed, PresumedFailed, Sent, Suppressed,
};

/// Every final state with the number of acceptances that it may have.
const ENDS_OF_ONE_SEND: [(State, usize); 8] = [
    (Sent, 1),
    (Delivered, 1),
    // The outcome is unknown: the provider accepted it or not.
    (PresumedFailed, 0),
    (PresumedFailed, 1),
    // Refused by the call's answer, or reported later.
    (Failed, 0),
    (Failed, 1),
    (Suppressed, 0),
    (Canceled, 0),
];

/// At most `all` faults and user actions, and of each kind no more than its share.
fn budget_of(all: u8) -> FaultBudget {
    FaultBudget { all, crashes: 2, stalls: 1, delays: 1, user_actions: 2 }
}

fn resending(all: u8) -> Scenario {
    Scenario { resend_if_absent: true, ..Scenario::with(budget_of(all)) }
}

/// Explores the scenario; a counterexample fails the test with its steps.
#[track_caller]
fn assert_holds(scenario: &Scenario) -> Coverage {
    let seen = explore(scenario).unwrap_or_else(|found| panic!("a property is violated:\n{found}"));
    println!("{} worlds, {} steps, {} attempts at most", seen.states, seen.steps, seen.attempts);
    seen
}

/// The search reached exactly these ends.
#[track_caller]
fn assert_ends(seen: &Coverage, expected: &[(State, usize)]) {
    let ends: Vec<(State, usize)> = seen.ends.iter().copied().collect();
    assert_eq!(ends, expected);
    assert!(seen.attempts >= 3, "retries are among the steps");
}

#[test]
fn a_message_is_sent_once_at_most_and_always_decided() {
    assert_ends(&assert_holds(&Scenario::with(budget_of(4))), &ENDS_OF_ONE_SEND);
}

#[test]
fn dropped_facts_hide_no_state() {
    for scenario in [Scenario::with(budget_of(1)), Scenario { sends_max: 2, ..resending(1) }] {
        let less = assert_holds(&scenario);
        let all = assert_holds(&Scenario { canonicalizes_fully: false, ..scenario });
        assert!(less.states < all.states);
        assert_eq!((less.ends, less.sends, less.attempts), (all.ends, all.sends, all.attempts));
    }
}

#[test]
fn the_same_holds_without_a_provider_lookup() {
    let scenario = Scenario { index: ProviderIndex::Blind, ..Scenario::with(budget_of(3)) };
    assert_ends(&assert_holds(&scenario), &ENDS_OF_ONE_SEND);
}

#[test]
fn the_same_holds_with_a_lagging_index() {
    let scenario = Scenario { index: ProviderIndex::Lagging, ..Scenario::with(budget_of(3)) };
    assert_ends(&assert_holds(&scenario), &ENDS_OF_ONE_SEND);
}

#[test]
fn resend_if_absent_sends_once_unless_a_worker_stalls_before_its_call() {
    let scenario = Scenario { stalls_before_call: false, ..resending(3) };
    assert_ends(&assert_holds(&scenario), &ENDS_OF_ONE_SEND);
}

#[test]
fn resend_if_absent_sends_twice_at_most_after_a_stall_before_the_call() {
    let seen = assert_holds(&Scenario { sends_max: 2, ..resending(2) });
    assert_eq!(seen.sends, 2, "the bound is reached");
    let twice = explore(&resending(1)).expect_err("a way to two sends");
    println!("{twice}");
    assert_eq!(twice.violation, Violation::TooManyCalls(2));
    assert!(twice.steps.iter().any(|step| step.contains("stalls until its lease expires")), "{twice}");
}

#[test]
fn resend_if_absent_sends_twice_at_most_with_a_lagging_index() {
    let lagging = |all| Scenario { index: ProviderIndex::Lagging, ..resending(all) };
    let seen = assert_holds(&Scenario { sends_max: 2, ..lagging(2) });
    assert_eq!(seen.sends, 2, "the bound is reached");
    let twice = explore(&lagging(0)).expect_err("a way to two sends");
    println!("{twice}");
    assert!(matches!(twice.violation, Violation::TooManyCalls(2) | Violation::TooManySends(2)));
    assert!(twice.steps.iter().filter(|step| step.contains("no trace")).count() >= 2, "{twice}");
}
