//! Actions of operators and customers meanwhile: they cancel, pause and resume requests, block addresses,
//! answer STOP, follow the unsubscribe link, and a later job overtakes one that waited too long.
//!
//! An action is recorded with the database's time after its commit: no attempt that it forbids may have begun
//! later. An action with an unknown outcome forbids nothing and excuses all the same.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use postrider::{
    company_cache::CompanyCache,
    requests::actions::{action::ActionContext, resume},
};
use postrider_domain::{
    ids::{BlockKind, MessageId},
    lifecycle::{Reason, Signal, State, transition},
};
use postrider_ledger::{conclude::Conclusion, requests::ActionOrigin};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    arguments::Emphasis,
    dice::Dice,
    facts::{Act, Wish},
    faults::{is_over, webhooks},
    plan::{Kind, Lane},
    publish::{self, Link, Published},
    support::{sql::with_states, wait::elapse, webhook},
    world::{World, medium},
};

/// Hands that overtake side by side.
pub const OVERTAKING: usize = 8;

/// Everything that people did.
#[derive(Debug, Default)]
pub struct Acts(Mutex<Vec<Act>>);

impl Acts {
    fn note(&self, act: Act) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(act);
    }

    pub fn all(&self) -> Vec<Act> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A message that waits for its time.
struct Waiting {
    message: MessageId,
    index: u32,
    epoch: i32,
}

/// Acts until the calm.
pub async fn run(world: Arc<World>, acts: Arc<Acts>, calm: watch::Receiver<bool>) {
    let mut dice = Dice::new(world.plan.seed, "people");
    let pause = if world.arguments.emphasis == Some(Emphasis::Fence) { (5, 40) } else { (60, 250) };
    while !is_over(&calm) {
        elapse(dice.millis(pause.0, pause.1)).await;
        let Some(waiting) = some_waiting(&world, &mut dice).await else { continue };
        let job = &world.plan.jobs[waiting.index as usize];
        // These wait for their overtakers.
        if job.kind == Kind::Overtaken {
            continue;
        }
        let (lane, person) = (job.lane, job.person);
        let act = match (dice.below(5), lane) {
            (0, _) => cancel(&world, &waiting).await,
            (1, _) => {
                let time = dice.millis(300, 3_000);
                tokio::spawn(pause_a_while(Arc::clone(&world), Arc::clone(&acts), waiting.message, time));
                None
            }
            (2, Lane::Text) => Some(stop(&world, person).await),
            (2, Lane::Mail | Lane::Relay) => Some(unsubscribe(&world, waiting.message, lane, person).await),
            (_, _) => Some(block(&world, lane, person).await),
        };
        if let Some(act) = act {
            acts.note(act);
        }
    }
}

/// The database's time; anything committed before this was asked is older.
async fn now(world: &World) -> Option<DateTime<Utc>> {
    let row: Result<(DateTime<Utc>,), _> =
        sqlx::query_as("select clock_timestamp()").fetch_one(&world.env.pool).await;
    row.ok().map(|(now,)| now)
}

/// A request that waits, but will be sent soon.
async fn some_waiting(world: &World, dice: &mut Dice) -> Option<Waiting> {
    let rows: Vec<(Uuid, String, i32)> = sqlx::query_as(with_states(
        "select m.id, r.ext_interaction_id, m.epoch from due d join message m on m.id = d.message
            join request r on r.id = m.request
            where d.kind = 0 and m.state = {Waiting} and d.at > now() + interval '200 milliseconds' limit 40",
    ))
    .fetch_all(&world.env.pool)
    .await
    .ok()?;
    if rows.is_empty() {
        return None;
    }
    let (message, key, epoch) = dice.pick(&rows).clone();
    Some(Waiting { message: MessageId(message), index: world.plan.index(&key)?, epoch })
}

/// None where it certainly did not happen.
async fn cancel(world: &World, waiting: &Waiting) -> Option<Act> {
    let next = transition(State::Waiting, Signal::Cancel);
    let reason = Reason::CanceledByPerson;
    let end =
        Conclusion { message: waiting.message, epoch: waiting.epoch, expected: State::Waiting, next, reason };
    let ended = world.env.ledger.conclude(&[end]).await;
    if ended.as_ref().is_ok_and(Vec::is_empty) {
        return None;
    }
    let from = if ended.is_ok() { now(world).await } else { None };
    Some(Act { wish: Wish::Cancel, message: Some(waiting.message.0), block: None, from, until: None })
}

