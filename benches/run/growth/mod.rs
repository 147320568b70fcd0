//! Growth: what Postrider does when much lies in its ledger already, or has passed through it.
//!
//! `waiting`: rate and latency beside requests for later dates. `claims`: the claim's plan and time beside
//! them. `drain`: all of them due at once, after an outage. `bloat`: many sends with an old snapshot open.
//! `fill` makes such ledgers by SQL. Only the row `postrider`: others keep no later dates.

mod bloat;
mod claims;
mod drain;
pub mod fill;
mod run;
mod waiting;

pub use run::{Grown, Share, run};
