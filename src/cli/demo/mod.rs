//! `postrider demo`: everything in one process, from jobs over real AMQP to receipts over real HTTP.
//!
//! `run` tells the story; `world` builds what it happens in (a database and a broker name of its own,
//! simulated providers, companies, a worker); `jobs` is what is published, `publisher` publishes it and
//! keeps its own ledger; `watch` draws the live table; `verdict` does the sums at the end, and `report`
//! prints them. Invariant: nothing here decides anything about a request, and nothing is counted by what
//! it checks: publisher, providers and Postgres each have a ledger of their own.

mod jobs;
mod publisher;
mod report;
mod run;
mod seeds;
mod verdict;
mod watch;
mod world;

pub use run::Demo;
