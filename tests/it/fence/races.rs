//! The last-moment fence under races: thousands of begins, each against what must stop it.
//!
//! Against what shares the message's row one of the two wins, and never both. Against what is written
//! elsewhere (blocks, answers) a begin that was sent after the commit never wins; one that was sent before
//! it and waited is looked at once more before its call (`super`). `lifecycle::explore` searches the same
//! protocol without a database.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use postrider::requests::actions::cancel::{Canceled, cancel};
use postrider_clock::random_id;
use postrider_domain::{
    ids::{AccountId, BlockKind, Medium, MessageId},
    lifecycle::{
        State,
        fence::{FenceVerdict, fence_verdict},
        transition,
    },
};
use postrider_ledger::{
    blocks::OptOutChange, conclude::Conclusion, requests::ActionOrigin, sweep::FirstPolls,
};
use uuid::Uuid;

use crate::support::{
    claims::{Claimed, Claims, Raced},
    wait,
};

const TRIES: usize = 2_000;

/// Both outcomes happened often enough for a race, on slow and fast machines alike.
#[track_caller]
fn assert_raced<T>(raced: &[Raced<T>]) {
    let begun = raced.iter().filter(|one| one.begun).count();
    println!("{begun} of {} were begun", raced.len());
    assert!(raced.len() >= TRIES);
    assert!((TRIES / 100..=raced.len() - TRIES / 100).contains(&begun), "{begun} begun: that was no race");
}

/// Of each begin and its rival exactly one happened; the loser cannot begin later.
async fn one_won(claims: &Claims, raced: Vec<Raced<bool>>) {
    for one in &raced {
        assert_ne!(one.begun, one.other, "begun: {}, stopped: {}; {:?}", one.begun, one.other, one.claim);
    }
    assert_raced(&raced);
    none_is_begun_later(claims, &raced).await;
}

