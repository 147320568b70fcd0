//! Latency: from the instant at which a job was to be published to the provider's receipt of the call.
//!
//! An open loop: `schedule` publishes at instants fixed in advance, whatever came back; `measure` is one run;
//! `report` says what it comes to, and whether the row kept up at all.

mod measure;
mod schedule;

pub use measure::measure;
