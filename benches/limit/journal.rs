//! One wide row a request under one unique key, and three statements, each for a whole batch.
//!
//! Arrays through unnest were the cheapest way of passing a batch; each statement looks rows up by the one
//! key. Pages have room, so that updates stay on them (HOT). The planner's options keep the plans that an
//! empty table suggests from sticking.

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

const TABLE: &str = "create table if not exists request (
    key text primary key,
    name text not null,
    address text not null,
    employee text not null,
    channel text not null,
    interaction text not null,
    state smallint not null default 0,
    provider_id text,
    created_at timestamptz not null default now(),
    sent_at timestamptz,
    delivered_at timestamptz
) with (fillfactor = 50)";

const INSERT: &str = "insert into request (key, name, address, employee, channel, interaction)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    on conflict (key) do nothing returning key";

/// A receipt can be faster than this: what it wrote stays.
const SENT: &str = "update request r set state = greatest(r.state, 1), provider_id = u.id, sent_at = now()
    from unnest($1::text[], $2::text[]) u (key, id) where r.key = u.key";

const DELIVERED: &str = "update request r set state = 2, delivered_at = now()
    from unnest($1::text[]) u (key) where r.key = u.key and r.state < 2";

/// Inserting, settling and receiving, each with a connection of its own.
const CONNECTIONS: u32 = 3;

/// One job, as the row has it.
#[derive(Debug)]
pub struct Job {
    pub key: String,
    pub name: String,
    pub address: String,
    pub employee: String,
    pub channel: String,
    pub interaction: String,
}

#[derive(Clone)]
pub struct Journal {
    pool: PgPool,
}

impl Journal {
    pub async fn open(url: &str) -> anyhow::Result<Journal> {
        let options: PgConnectOptions = url.parse()?;
        let options = options.options([
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            ("enable_mergejoin", "off"),
            ("jit", "off"),
        ]);
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
        let pool = pool.connect_with(options).await?;
        sqlx::query(TABLE).execute(&pool).await?;
        Ok(Journal { pool })
    }

    /// Gives the keys that were new.
    pub async fn insert(&self, jobs: &[Job]) -> sqlx::Result<Vec<String>> {
        let column = |field: fn(&Job) -> &str| jobs.iter().map(field).collect::<Vec<&str>>();
        sqlx::query_scalar(INSERT)
            .bind(column(|job| &job.key))
            .bind(column(|job| &job.name))
            .bind(column(|job| &job.address))
            .bind(column(|job| &job.employee))
            .bind(column(|job| &job.channel))
            .bind(column(|job| &job.interaction))
            .fetch_all(&self.pool)
            .await
    }

    /// Key and provider's id of what was sent, in the order of keys: two updates that lock the same rows in
    /// the same order never wait for one another in a circle.
    pub async fn sent(&self, answers: &[(String, String)]) -> sqlx::Result<()> {
        let (keys, ids): (Vec<&str>, Vec<&str>) =
            answers.iter().map(|(key, id)| (key.as_str(), id.as_str())).unzip();
        sqlx::query(SENT).bind(keys).bind(ids).execute(&self.pool).await.map(drop)
    }

    /// Keys of what was delivered, in their order.
    pub async fn delivered(&self, keys: &[&str]) -> sqlx::Result<()> {
        sqlx::query(DELIVERED).bind(keys).execute(&self.pool).await.map(drop)
    }
}
