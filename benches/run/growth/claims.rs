//! The claim's plan and its time beside waiting requests: the statement of crates/ledger, word for word.
//!
//! Prepared on a connection of the hot pool's, so with its plans, and explained while it runs, each time in a
//! transaction that is rolled back: every claim meets the same due rows.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use postrider::{
    config::Config,
    worker::{Purpose, pool},
};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};

use crate::{
    report::{Claims, Medium},
    servers::Servers,
    workspace::Workspace,
};

use super::fill::{Dates, Filled};

const CLAIM: &str = include_str!("../../../crates/ledger/src/sql/claim.sql");
const CLAIMS: usize = 50;
const AT_ONCE: usize = 100;
/// Due rows, beside what waits.
const DUE: usize = 5_000;

pub async fn measure(servers: &Servers, filled: &Filled) -> anyhow::Result<Claims> {
    let site = Workspace::make(servers, Medium::Sms, Some(&filled.site.name)).await?;
    filled.add(&site, filled.waiting, DUE, Dates::LAST_HOUR).await.context("add due requests")?;
    let mut config = Config::from_layers(&[])?;
    config.database.url = SecretString::from(site.database_url.as_str());
    let pool = pool(&config.database, Purpose::Hot, 1)?;
    let claims = explain_all(&mut *pool.acquire().await?, filled.waiting).await?;
    pool.close().await;
    site.remove(servers).await?;
    println!("claims beside {} waiting  {:?} ms  {:?}", filled.waiting, claims.percentiles(), claims.reads);
    Ok(claims)
}

async fn explain_all(connection: &mut PgConnection, waiting: usize) -> anyhow::Result<Claims> {
    let lane: i32 = sqlx::query_scalar("select lane from due limit 1").fetch_one(&mut *connection).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("prepare claim as {CLAIM}"))).execute(&mut *connection).await?;
    let explain = format!(
        "explain (analyze, buffers, format json) execute claim('{{{lane}}}', '{{{AT_ONCE}}}', \
         '{{1970-01-01T00:00:00Z}}', gen_random_uuid(), gen_random_uuid(), 60)"
    );
    let mut claims = Claims {
        waiting,
        due: DUE,
        at_once: AT_ONCE,
        millis: Vec::new(),
        buffers_hit: 0,
        buffers_read: 0,
        reads: BTreeSet::new(),
    };
    for _ in 0..CLAIMS {
        let mut transaction = connection.begin().await?;
        let printed = sqlx::raw_sql(AssertSqlSafe(explain.clone())).fetch_one(&mut *transaction).await?;
        transaction.rollback().await?;
        note(&mut claims, &serde_json::from_str(&printed.try_get_unchecked::<String, _>(0)?)?)?;
    }
    claims.millis.sort_unstable_by(f64::total_cmp);
    Ok(claims)
}

fn note(claims: &mut Claims, explained: &Value) -> anyhow::Result<()> {
    let plan = &explained[0]["Plan"];
    ensure!(plan["Actual Rows"].as_f64() == Some(AT_ONCE as f64), "a claim gave {}", plan["Actual Rows"]);
    let part = |name: &str| explained[0][name].as_f64().with_context(|| format!("no {name} in the plan"));
    claims.millis.push(part("Planning Time")? + part("Execution Time")?);
    let pages = |name: &str| plan[name].as_i64().with_context(|| format!("no {name} in the plan"));
    (claims.buffers_hit, claims.buffers_read) = (pages("Shared Hit Blocks")?, pages("Shared Read Blocks")?);
    read_by(plan, &mut claims.reads);
    Ok(())
}

/// Node and index of everything in a plan that reads a table.
fn read_by(plan: &Value, reads: &mut BTreeSet<String>) {
    if let (Some(node), Some(table)) = (plan["Node Type"].as_str(), plan["Relation Name"].as_str())
        && node.contains("Scan")
    {
        let index = plan["Index Name"].as_str().unwrap_or("no index");
        reads.insert(format!("{table}: {node} by {index}"));
    }
    for child in plan["Plans"].as_array().into_iter().flatten() {
        read_by(child, reads);
    }
}
