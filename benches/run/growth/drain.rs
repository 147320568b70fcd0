//! After an outage: everything in the ledger is due when the worker starts, and nothing new comes.
//!
//! The rate is that of the steady part, as in `throughput`. One run.

use std::future::ready;

use crate::{
    arguments::Medium,
    figures::Figures,
    rows::Row,
    scene::Scene,
    servers::Servers,
    throughput::{self, Goal, Task},
};

use super::fill::{Dates, Filled};

pub async fn measure(servers: &Servers, row: &Row, messages: usize) -> anyhow::Result<Figures> {
    let filled = Filled::make(servers, row, messages, Dates::LAST_HOUR).await?;
    let mut scene = Scene::make(servers, row, (Medium::Sms, Goal::Sent), Some(&filled)).await?;
    // What waited is what counts.
    scene.after = None;
    let task = Task { medium: Medium::Sms, goal: Goal::Sent, requests: messages };
    let figures = throughput::run(servers, row, task, &scene, ready(Ok(()))).await?;
    println!("drain of {messages}  {figures}");
    scene.take_down(servers).await?;
    filled.remove(servers).await?;
    Ok(figures)
}