async fn pause_a_while(world: Arc<World>, acts: Arc<Acts>, message: MessageId, time: Duration) {
    let paused = world.env.ledger.pause(message, ActionOrigin::PROGRAM).await;
    if matches!(paused, Ok(None)) {
        return;
    }
    let from = if paused.is_ok() { now(&world).await } else { None };
    elapse(time).await;
    // Taken before the resuming: what is begun from now on may be begun because of it. Where the database
    // does not say, the pause forbids nothing.
    let until = now(&world).await;
    let from = from.filter(|_| until.is_some());
    acts.note(Act { wish: Wish::Pause, message: Some(message.0), block: None, from, until });
    drop(resume_one(&world, message.0).await);
}

async fn block(world: &World, lane: Lane, person: u32) -> Act {
    let key = world.block_key(lane, person);
    let (company, medium) = (world.company(lane), medium(lane));
    let blocked = world.env.ledger.block_address(key, company, medium, BlockKind::Manual, "torture").await;
    let from = if blocked.is_ok() { now(world).await } else { None };
    Act { wish: Wish::Block, message: None, block: Some(key), from, until: None }
}

/// The customer's text comes to a worker by webhook. The provider is not told, so that it would take a
/// message to them all the same.
async fn stop(world: &World, person: u32) -> Act {
    let phone = world.plan.address(Lane::Text, person);
    let post = webhook::twilio_text(&world.env, Lane::Text.account(), &phone, "STOP");
    let taken = webhooks::send(world, post).await == Some(200);
    let from = if taken { now(world).await } else { None };
    let block = Some(world.block_key(Lane::Text, person));
    Act { wish: Wish::Stop, message: None, block, from, until: None }
}

async fn unsubscribe(world: &World, message: MessageId, lane: Lane, person: u32) -> Act {
    let tag: String =
        world.env.keys.unsubscribe_tag(message).iter().map(|byte| format!("{byte:02x}")).collect();
    let url = format!("{}/unsubscribe/{}/{tag}", webhook::base(&world.env), message.0.simple());
    let taken = world.http.post(url).send().await.is_ok_and(|answer| answer.status().is_success());
    let from = if taken { now(world).await } else { None };
    let block = Some(world.block_key(lane, person));
    Act { wish: Wish::Unsubscribe, message: None, block, from, until: None }
}

/// Resumes by the rules, as the command line does.
pub async fn resume_one(world: &World, message: Uuid) -> anyhow::Result<()> {
    let directory = CompanyCache::load(world.env.ledger.clone()).await?;
    let context =
        ActionContext { ledger: &world.env.ledger, company_cache: &directory, keys: &world.env.keys };
    resume::resume(context, message, ActionOrigin::PROGRAM).await?;
    Ok(())
}

/// Lets jobs be overtaken: their reservation grows old while they wait, and then the other one comes. Ends when
/// every overtaker is out. One of several tasks that share the overtakers: each waits for its own.
pub async fn overtake(world: Arc<World>, published: Arc<Published>, number: usize) {
    let mut link = Link::new(Arc::clone(&world));
    let overtakers = world.plan.jobs.iter().filter(|job| job.kind == Kind::Overtaker).map(|job| job.index);
    let mine: Vec<u32> = overtakers.skip(number).step_by(OVERTAKING).collect();
    for index in mine {
        while (published.allowed.load(std::sync::atomic::Ordering::Relaxed) <= index)
            || !published.fate(index - 1).0
        {
            elapse(Duration::from_millis(20)).await;
        }
        grow_old(&world, index - 1).await;
        publish::by_hand(&mut link, &published, index).await;
    }
}

/// As if the window of a waiting request had passed: well before it is due, or not at all.
async fn grow_old(world: &World, index: u32) {
    let company = world.company(world.plan.jobs[index as usize].lane);
    let key = world.env.keys.identity.idempotency_hash(company, &world.plan.key(index));
    for _ in 0..20 {
        let grown = sqlx::query(
            "update reservation c set asked_at = c.asked_at - interval '40 days'
                from request r join due d on d.message = r.id
                where r.idempotency_hash = $1 and c.request = r.id and d.kind = 0 and d.at > now() + interval '2 seconds'",
        )
        .bind(key)
        .execute(&world.env.pool);
        match tokio::time::timeout(Duration::from_millis(800), grown).await {
            Ok(Ok(done)) if done.rows_affected() > 0 => return,
            _ => elapse(Duration::from_millis(100)).await,
        }
    }
}
