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
//! * Entry points: AMQP consumers, `api` (HTTP), connectors (notifications of other systems), `cli`.
//! * `intake`: a batch of jobs becomes requests or rejections. Rules, company settings, texts and the message's
//!   lifecycle are pure: no I/O, and `now` is an argument.
//! * The ledger: the only SQL, one function a domain verb.
//! * `dispatch`: lanes, claims, attempts, outcomes, look-ups. The providers: Twilio, Mailgun, SMTP.
//! * `webhooks`: signed receipts and unsubscribe links.
//! * `requests`: views and actions of people. `alerts`: digests of rejected jobs.
//! * Around all of them: start and stop, the company cache, configuration, telemetry, crash isolation.
//!
//! # Pages
//!
//! * `docs/concepts.md`: the words, one meaning each, and the states of a message.
//! * `docs/architecture.md`: rooms, floors (which room may import which), invariants, where a change belongs.
//! * `docs/decisions/`: why it is so, with measurements.
//! * `docs/dependency-hazards.md`: faults of libraries, each with its guard and test.

pub mod backtest;
pub mod company_cache;
pub mod config;
pub mod csv_rows;
pub mod failpoint;
pub mod telemetry;
pub mod worker;

pub mod alerts;
pub mod amqp;
pub mod api;
pub mod blocks;
pub mod connectors;
pub mod dispatch;
pub mod intake;
pub mod poison;
pub mod requests;
pub mod webhooks;

pub mod cli;
