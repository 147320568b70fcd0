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
mod concurrent_updates;
mod conformance;
mod connectors;
mod delivery;
mod dependency_regressions;
mod fence;
mod hostile_input;
mod jobs;
mod lease_expiry;
mod lookups;
mod operator_actions;
mod outages;
mod plans;
mod poison;
mod proxy_faults;
mod races;
mod receipts;
mod reconcile;
mod redelivery;
mod retries;
mod schema;
mod seeds;
mod sending;
mod simulations;
mod states;
mod suppression;
mod torture_audit;
mod webhook_security;
