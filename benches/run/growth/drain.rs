//! After an outage: every request in the database is due when the worker starts, and nothing new comes.
//!
//! The rate is that of the steady part, as in `throughput`. One run.

use std::future::ready;

use crate::{
    fixture::Fixture,
    report::{Drain, Goal, Medium},
    throughput::{self, Task},
};

use super::{
    Grower,
    fill::{Dates, Filled},
};

pub async fn drain(grower: &Grower<'_>) -> anyhow::Result<Drain> {
    let Grower { servers, row, .. } = *grower;
    let due = grower.arguments.drain;
    println!("growth: draining {due} due messages");
    let filled = Filled::make(servers, row, due, Dates::LAST_HOUR).await?;
    let mut scene = Fixture::make(servers, row, (Medium::Sms, Goal::Sent), Some(&filled.template())).await?;
    // Only the jobs that waited count.
    scene.after = None;
    let task = Task { medium: Medium::Sms, goal: Goal::Sent, requests: due, relayed: false };
    let figures = throughput::run(servers, row, task, &scene, ready(Ok(()))).await;
    let figures = scene.take_down(servers, figures).await?;
    println!("drain of {due}  {figures}");
    filled.remove(servers).await?;
    Ok(Drain { due, figures })
}
