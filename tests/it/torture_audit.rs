//! The torture test's audit, rule by rule: each finds what it looks for, and says nothing of what is well.
//!
//! The rules themselves are `tests/torture/audit.rs`, over plain facts. Here the facts are made up.

#[path = "../torture/audit.rs"]
mod audit;
#[path = "../torture/facts.rs"]
mod facts;

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use audit::{Class, audit};
use facts::{
    Acceptance, Act, AttemptFact, CallFact, Due, Facts, Fate, JobFact, MessageFact, Move, ReceiptFact, Wish,
    state,
};

const ACCEPTED: i16 = 0;
const REFUSED: i16 = 1;
const UNKNOWN: i16 = 2;

fn at(secs: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::seconds(secs)
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn job(n: u128, person: u32) -> JobFact {
    JobFact {
        key: format!("job-{n}"),
        person,
        fate: Fate::Confirmed,
        due: Due::Ask,
        provider: "mailgun",
        address: format!("{person}@people.example"),
        block: id(1_000 + u128::from(person)),
    }
}

fn attempt(number: i16, outcome: i16) -> AttemptFact {
    let code = (outcome == UNKNOWN).then(|| "worker_lost".to_owned());
    AttemptFact { number, begun_at: at(i64::from(number) * 10), outcome: Some(outcome), code }
}

fn message(n: u128, state: i16, attempts: Vec<AttemptFact>) -> MessageFact {
    let reached = attempts.iter().any(|one| one.outcome != Some(REFUSED));
    MessageFact {
        id: id(n),
        key: format!("job-{n}"),
        state,
        reason: None,
        may_have_been_sent: reached,
        attempts,
    }
}

fn acceptance(n: u128, person: u32, attempt: i16) -> Acceptance {
    Acceptance {
        message: Some(id(n)),
        attempt: Some(attempt),
        provider: "mailgun",
        recipient: format!("{person}@people.example"),
        accepted_at: at(i64::from(attempt) * 10 + 1),
        told: vec![("delivered", true)],
    }
}

fn step(n: u128, was: i16, state: i16) -> Move {
    Move { message: id(n), previous_state: was, state, epoch_was: 1, epoch: 1, worker: Some(id(99)) }
}

/// One job delivered, one that was the same person's and had to stand back.
fn sound() -> Facts {
    let mut second = message(2, state::SUPPRESSED, Vec::new());
    second.reason = Some("suppression_period".to_owned());
    Facts {
        jobs: vec![job(1, 7), job(2, 7)],
        messages: vec![message(1, state::DELIVERED, vec![attempt(1, ACCEPTED)]), second],
        acceptances: vec![acceptance(1, 7, 1)],
        calls: vec![CallFact { message: id(1), attempt: 1, doubtful: false }],
        receipts: vec![ReceiptFact { message: id(1), kind: "delivered".to_owned(), looked_up: false }],
        moves: vec![step(1, 0, 1), step(1, 1, 3), step(1, 3, 4)],
        sends_max: 1,
        slots: 10,
        worker_losses: 1,
        ..Facts::default()
    }
}

/// Findings in the sound facts after a change, as class and rule.
fn found(change: impl FnOnce(&mut Facts)) -> Vec<(Class, String)> {
    let mut facts = sound();
    change(&mut facts);
    audit(&facts).into_iter().map(|finding| (finding.class, finding.rule)).collect()
}

#[track_caller]
fn finds(class: Class, rule: &str, change: impl FnOnce(&mut Facts)) {
    let found = found(change);
    assert!(found.iter().any(|one| *one == (class, rule.to_owned())), "{rule}: found {found:?}");
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(found(|_| {}), []);
    let published_in_vain = |facts: &mut Facts| facts.jobs.push(JobFact { fate: Fate::Unknown, ..job(3, 8) });
    assert_eq!(found(published_in_vain), [], "the broker did not confirm it");
}

#[test]
fn a_job_that_was_confirmed_must_be_somewhere() {
    finds(Class::Lost, "a confirmed job is nowhere", |facts| facts.jobs.push(job(3, 8)));
    let rejected = |facts: &mut Facts| {
        facts.jobs.push(JobFact { due: Due::Rejection, ..job(3, 8) });
        facts.rejected.push("job-3".to_owned());
    };
    assert_eq!(found(rejected), []);
    finds(Class::Stuck, "a job is left in the queue parked", |facts| {
        facts.jobs.push(job(3, 8));
        facts.queued.push(("job-3".to_owned(), "parked".to_owned()));
    });
    finds(Class::Lost, "a person was never asked and nothing stood in the way", |facts| {
        facts.messages[0].attempts.clear();
    });
}

#[test]
fn nothing_is_there_twice_or_from_nowhere() {
    finds(Class::Duplicated, "a key has more than one request", |facts| {
        facts.messages[1].key = "job-1".to_owned();
    });
    finds(Class::Wrong, "a key is there that was not published", |facts| {
        facts.rejected.push("job-9".to_owned())
    });
    finds(Class::Wrong, "a job is there that was never published", |facts| facts.jobs[1].fate = Fate::Never);
    finds(Class::Wrong, "a good job was rejected", |facts| facts.rejected.push("job-2".to_owned()));
    finds(Class::Wrong, "an invalid job was accepted", |facts| facts.jobs[1].due = Due::Rejection);
}

#[test]
fn a_message_is_sent_once_and_twice_only_where_that_is_allowed_and_explained() {
    let rule = "a message was sent more than once";
    let twice = |facts: &mut Facts| facts.acceptances.push(acceptance(1, 7, 1));
    finds(Class::Duplicated, rule, twice);
    let again = |facts: &mut Facts| {
        facts.messages[0].attempts = vec![attempt(1, UNKNOWN), attempt(2, ACCEPTED)];
        facts.acceptances.push(acceptance(1, 7, 2));
    };
    finds(Class::Duplicated, rule, again);
    let allowed = |facts: &mut Facts| {
        again(facts);
        facts.sends_max = 2;
    };
    assert_eq!(found(allowed), []);
    finds(Class::Duplicated, rule, |facts| {
        allowed(facts);
        facts.messages[0].attempts[0].outcome = Some(REFUSED);
    });
}

#[test]
fn a_person_is_asked_by_one_request() {
    finds(Class::Duplicated, "a person was asked by two requests within the window", |facts| {
        facts.messages[1] = message(2, state::DELIVERED, vec![attempt(1, ACCEPTED)]);
        facts.acceptances.push(acceptance(2, 7, 1));
    });
}

#[test]
fn what_a_provider_has_is_in_the_ledger_as_it_was() {
    finds(Class::Wrong, "a provider has what is not in the ledger", |facts| {
        facts.acceptances.push(acceptance(9, 7, 1));
    });
    finds(Class::Wrong, "a provider has an attempt that was never written down", |facts| {
        facts.acceptances[0].attempt = Some(2);
    });
    finds(Class::Wrong, "an attempt is refused, and the provider has it", |facts| {
        facts.messages[0].attempts[0].outcome = Some(REFUSED);
    });
    finds(Class::Wrong, "a provider had it before its attempt was written down", |facts| {
        facts.acceptances[0].accepted_at = at(1);
    });
    finds(Class::Wrong, "a message went to another customer", |facts| {
        facts.acceptances[0].recipient = "8@people.example".to_owned();
    });
    finds(Class::Wrong, "a provider has what is suppressed or canceled", |facts| {
        facts.messages[0].state = state::CANCELED;
    });
    finds(Class::Wrong, "a provider has it, and its person counts as not asked", |facts| {
        facts.messages[0].may_have_been_sent = false;
    });
    finds(Class::Wrong, "a provider has what must never be sent", |facts| facts.jobs[0].due = Due::Silence);
    finds(Class::Wrong, "an attempt was called twice", |facts| facts.calls.push(facts.calls[0].clone()));
    finds(Class::Wrong, "a call has no attempt in the ledger", |facts| facts.calls[0].attempt = 2);
}

#[test]
fn no_attempt_begins_after_what_forbids_it() {
    let act = |wish, from, until| Act {
        wish,
        message: matches!(wish, Wish::Cancel | Wish::Pause).then(|| id(1)),
        block: matches!(wish, Wish::Block | Wish::Stop | Wish::Unsubscribe).then(|| id(1_007)),
        from,
        until,
    };
    for wish in [Wish::Cancel, Wish::Pause, Wish::Block, Wish::Stop, Wish::Unsubscribe] {
        let rule = format!("an attempt began after its {} was committed", wish.as_str());
        finds(Class::Wrong, &rule, |facts| facts.acts.push(act(wish, Some(at(9)), None)));
        assert_eq!(found(|facts| facts.acts.push(act(wish, Some(at(11)), None))), [], "begun before");
        assert_eq!(found(|facts| facts.acts.push(act(wish, Some(at(2)), Some(at(9))))), [], "lifted before");
        assert_eq!(found(|facts| facts.acts.push(act(wish, None, None))), [], "its outcome is unknown");
    }
}

#[test]
fn an_unknown_attempt_has_a_cause() {
    let unknown = |code: &str, count: u128, doubtful: bool| {
        let code = code.to_owned();
        move |facts: &mut Facts| {
            for n in 10..10 + count {
                let lost = AttemptFact { code: Some(code.clone()), ..attempt(1, UNKNOWN) };
                let concluded = MessageFact {
                    reason: Some("outcome_unknown".to_owned()),
                    ..message(n, state::CONCLUDED, vec![lost])
                };
                facts.jobs.push(job(n, n as u32));
                facts.messages.push(concluded);
                facts.calls.push(CallFact { message: id(n), attempt: 1, doubtful });
                facts.moves.extend([step(n, 0, 1), step(n, 1, 2), step(n, 2, 5)]);
            }
        }
    };
    assert_eq!(found(unknown("worker_lost", 10, false)), [], "ten slots, one loss");
    let rule = "more attempts were lost with a worker than it had under way";
    finds(Class::Wrong, rule, unknown("worker_lost", 11, false));
    finds(Class::Wrong, "attempts were lost with workers that nothing happened to", |facts| {
        unknown("worker_lost", 2, false)(facts);
        facts.moves.iter_mut().filter(|step| step.message == id(11)).for_each(|step| {
            step.worker = Some(id(98));
        });
    });
    finds(Class::Wrong, "an attempt without a worker was lost", |facts| {
        unknown("worker_lost", 1, false)(facts);
        facts.moves.iter_mut().for_each(|step| step.worker = None);
    });
    assert_eq!(found(unknown("timeout", 100, true)), [], "their provider never answered");
    finds(
        Class::Wrong,
        "an attempt is unknown, and its provider answered properly",
        unknown("timeout", 20, false),
    );
}

#[test]
fn every_message_ends_as_its_provider_says() {
    finds(Class::Stuck, "a message has not ended", |facts| facts.messages[0].state = state::UNKNOWN);
    finds(Class::Wrong, "a message is shown as sent, and no provider has it", |facts| {
        facts.acceptances.clear()
    });
    finds(Class::Wrong, "a message is shown as delivered, and its provider never said so", |facts| {
        facts.acceptances[0].told.clear();
    });
    finds(Class::Lost, "a delivery was acknowledged to its provider and does not show", |facts| {
        facts.messages[0].state = state::SENT;
    });
    finds(Class::Lost, "a failure was acknowledged to its provider and does not show", |facts| {
        facts.acceptances[0].told = vec![("failed", true)];
    });
    finds(Class::Lost, "an acceptance was acknowledged to its provider and does not show", |facts| {
        facts.acceptances[0].told = vec![("sent", true)];
        facts.messages[0].state = state::CONCLUDED;
    });
    finds(Class::Wrong, "a message is shown as failed, and its provider never said so", |facts| {
        facts.messages[0].state = state::FAILED;
        facts.messages[0].reason = Some("failed_at_provider".to_owned());
    });
    finds(Class::Wrong, "a message is shown as refused, and a provider has it", |facts| {
        facts.messages[0].state = state::FAILED;
    });
    finds(Class::Wrong, "a message is shown as not sent, and a provider has it", |facts| {
        facts.messages[0].state = state::CONCLUDED;
    });
    finds(Class::Wrong, "a job that must not be sent is not kept back as such", |facts| {
        facts.jobs[1].due = Due::Silence;
    });
    finds(Class::Wrong, "a receipt was believed that no provider told", |facts| {
        facts.receipts.push(ReceiptFact { message: id(1), kind: "failed".to_owned(), looked_up: false });
    });
    finds(Class::Wrong, "a relay was asked, which knows nothing", |facts| {
        facts.jobs[0].provider = "smtp";
        facts.receipts[0].looked_up = true;
    });
    let lost_receipt = |facts: &mut Facts| {
        facts.acceptances[0].told = vec![("delivered", false)];
        facts.messages[0].state = state::SENT;
        facts.moves.pop();
    };
    assert_eq!(found(lost_receipt), [], "the receipt was not confirmed");
}

#[test]
fn nothing_is_left_behind_between_the_tables() {
    finds(Class::Stuck, "a lease is left", |facts| facts.leases = 1);
    finds(Class::Stuck, "a due row is left", |facts| facts.due.push(id(1)));
    finds(Class::Stuck, "a message is being sent under no lease", |facts| {
        facts.breaches.push(("is being sent under no lease".to_owned(), id(1)));
    });
    finds(Class::Wrong, "a message holds a person and never asked them", |facts| {
        facts.breaches.push(("holds a person and never asked them".to_owned(), id(1)));
    });
    finds(Class::Wrong, "a worker behaved badly", |facts| facts.complaints.push("it panicked".to_owned()));
}

#[test]
fn a_status_never_falls_back_and_no_step_is_unseen() {
    for (was, next) in [(4, 0), (3, 1), (2, 0), (6, 4), (7, 1), (8, 0)] {
        finds(Class::Wrong, "a status fell back", |facts| facts.moves.push(step(2, was, next)));
    }
    let resent = |facts: &mut Facts| facts.moves.insert(2, step(9, 2, 0));
    finds(Class::Wrong, "a status fell back", resent);
    let allowed = |facts: &mut Facts| {
        resent(facts);
        facts.sends_max = 2;
    };
    assert_eq!(found(allowed), [], "a message may be sent again where its company says so");
    assert_eq!(found(|facts| facts.moves.insert(2, step(9, 5, 4))), [], "a provider's proof overrules us");
    finds(Class::Wrong, "a message was moved unseen", |facts| {
        facts.moves.remove(1);
    });
    finds(Class::Wrong, "a message does not stand where its last step led", |facts| {
        facts.moves.pop();
    });
    finds(Class::Wrong, "an epoch fell", |facts| facts.moves[0].epoch_was = 2);
}
