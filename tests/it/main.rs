//! The integration tests: real Postgres, real RabbitMQ, simulated providers over real sockets.
//!
//! `make test` starts what they need and names it by DATABASE_URL and AMQP_URL. Every test has a
//! database, a broker prefix and a simulator of its own, so that they run side by side.

#[expect(dead_code, reason = "shared with the long tests, which use the rest of it")]
mod support;

mod alerts;
mod answers;
mod api;
mod backlog;
mod broker;
mod conformance;
mod delivery;
mod doors;
mod faults_proxy;
mod fence;
mod hostile;
mod instants;
mod jobs;
mod lapses;
mod look_ups;
mod outages;
mod people;
mod plans;
mod poison;
mod races;
mod receipts;
mod recipes;
mod reconcile;
mod retries;
mod schema;
mod seeds;
mod sending;
mod simulations;
mod states;
mod storms;
mod suppression;
mod torture_audit;
mod traps;
