//! Latency: from the instant at which a job was to be published to the provider's receipt of the call.
//!
//! An open loop: `schedule` publishes at instants fixed in advance, whatever came back; `measure` is one run;
//! `delays` says what it comes to, and whether the row kept up at all; `table` shows several rounds.

mod delays;
mod measure;
mod schedule;
mod table;

pub use delays::Delays;
pub use measure::{Load, measure};
pub use table::{Run, cells, head, tables};
