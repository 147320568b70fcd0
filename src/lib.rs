//! Postrider dispatches customer feedback requests. This file is the map of the worker.
//!
//! ```text
//! AMQP, HTTP ─► intake ─► facts ─► rules (pure) ─► ledger ─► dispatch ─► providers
//!                 ▲                              (Postgres)    │             │
//!                 └───── ack only after commit ◄──────┘ ◄─ outcome ┘ receipt ◄┘ webhooks
//! ```
//!
//! Stages meet only in the ledger. Each handler gathers facts, decides without I/O, applies the decision in one
//! statement and only then answers the outside.
//!
//! # Rooms, in the order of a request
//!
//! * Entry points: `amqp` (consumers), `api` (HTTP), `connectors` (notifications of other systems), `cli`.
//! * `intake`: a batch of jobs becomes requests or rejections; the crate `domain` decides, without I/O.
//! * Crate `ledger`: the only SQL, one function a domain verb.
//! * `dispatch`: lanes, claims, attempts, outcomes, look-ups; the crate `providers` makes the calls.
//! * `webhooks`: signed receipts and unsubscribe links.
//! * `requests`, `blocks`: views and actions of people. `alerts`: digests of rejected jobs.
//! * `poison`: trials of jobs and messages that may have crashed workers, isolated by `crash_isolation`.
//! * Around them: `worker` (start, stages, stop), `company_cache`, `config`, `telemetry`, `http_server`.
//! * Tools of several rooms: `batching`, `retry`, `ticker`, `csv_rows`, `failpoint`.
//!
//! # Pages
//!
//! * `docs/concepts.md`: the words, one meaning each, and the states of a message.
//! * `docs/architecture.md`: rooms, floors (which room may import which), invariants, where a change belongs.
//! * `docs/decisions/`: why it is so, with measurements.
//! * `docs/dependency-hazards.md`: faults of libraries, each with its guard and test.

pub mod backtest;
pub mod batching;
pub mod company_cache;
pub mod config;
pub mod crash_isolation;
pub mod csv_rows;
pub mod failpoint;
pub mod http_server;
pub mod must_settle;
pub mod retry;
pub mod telemetry;
pub mod ticker;
pub mod worker;

pub mod alerts;
pub mod amqp;
pub mod api;
mod blocks;
pub mod connectors;
pub mod dispatch;
pub mod intake;
pub mod poison;
pub mod requests;
pub mod webhooks;

pub mod cli;
