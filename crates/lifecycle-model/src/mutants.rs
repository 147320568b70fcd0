//! That the search finds what is broken: one flaw planted at a time, and a way to what it leads to.
//!
//! Each way is printed, and is as short as there is one; the tests name the steps without which it would be
//! no way. A flaw that is not found fails its test: the search would have gone blind.

use super::{
    model_state::Left,
    properties::Breach,
    scenario::{Conditions, Flaw, Index},
    search::explore,
};
use postrider_domain::lifecycle::State::{Canceled, Delivered, Failed};

const CRASH: Left = Left { all: 1, crashes: 1, naps: 0, hitches: 0, wishes: 0 };
const NAP: Left = Left { naps: 1, crashes: 0, ..CRASH };
const WISH: Left = Left { wishes: 1, crashes: 0, ..CRASH };
const HITCH_AND_WISH: Left = Left { all: 2, hitches: 1, ..WISH };

fn planted(flaw: Flaw, left: Left) -> Conditions {
    Conditions { flaw: Some(flaw), sleeps_before_call: false, ..Conditions::with(left) }
}

/// The flaw leads to the breach by a way on which these steps are found, in this order; without the flaw
/// there is no such way.
#[track_caller]
fn leads(conditions: &Conditions, breach: Breach, words: &[&str]) {
    let Err(found) = explore(conditions) else {
        panic!("{:?} is not found", conditions.flaw);
    };
    println!("{:?}:\n{found}\n", conditions.flaw);
    assert_eq!(found.breach, breach);
    let mut steps = found.steps.iter();
    for word in words {
        assert!(steps.any(|step| step.contains(word)), "{word:?} is missing in\n{found}");
    }
    let sound = explore(&Conditions { flaw: None, ..conditions.clone() });
    assert!(sound.is_ok(), "without the flaw there is a way too:\n{}", sound.expect_err("a way"));
}

#[test]
fn a_begin_that_ignores_its_epoch_is_found() {
    let conditions = planted(Flaw::BeginIgnoresEpoch, NAP);
    leads(
        &conditions,
        Breach::SentUnderNoLease,
        &["sleeps until its lease runs out", "sweeper", "begins it"],
    );
}

#[test]
fn a_begin_that_ignores_the_answer_is_found() {
    let conditions = planted(Flaw::BeginIgnoresAnswer, WISH);
    leads(&conditions, Breach::BegunAfterStop, &["the customer answers", "begins it"]);
}

#[test]
fn a_slow_begin_that_is_not_checked_once_more_is_found() {
    let conditions = planted(Flaw::BeginIsNotChecked, HITCH_AND_WISH);
    leads(&conditions, Breach::CalledAfterStop, &["takes its time", "the customer", "makes the call"]);
}

#[test]
fn a_call_that_ignores_its_lease_is_found() {
    let conditions = planted(Flaw::CallIgnoresLease, Left { crashes: 1, all: 2, ..NAP });
    let conditions = Conditions { resend_if_absent: true, ..conditions };
    let words =
        ["sleeps until its lease runs out", "-> Unknown", "no trace", "no trace", "Unknown -> Waiting"];
    leads(&conditions, Breach::TooManyCalls(2), &words);
}

#[test]
fn a_settle_that_ignores_its_epoch_is_found() {
    let left = Left { all: 2, hitches: 1, ..NAP };
    let conditions = planted(Flaw::SettleIgnoresEpoch, left);
    leads(
        &conditions,
        Breach::TooManyCalls(2),
        &["and will do it again", "B begins it", "Sending -> Waiting"],
    );
}

#[test]
fn an_unknown_that_is_claimed_again_is_found() {
    let conditions = planted(Flaw::UnknownIsClaimed, CRASH);
    let words = ["makes the call (attempt 1)", "dies", "claims it: Unknown -> Waiting", "B goes past"];
    leads(&conditions, Breach::TooManyCalls(2), &words);
}

#[test]
fn a_receipt_that_overwrites_a_failure_is_found() {
    let conditions = planted(Flaw::ReceiptsOverwriteFailed, CRASH);
    leads(
        &conditions,
        Breach::AnEndChanged(Failed, Delivered),
        &["failed (attempt 1)", "delivered (attempt 1)"],
    );
}

#[test]
fn a_cancel_of_what_may_have_gone_out_is_found() {
    let conditions = Conditions {
        resend_if_absent: true,
        index: Index::Lagging,
        sends_max: 2,
        ..planted(Flaw::CancelIgnoresReached, WISH)
    };
    let words = ["Unknown -> Waiting", "somebody wants it canceled", "Waiting -> Canceled"];
    leads(&conditions, Breach::SentAndTakenBack(Canceled), &words);
}

#[test]
fn a_lost_begin_that_is_settled_before_it_is_released_is_found() {
    let conditions = planted(Flaw::TakenBackTooEarly, Left { all: 1, hitches: 1, crashes: 0, ..CRASH });
    leads(&conditions, Breach::SentUnderNoLease, &["never hears of its begin", "nobody waits for", "drops"]);
}

#[test]
fn a_pause_without_an_expiry_is_found() {
    leads(&planted(Flaw::PauseForgetsExpiry, WISH), Breach::PausedForEver, &["somebody pauses it"]);
}

#[test]
fn a_fence_and_a_judgement_that_disagree_are_found() {
    leads(
        &planted(Flaw::StandingIgnoresAnswer, WISH),
        Breach::GoesRound,
        &["the customer answers", "round", "reads"],
    );
}
