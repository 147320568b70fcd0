//! The publishers: several connections, each with a ledger of its own of what the broker confirmed.
//!
//! A job goes out once to three times, each time by another connection. Where the word of the broker is
//! lost, a publisher repeats most of what was unconfirmed, as producers should, and leaves the rest: those
//! jobs may be there or not. How far they may go is `pace`'s matter.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
    time::Duration,
};

use lapin::Connection;
use postrider::amqp::{
    publisher::{OutgoingJob, PublishOutcome, Publisher},
    session,
};

use crate::{
    dice::Dice,
    plan::{Job, Kind, Lane, Plan},
    support::wait::elapse,
    world::World,
};

const BATCH: usize = 48;
const SEND_WITHIN: Duration = Duration::from_secs(20);
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// Of what stays unconfirmed, so much is published again.
const REPEATED: f64 = 0.7;

const TRIED: u8 = 1;
const CONFIRMED: u8 = 2;

/// The publishers' shared knowledge of every job.
#[derive(Debug)]
pub struct Published {
    fates: Vec<AtomicU8>,
    /// Jobs with a smaller index may go out.
    pub allowed: AtomicU32,
}

impl Published {
    pub fn new(plan: &Plan) -> Published {
        let fates = plan.jobs.iter().map(|_| AtomicU8::new(0)).collect();
        Published { fates, allowed: AtomicU32::new(0) }
    }

    fn note(&self, index: u32, confirmed: bool) {
        let bits = if confirmed { TRIED | CONFIRMED } else { TRIED };
        self.fates[index as usize].fetch_or(bits, Ordering::SeqCst);
    }

    /// Whether a job went out at all, and whether the broker took it on.
    pub fn fate(&self, index: u32) -> (bool, bool) {
        let bits = self.fates[index as usize].load(Ordering::SeqCst);
        (bits & TRIED != 0, bits & CONFIRMED != 0)
    }

    /// Jobs that went out.
    pub fn tried_count(&self) -> usize {
        self.fates.iter().filter(|bits| bits.load(Ordering::Relaxed) & TRIED != 0).count()
    }
}

/// One publisher's ledger.
#[derive(Debug, Default, Clone)]
pub struct Entries {
    pub copies: u64,
    pub confirmed: u64,
    pub unknown: u64,
    pub repeated: u64,
}

/// A connection, when there is one.
pub struct Link {
    world: Arc<World>,
    open: Option<(Connection, Publisher)>,
}

impl Link {
    pub fn new(world: Arc<World>) -> Link {
        Link { world, open: None }
    }

    /// Sends jobs; returns those that went out, each with whether the broker confirmed it. The rest never went
    /// out.
    pub async fn send(&mut self, jobs: &[u32]) -> Vec<(u32, bool)> {
        let mut fates = Vec::with_capacity(jobs.len());
        if self.open.is_none() {
            self.open = tokio::time::timeout(SEND_WITHIN, self.connect()).await.ok().flatten();
        }
        let Some((_, producer)) = &self.open else { return fates };
        let plan = &self.world.plan;
        for lane in Lane::ALL {
            let batch: Vec<&Job> =
                jobs.iter().map(|&index| &plan.jobs[index as usize]).filter(|job| job.lane == lane).collect();
            let bodies = batch.iter().map(|job| OutgoingJob {
                message_id: plan.key(job.index),
                user_id: None,
                body: plan.body(job),
            });
            let routing = lane.routing();
            let sent = tokio::time::timeout(SEND_WITHIN, producer.publish(&routing, bodies)).await;
            let Ok(sent) = sent else {
                // It is unknown how far it came.
                fates.extend(batch.iter().map(|job| (job.index, false)));
                self.open = None;
                return fates;
            };
            let known = |(key, fate): (String, PublishOutcome)| {
                Some((plan.index(&key)?, fate == PublishOutcome::Confirmed))
            };
            fates.extend(sent.outcomes.into_iter().filter_map(known));
            if sent.broken.is_some() {
                self.open = None;
                return fates;
            }
        }
        fates
    }

    async fn connect(&self) -> Option<(Connection, Publisher)> {
        let connection = session::connect(&self.world.config.amqp, "torture").await.ok()?;
        let producer = Publisher::open(&connection, &self.world.env.amqp_name).await.ok()?;
        Some((connection, producer))
    }
}

/// Publishes this publisher's copies of all jobs; returns when all went out.
pub async fn run(world: Arc<World>, published: Arc<Published>, number: usize) -> Entries {
    let mut dice = Dice::new(world.plan.seed, &format!("publisher {number}"));
    let (mut link, mut entries) = (Link::new(Arc::clone(&world)), Entries::default());
    let (mut next, mut again): (usize, VecDeque<u32>) = (0, VecDeque::new());
    let jobs = &world.plan.jobs;
    while next < jobs.len() || !again.is_empty() {
        let allowed = published.allowed.load(Ordering::Relaxed) as usize;
        let mut batch: Vec<u32> = again.drain(..again.len().min(BATCH)).collect();
        while batch.len() < BATCH && next < jobs.len().min(allowed) {
            if is_mine(&jobs[next], number, world.arguments.publishers) {
                batch.push(jobs[next].index);
            }
            next += 1;
        }
        if batch.is_empty() {
            elapse(Duration::from_millis(20)).await;
            continue;
        }
        let fates = link.send(&batch).await;
        entries.copies += fates.len() as u64;
        for &(index, confirmed) in &fates {
            published.note(index, confirmed);
            match confirmed {
                true => entries.confirmed += 1,
                false if dice.falls(REPEATED) => {
                    entries.repeated += 1;
                    again.push_back(index);
                }
                false => entries.unknown += 1,
            }
        }
        let went_out: std::collections::HashSet<u32> = fates.iter().map(|(index, _)| *index).collect();
        again.extend(batch.into_iter().filter(|index| !went_out.contains(index)));
        if link.open.is_none() {
            elapse(AGAIN_AFTER).await;
        }
    }
    entries
}

/// Publishes one job until the broker has it or the outcome is unknown.
pub async fn by_hand(link: &mut Link, published: &Published, index: u32) {
    loop {
        let fates = link.send(&[index]).await;
        if let Some((_, confirmed)) = fates.first() {
            published.note(index, *confirmed);
            return;
        }
        elapse(AGAIN_AFTER).await;
    }
}

/// Neighbours go to different publishers: a group for one person comes over all connections at once.
fn is_mine(job: &Job, number: usize, publishers: usize) -> bool {
    let first = job.index as usize;
    job.kind != Kind::Overtaker && (0..job.copies as usize).any(|copy| (first + copy) % publishers == number)
}
