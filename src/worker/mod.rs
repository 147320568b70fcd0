//! The worker: the only place that builds pools, clients and tasks.
//!
//! `start` builds everything and fails early, with the remedy in its error; `pools` opens the database pools; `web`
//! binds and serves the two ports; `stages` holds the tasks; `running` ends them in order.

mod pools;
mod running;
mod stages;
mod start;
mod web;

pub use pools::{Purpose, admin_ledger, pool};
pub use running::Worker;
pub use start::{keys, start};
