//! A database with many requests waiting, made once; runs begin with copies of its database.
//!
//! Postrider itself accepts one request for a later date; `fill.sql` copies it. Invariant: nothing but that
//! file knows the tables' columns, and what it wrote is counted.

use std::time::Duration;

use anyhow::{Context, ensure};
use sqlx::{Connection, PgConnection};
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    fixture::{Fixture, Template},
    jobs::later,
    progress::Progress,
    publish::confirm,
    report::{Goal, Medium},
    rows::Row,
    servers::Servers,
    workspace::Workspace,
};

const DAY_SECS: f64 = 86_400.0;
const AT_ONCE: usize = 50_000;
/// No other job has this number.
const PATTERN: usize = 9_999_999;
const ACCEPTED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// When filled requests are due: from so many seconds from now on, over so many.
#[derive(Debug, Clone, Copy)]
pub struct Dates {
    from_secs: f64,
    over_secs: f64,
}

impl Dates {
    /// None of them during a run.
    pub const NEXT_MONTH: Dates = Dates { from_secs: DAY_SECS, over_secs: 30.0 * DAY_SECS };
    /// As after an outage of an hour.
    pub const LAST_HOUR: Dates = Dates { from_secs: -3_600.0, over_secs: 3_600.0 };
}

/// A database that is copied.
pub struct Filled {
    pub site: Workspace,
    /// The request that the others are copies of; it waits as well, beside them.
    pub pattern: Uuid,
    pub waiting: usize,
}

impl Filled {
    pub async fn make(servers: &Servers, row: &Row, waiting: usize, dates: Dates) -> anyhow::Result<Filled> {
        let since = postrider_clock::monotonic();
        let scene = Fixture::make(servers, row, (Medium::Sms, Goal::Sent), None).await?;
        let pattern = accept_one(row, &scene).await.context("have one request accepted")?;
        let filled = Filled { site: scene.leave_site().await?, pattern, waiting };
        // With nothing waiting it is left as it is in any other run: never vacuumed, nothing known of it.
        if waiting > 0 {
            filled.add(&filled.site, 0, waiting, dates).await.context("fill the database")?;
        }
        println!("      {waiting} waiting requests made in {:.1?}", postrider_clock::monotonic() - since);
        Ok(filled)
    }

    /// Writes requests with these numbers into a copy or the original, and settles the tables.
    pub async fn add(&self, site: &Workspace, from: usize, count: usize, dates: Dates) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect(&site.database_url).await?;
        let before = rows(&mut connection).await?;
        let mut progress = Progress::of(count);
        for first in (from..from + count).step_by(AT_ONCE) {
            sqlx::query(include_str!("fill.sql"))
                .bind(self.pattern)
                .bind(i64::try_from(first)?)
                .bind(i64::try_from((first + AT_ONCE).min(from + count))?)
                .bind(dates.from_secs)
                .bind(dates.over_secs)
                .execute(&mut connection)
                .await?;
            progress.show(first - from);
        }
        sqlx::query("vacuum analyze").execute(&mut connection).await?;
        sqlx::query("checkpoint").execute(&mut connection).await?;
        let wanted = before.map(|rows| rows + count as i64);
        let after = rows(&mut connection).await?;
        ensure!(
            after == wanted,
            "requests, messages, reservations and due rows are {after:?}, not {wanted:?}"
        );
        // `create database … template` fails while a connection to the template is open.
        connection.close().await?;
        Ok(())
    }

    /// For fixtures that begin with a copy.
    pub fn template(&self) -> Template {
        Template { database: self.site.name.clone(), after: self.pattern }
    }

    pub async fn remove(self, servers: &Servers) -> anyhow::Result<()> {
        self.site.remove(servers).await
    }
}

/// The row's own programs take one job for tomorrow.
async fn accept_one(row: &Row, scene: &Fixture) -> anyhow::Result<Uuid> {
    let mut programs = scene.programs(row).await?;
    let job = later(PATTERN, scene.site.medium, DAY_SECS as u32);
    confirm(Some(scene.publisher.publish(&scene.site, &scene.envelope, &job).await?)).await?;
    let mut connection = PgConnection::connect(&scene.site.database_url).await?;
    let since = postrider_clock::monotonic();
    let id = loop {
        for program in &mut programs {
            program.must_run()?;
        }
        let found = sqlx::query_scalar("select message from due").fetch_optional(&mut connection).await?;
        if let Some(id) = found {
            break id;
        }
        ensure!(
            postrider_clock::monotonic() - since < ACCEPTED_WITHIN,
            "no request waits after {ACCEPTED_WITHIN:?}"
        );
        sleep(LOOK_EVERY).await;
    };
    for program in programs {
        program.end().await?;
    }
    ensure!(
        rows(&mut connection).await? == [1; 4],
        "one request, message, reservation and due row was expected"
    );
    connection.close().await?;
    Ok(id)
}

async fn rows(connection: &mut PgConnection) -> anyhow::Result<[i64; 4]> {
    const COUNTS: &str = "select array[(select count(*) from request), (select count(*) from message), \
        (select count(*) from reservation), (select count(*) from due)]";
    let counts: Vec<i64> = sqlx::query_scalar(COUNTS).fetch_one(connection).await?;
    counts.try_into().ok().context("four counts")
}
