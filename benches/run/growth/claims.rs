//! The claim's plan and its time beside waiting requests: the statement of src/ledger, word for word.
//!
//! Prepared on a connection of the hot pool's, so with its plans, and explained while it runs, each time in a
//! transaction that is rolled back: every claim meets the same due rows.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use postrider::{
    config::Config,
    startup::{Purpose, pool},
};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};

use crate::{arguments::Medium, report::Table, servers::Servers, site::Site};

use super::fill::{Dates, Filled};

const CLAIM: &str = include_str!("../../../src/ledger/sql/claim.sql");
const CLAIMS: usize = 50;
const AT_ONCE: usize = 100;
/// Due rows, beside what waits.
const DUE: usize = 5_000;

#[derive(Debug, Serialize)]
pub struct Claims {
    waiting: usize,
    /// Milliseconds of each claim, explaining included, in ascending order.
    millis: Vec<f64>,
    /// Pages from the buffers and from elsewhere, by the last claim.
    buffers_hit: i64,
    buffers_read: i64,
    /// How each table is read.
    reads: BTreeSet<String>,
}

pub async fn measure(servers: &Servers, filled: &Filled) -> anyhow::Result<Claims> {
    let site = Site::make(servers, Medium::Sms, Some(&filled.site.name)).await?;
    filled.add(&site, filled.waiting, DUE, Dates::LAST_HOUR).await.context("add due requests")?;
    let mut config = Config::from_layers(&[])?;
    config.database.url = SecretString::from(site.database_url.as_str());
    let pool = pool(&config.database, Purpose::Hot, 1)?;
    let claims = explain_all(&mut *pool.acquire().await?, filled.waiting).await?;
    pool.close().await;
    site.remove(servers).await?;
    println!(
        "claims beside {} waiting  {:?} ms  {:?}",
        filled.waiting,
        percentiles(&claims.millis),
        claims.reads
    );
    Ok(claims)
}

async fn explain_all(connection: &mut PgConnection, waiting: usize) -> anyhow::Result<Claims> {
    let lane: i32 = sqlx::query_scalar("select lane from due limit 1").fetch_one(&mut *connection).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("prepare claim as {CLAIM}"))).execute(&mut *connection).await?;
    let explain = format!(
        "explain (analyze, buffers, format json) execute claim('{{{lane}}}', '{{{AT_ONCE}}}', \
         '{{1970-01-01T00:00:00Z}}', gen_random_uuid(), gen_random_uuid(), 60)"
    );
    let mut claims =
        Claims { waiting, millis: Vec::new(), buffers_hit: 0, buffers_read: 0, reads: BTreeSet::new() };
    for _ in 0..CLAIMS {
        let mut transaction = connection.begin().await?;
        let printed = sqlx::raw_sql(AssertSqlSafe(explain.clone())).fetch_one(&mut *transaction).await?;
        transaction.rollback().await?;
        claims.note(&serde_json::from_str(&printed.try_get_unchecked::<String, _>(0)?)?)?;
    }
    claims.millis.sort_unstable_by(f64::total_cmp);
    Ok(claims)
}

impl Claims {
    fn note(&mut self, explained: &Value) -> anyhow::Result<()> {
        let plan = &explained[0]["Plan"];
        ensure!(plan["Actual Rows"].as_f64() == Some(AT_ONCE as f64), "a claim gave {}", plan["Actual Rows"]);
        let part = |name: &str| explained[0][name].as_f64().with_context(|| format!("no {name} in the plan"));
        self.millis.push(part("Planning Time")? + part("Execution Time")?);
        let pages = |name: &str| plan[name].as_i64().with_context(|| format!("no {name} in the plan"));
        (self.buffers_hit, self.buffers_read) = (pages("Shared Hit Blocks")?, pages("Shared Read Blocks")?);
        read_by(plan, &mut self.reads);
        Ok(())
    }
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

/// The middle, the last but one percent, and the longest.
fn percentiles(millis: &[f64]) -> [String; 3] {
    let at = |share: f64| millis[((millis.len() as f64 * share).ceil() as usize).max(1) - 1];
    [at(0.5), at(0.99), at(1.0)].map(|millis| format!("{millis:.2}"))
}

pub fn table(all: &[Claims]) -> Table {
    let head = ["waiting", "p50 ms", "p99 ms", "max ms", "pages hit", "pages read", "plan"];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for claims in all {
        let mut line = vec![claims.waiting.to_string()];
        line.extend(percentiles(&claims.millis));
        line.extend([claims.buffers_hit.to_string(), claims.buffers_read.to_string()]);
        line.push(claims.reads.iter().cloned().collect::<Vec<_>>().join("; "));
        lines.push(line);
    }
    Table {
        title: format!("{CLAIMS} claims of {AT_ONCE} out of {DUE} due, explained"),
        lines,
        rates: Vec::new(),
    }
}
