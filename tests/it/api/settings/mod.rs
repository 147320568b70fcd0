//! Settings over the API: each change, its actor, and its record.
//!
//! One file per area. Jobs that show what a setting does are handed to the worker's acceptor.

mod access;
mod audits;
mod blocks;
mod blocks_by_command;
mod blocks_csv;
mod company;
mod members;
mod rejected;

use postrider::{intake::AcceptOutcome, worker::Worker};
use reqwest::Method;
use serde_json::Value;

use crate::support::{
    TestEnv,
    api::{ApiResponse, Client},
    job,
};

/// A world with one company, its worker and a key that may everything.
async fn world() -> (TestEnv, Worker, Client) {
    let env = TestEnv::new().await;
    env.company("blanca", |_| {}).await;
    let worker = env.worker().await;
    let client = env.client("blanca").await;
    (env, worker, client)
}

/// Hands a job of the company in.
async fn hand_in(worker: &Worker, body: &Value) -> AcceptOutcome {
    let acceptor = worker.acceptor.as_ref().expect("this worker takes jobs");
    let arrivals = [job::inbound("blanca", body.to_string().as_bytes())];
    acceptor.accept(&arrivals).await.expect("the database answers").remove(0)
}

/// With the etag that an editor started from.
async fn send(client: &Client, method: Method, tag: &str, body: &Value) -> ApiResponse {
    let headers = [("content-type", "application/json"), ("if-match", tag)];
    client.raw(method, "/v1/company", &headers, body.to_string().into_bytes()).await
}

/// The latest audit.
async fn audit(client: &Client) -> Value {
    client.get("/v1/audit?limit=1").await.json["items"][0].clone()
}

async fn count(env: &TestEnv, table: &str) -> i64 {
    let query = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
    let (count,): (i64,) = sqlx::query_as(query).fetch_one(&env.pool).await.expect("the ledger answers");
    count
}