async fn none_is_begun_later<T>(claims: &Claims, raced: &[Raced<T>]) {
    let all: Vec<Claimed> = raced.iter().map(|one| one.claim.clone()).collect();
    for batch in all.chunks(500) {
        assert_eq!(claims.begin(batch).await, HashSet::new(), "begun after it was stopped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_begin_and_cancel_one_wins() {
    let claims = Claims::new().await;
    let batches = claims.take(TRIES).await;
    let stop = |batch: Vec<Claimed>| {
        let ledger = &claims.env.ledger;
        join_all(batch.into_iter().map(async |claim| {
            matches!(
                cancel(ledger, claim.message.0, ActionOrigin::PROGRAM).await.expect("cancel answers"),
                Canceled::Done
            )
        }))
    };
    let raced = claims.race(batches, stop).await;
    one_won(&claims, raced).await;
    claims.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_begin_and_pause_one_wins() {
    let claims = Claims::new().await;
    let batches = claims.take(TRIES).await;
    let stop = |batch: Vec<Claimed>| {
        let ledger = &claims.env.ledger;
        join_all(batch.into_iter().map(async |claim| {
            match ledger.pause(claim.message, ActionOrigin::PROGRAM).await.expect("pause answers") {
                Some(State::Waiting) => true,
                Some(State::Sending) => false,
                other => panic!("paused as {other:?}"),
            }
        }))
    };
    let raced = claims.race(batches, stop).await;
    one_won(&claims, raced).await;
    claims.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_begin_and_expiry_one_wins() {
    let claims = Claims::new().await;
    let batches = claims.take(TRIES).await;
    let raced = claims.race(batches, |batch| expire(&claims, batch)).await;
    let begun_at = claims.begun_at().await;
    let expires: Vec<(Uuid, DateTime<Utc>)> = sqlx::query_as("select id, expires_at from message")
        .fetch_all(&claims.env.pool)
        .await
        .expect("the ledger answers");
    for (id, expires_at) in expires {
        let in_time = begun_at.get(&MessageId(id)).is_none_or(|begun_at| *begun_at < expires_at);
        assert!(in_time, "{id} expired at {expires_at} and was begun at {:?}", begun_at[&MessageId(id)]);
    }
    one_won(&claims, raced).await;
    claims.end().await;
}

/// The leases expire in a moment; claims that are found expired are ended, as `begin` ends those that it could
/// not begin. Returns for each claim whether it was ended so.
async fn expire(claims: &Claims, batch: Vec<Claimed>) -> Vec<bool> {
    let (env, ids) = (&claims.env, batch.iter().map(|claim| claim.message.0).collect::<Vec<_>>());
    sqlx::query(
        "with locked as (select id from message where id = any($1) order by id for no key update)
            update message m set expires_at = clock_timestamp() + interval '3 milliseconds'
            from locked where m.id = locked.id",
    )
    .bind(&ids)
    .execute(&env.pool)
    .await
    .expect("the ledger answers");
    let keys: Vec<_> = batch.iter().map(|claim| (claim.message, claim.epoch)).collect();
    let ended = wait::until_some("all are begun or expired", || async {
        let standings = env.ledger.fence_facts(&keys).await.expect("the ledger answers");
        let ends = standings.iter().filter_map(|((message, _), standing)| match fence_verdict(standing) {
            FenceVerdict::End(signal, reason) => Some(Conclusion {
                message: *message,
                epoch: batch[0].epoch,
                expected: State::Waiting,
                next: transition(State::Waiting, signal),
                reason,
            }),
            FenceVerdict::NotOurs | FenceVerdict::Again => None,
        });
        env.ledger.conclude(&ends.collect::<Vec<_>>()).await.expect("concluded");
        let states: Vec<(Uuid, i16)> = sqlx::query_as("select id, state from message where id = any($1)")
            .bind(&ids)
            .fetch_all(&env.pool)
            .await
            .expect("the ledger answers");
        let waits = states.iter().any(|(_, state)| *state == State::Waiting.code());
        (!waits).then(|| states.into_iter().filter(|(_, state)| *state == State::Suppressed.code()))
    });
    let ended: HashSet<Uuid> = ended.await.map(|(id, _)| id).collect();
    batch.iter().map(|claim| ended.contains(&claim.message.0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_begin_and_an_overtaker_one_wins() {
    let claims = Claims::new().await;
    let batches = claims.take(TRIES).await;
    // They wait past their own windows: anybody may take their persons over.
    claims.change("update reservation set asked_at = now() - interval '40 days'").await;
    let overtake = |batch: Vec<Claimed>| {
        let claims = &claims;
        async move {
            let phones: Vec<String> = batch.into_iter().map(|claim| claim.phone).collect();
            let states = claims.accept(&phones, "second").await;
            states.into_iter().map(|state| state == State::Waiting).collect()
        }
    };
    let raced = claims.race(batches, overtake).await;
    one_won(&claims, raced).await;
    claims.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_claimed_anew_is_begun_by_one_of_both() {
    let claims = Claims::new().await;
    let batches = claims.take(TRIES).await;
    let claim_anew = |batch: Vec<Claimed>| {
        let claims = &claims;
        async move {
            let places: Vec<_> =
                batch.iter().map(|claim| (claim.message, claim.epoch, DateTime::UNIX_EPOCH)).collect();
            claims.env.ledger.release(&places).await.expect("released");
            // Any message that is due now, of this batch or of another's.
            let begun = claims.begin(&claims.claim_batch().await).await;
            vec![begun; batch.len()]
        }
    };
    let raced = claims.race(batches, claim_anew).await;
    let mut times: HashMap<MessageId, usize> = HashMap::new();
    for one in raced.iter().filter(|one| one.begun) {
        *times.entry(one.claim.message).or_default() += 1;
    }
    for batch in raced.chunk_by(|one, next| one.claim.lease == next.claim.lease) {
        batch[0].other.iter().for_each(|message| *times.entry(*message).or_default() += 1);
    }
    loop {
        let rest = claims.claim_batch().await;
        if rest.is_empty() {
            break;
        }
        claims.begin(&rest).await.into_iter().for_each(|message| *times.entry(message).or_default() += 1);
    }
    assert_eq!(times.len(), raced.len(), "each is begun");
    assert!(times.values().all(|times| *times == 1), "and once");
    assert_raced(&raced);
    none_is_begun_later(&claims, &raced).await;
    claims.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sweeper_takes_over_is_not_begun_under_its_old_claim() {
    let claims = Claims::new().await;
    let batches = claims.take(TRIES).await;
    claims.change("update lease set until = now() - interval '1 second'").await;
    let sweep = |batch: Vec<Claimed>| {
        let ledger = &claims.env.ledger;
        async move {
            let first = FirstPolls { email_secs: 60.0, sms_secs: 60.0 };
            ledger.sweep(1, first).await.expect("swept");
            vec![(); batch.len()]
        }
    };
    let raced = claims.race(batches, sweep).await;
    let rows: Vec<(Uuid, i32, i16)> = sqlx::query_as("select id, epoch, state from message")
        .fetch_all(&claims.env.pool)
        .await
        .expect("the ledger answers");
    let rows: HashMap<Uuid, (i32, i16)> =
        rows.into_iter().map(|(id, epoch, state)| (id, (epoch, state))).collect();
    for one in &raced {
        let (epoch, state) = rows[&one.claim.message.0];
        let begun = [State::Sending.code(), State::Unknown.code()].contains(&state);
        assert_eq!(one.begun, begun, "state {state}: {:?}", one.claim);
        assert!(begun || epoch > one.claim.epoch, "no worker took it over: {:?}", one.claim);
    }
    assert_raced(&raced);
    none_is_begun_later(&claims, &raced).await;
    claims.end().await;
}

/// No begin that was sent after the commit of what stops it, known by the database's clock, has begun
/// anything; and nothing of it all is begun once more.
async fn none_was_begun_after(claims: &Claims, raced: Vec<Raced<DateTime<Utc>>>) {
    let begun_at = claims.begun_at().await;
    for one in raced.iter().filter(|one| one.begun) {
        let (begun_at, committed) = (begun_at[&one.claim.message], one.other);
        assert!(begun_at <= committed, "stopped by {committed}, begun at {begun_at}: {:?}", one.claim);
    }
    assert_raced(&raced);
    let begun: Vec<Claimed> = raced.iter().filter(|one| one.begun).map(|one| one.claim.clone()).collect();
    claims.take_back(&begun).await;
    none_is_begun_later(claims, &raced).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_stop_is_committed_nothing_is_begun() {
    let claims = Claims::new().await;
    let batches = claims.take(TRIES).await;
    let stop = |batch: Vec<Claimed>| {
        let claims = &claims;
        join_all(batch.into_iter().enumerate().map(async |(place, claim)| {
            // By text and by hand, in turn.
            match place % 2 {
                0 => drop(claims.env.ledger.apply_opt_out(&text_stop(claims, &claim)).await.expect("taken")),
                _ => claims
                    .env
                    .ledger
                    .block_address(
                        claims.addr(&claim.phone),
                        claims.company,
                        Medium::Sms,
                        BlockKind::Manual,
                        "cli",
                    )
                    .await
                    .expect("blocked"),
            }
            claims.now().await
        }))
    };
    let raced = claims.race(batches, stop).await;
    none_was_begun_after(&claims, raced).await;
    claims.end().await;
}

fn text_stop(claims: &Claims, claim: &Claimed) -> OptOutChange {
    OptOutChange {
        key: random_id(),
        content: [0; 32],
        account: AccountId(1),
        company: claims.company,
        address_hash: claims.addr(&claim.phone),
        stop: true,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_answer_is_committed_nothing_is_begun() {
    let claims = Claims::new().await;
    let batches = claims.take(TRIES).await;
    let stop = |batch: Vec<Claimed>| {
        let claims = &claims;
        join_all(batch.into_iter().map(async |claim| {
            assert!(claims.env.ledger.answer(claim.message.0, ActionOrigin::PROGRAM).await.expect("written"));
            claims.now().await
        }))
    };
    let raced = claims.race(batches, stop).await;
    none_was_begun_after(&claims, raced).await;
    claims.end().await;
}
