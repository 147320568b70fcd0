//! What the search proves of the product, and under which conditions.
//!
//! Any few mishaps and wishes in any order: up to two crashes, a worker that sleeps past its lease, a
//! hitch (a begin that waits or whose answer is lost, a late guard, an outcome written twice …), two wishes
//! of people. Answers are lost, and receipts come late, doubled and out of order, as often as they like.

use super::{
    model_state::Left,
    properties::Breach,
    scenario::{Conditions, Index},
    search::{Seen, explore},
};
use postrider_domain::lifecycle::State::{
    self, Canceled, Delivered, Failed, PresumedFailed, Sent, Suppressed,
};

/// The ends that there are, each with how often the provider accepted what ended so.
const ENDS_OF_ONE_SEND: [(State, usize); 8] = [
    (Sent, 1),
    (Delivered, 1),
    // Nobody knows: it was taken, or it was not.
    (PresumedFailed, 0),
    (PresumedFailed, 1),
    // Refused by the call's answer, or reported later.
    (Failed, 0),
    (Failed, 1),
    (Suppressed, 0),
    (Canceled, 0),
];

/// So many mishaps and wishes in all, and of each kind no more than its share.
fn any(all: u8) -> Left {
    Left { all, crashes: 2, naps: 1, hitches: 1, wishes: 2 }
}

fn resending(all: u8) -> Conditions {
    Conditions { resend_if_absent: true, ..Conditions::with(any(all)) }
}

/// Searches; a counterexample fails the test with its steps.
#[track_caller]
fn sound(conditions: &Conditions) -> Seen {
    let seen = explore(conditions).unwrap_or_else(|found| panic!("a way to what must not be:\n{found}"));
    println!("{} worlds, {} steps, {} attempts at most", seen.worlds, seen.steps, seen.attempts);
    seen
}

/// The search went as far as it should: it saw every end that there is, and no other.
#[track_caller]
fn assert_ends(seen: &Seen, expected: &[(State, usize)]) {
    let ends: Vec<(State, usize)> = seen.ends.iter().copied().collect();
    assert_eq!(ends, expected);
    assert!(seen.attempts >= 3, "retries are among the steps");
}

#[test]
fn a_message_is_sent_once_at_most_and_always_decided() {
    assert_ends(&sound(&Conditions::with(any(4))), &ENDS_OF_ONE_SEND);
}

#[test]
fn what_the_search_forgets_hides_nothing() {
    for conditions in [Conditions::with(any(1)), Conditions { sends_max: 2, ..resending(1) }] {
        let less = sound(&conditions);
        let all = sound(&Conditions { forgets: false, ..conditions });
        assert!(less.worlds < all.worlds);
        assert_eq!((less.ends, less.sends, less.attempts), (all.ends, all.sends, all.attempts));
    }
}

#[test]
fn the_same_holds_where_the_provider_cannot_be_asked() {
    let conditions = Conditions { index: Index::Blind, ..Conditions::with(any(3)) };
    assert_ends(&sound(&conditions), &ENDS_OF_ONE_SEND);
}

#[test]
fn the_same_holds_where_the_index_lags_behind() {
    let conditions = Conditions { index: Index::Lagging, ..Conditions::with(any(3)) };
    assert_ends(&sound(&conditions), &ENDS_OF_ONE_SEND);
}

#[test]
fn what_is_sent_once_more_when_absent_is_sent_once_by_workers_that_are_awake() {
    let conditions = Conditions { sleeps_before_call: false, ..resending(3) };
    assert_ends(&sound(&conditions), &ENDS_OF_ONE_SEND);
}

#[test]
fn what_is_sent_once_more_is_sent_twice_at_most_by_a_worker_that_sleeps_before_its_call() {
    let seen = sound(&Conditions { sends_max: 2, ..resending(2) });
    assert_eq!(seen.sends, 2, "the bound is reached");
    let twice = explore(&resending(1)).expect_err("a way to two sends");
    println!("{twice}");
    assert_eq!(twice.breach, Breach::TooManyCalls(2));
    assert!(twice.steps.iter().any(|step| step.contains("sleeps until its lease runs out")), "{twice}");
}

#[test]
fn what_is_sent_once_more_is_sent_twice_at_most_where_the_index_lags_behind() {
    let lagging = |all| Conditions { index: Index::Lagging, ..resending(all) };
    let seen = sound(&Conditions { sends_max: 2, ..lagging(2) });
    assert_eq!(seen.sends, 2, "the bound is reached");
    let twice = explore(&lagging(0)).expect_err("a way to two sends");
    println!("{twice}");
    assert!(matches!(twice.breach, Breach::TooManyCalls(2) | Breach::TooManySends(2)));
    assert!(twice.steps.iter().filter(|step| step.contains("no trace")).count() >= 2, "{twice}");
}
