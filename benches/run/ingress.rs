//! The two entrances side by side: the same jobs over AMQP and by `POST /v1/requests`, SMS, to *sent*.
//!
//! Of Postrider alone, for the others have no HTTP entrance. Jobs come while the worker runs, from this
//! process: what makes them shares the machine with the worker in both ways, so the ways compare with each
//! other and not with the rates of a queue that was full before.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use postrider::api::{Scope, key};
use postrider_ledger::{Ledger, audit::Actor};
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use tokio::{net::TcpStream, task::JoinSet};

use crate::{
    arguments::Arguments,
    fixture::Fixture,
    jobs::{COMPANY, job},
    report::{Entrance, Goal, Medium, Percentiles, Way},
    rows::Row,
    servers::Servers,
    throughput::{self, Task},
    workspace::Workspace,
};

/// Calls that are under way at once, each on a connection of its own.
const CALLS: usize = 64;
const LISTEN_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub async fn measure(
    arguments: &Arguments,
    servers: &Servers,
    row: &Row,
) -> anyhow::Result<(Vec<Entrance>, Vec<String>)> {
    let mut runs = Vec::new();
    for round in 1..=arguments.rounds {
        for way in [Way::Amqp, Way::Http] {
            let entrance = once(servers, row, way, arguments.requests, round).await;
            let entrance =
                entrance.with_context(|| format!("entrance by {}, round {round}", way.as_str()))?;
            println!("entrance {:<5} round {round}  {}", way.as_str(), entrance.shown());
            runs.push(entrance);
        }
    }
    Ok((runs, Vec::new()))
}

async fn once(
    servers: &Servers,
    row: &Row,
    way: Way,
    requests: usize,
    round: usize,
) -> anyhow::Result<Entrance> {
    let scene = Fixture::make(servers, row, (Medium::Sms, Goal::Sent), None).await?;
    let task = Task { medium: Medium::Sms, goal: Goal::Sent, requests, relayed: false };
    let mut answers = None;
    let measured = match way {
        Way::Amqp => throughput::run(servers, row, task, &scene, published(&scene, requests)).await,
        Way::Http => {
            let feed = async {
                answers = Percentiles::of(posted(&scene.site, requests).await?);
                Ok(())
            };
            throughput::run(servers, row, task, &scene, feed).await
        }
    };
    let figures = scene.take_down(servers, measured).await?;
    Ok(Entrance { round, way, requests, figures, answers })
}

fn published(scene: &Fixture, requests: usize) -> impl Future<Output = anyhow::Result<()>> {
    let Fixture { site, publisher, envelope, .. } = scene;
    async move {
        listens(site).await?;
        publisher.fill(site, envelope, 0..requests).await.context("publish")
    }
}

/// Posts all jobs; seconds from each call to its answer.
async fn posted(site: &Workspace, requests: usize) -> anyhow::Result<Vec<f64>> {
    let key = make_key(site).await.context("make a key")?;
    listens(site).await?;
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(CALLS).build()?;
    let (url, next) = (format!("{}/v1/requests", site.public_url()), Arc::new(AtomicUsize::new(0)));
    let mut hands: JoinSet<anyhow::Result<Vec<f64>>> = JoinSet::new();
    for _ in 0..CALLS {
        let (client, key, url, next) = (client.clone(), key.clone(), url.clone(), next.clone());
        hands.spawn(async move {
            let mut times = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= requests {
                    return Ok(times);
                }
                times.push(post(&client, &url, &key, n).await?);
            }
        });
    }
    let mut times = Vec::with_capacity(requests);
    while let Some(hand) = hands.join_next().await {
        times.extend(hand.context("a hand that posts")??);
    }
    Ok(times)
}

async fn post(client: &reqwest::Client, url: &str, key: &SecretString, n: usize) -> anyhow::Result<f64> {
    let job = job(n, Medium::Sms);
    let since = postrider_clock::monotonic();
    let call = client
        .post(url)
        .header("x-api-key", key.expose_secret())
        .header("content-type", "application/json")
        .header("idempotency-key", &job.key)
        .body(job.body);
    let response = call.send().await.context("post a job")?;
    let status = response.status().as_u16();
    let body = response.bytes().await.context("read the answer")?;
    ensure!(status == 202, "a job was answered {status}: {}", String::from_utf8_lossy(&body));
    Ok((postrider_clock::monotonic() - since).as_secs_f64())
}

async fn make_key(site: &Workspace) -> anyhow::Result<SecretString> {
    let pool = PgPool::connect(&site.database_url).await?;
    let ledger = Ledger::new(pool.clone());
    let company = ledger.company_id(COMPANY).await?.context("the company is there")?;
    let made = key::generate(true);
    let kept = made.to_row(company, "bench", &[Scope::Send]);
    ledger.add_key(&kept, &Actor::System).await?;
    pool.close().await;
    Ok(SecretString::from(made.as_text().to_owned()))
}

/// Waits until the worker takes calls: its start counts for no rate.
async fn listens(site: &Workspace) -> anyhow::Result<()> {
    let listening = async {
        while TcpStream::connect(("127.0.0.1", site.port)).await.is_err() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(LISTEN_WITHIN, listening).await.context("the worker does not listen")
}
