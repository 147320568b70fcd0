//! Growth: what Postrider does when much lies in its ledger already, or has passed through it.
//!
//! `waiting`: rate and latency beside requests for later dates, and with `claims` the claim's plan and time.
//! `drain`: all of them due at once, after an outage. `bloat`: many sends with an old snapshot open. `fill`
//! makes such ledgers by SQL. Only the row `postrider`: others keep no later dates.

mod bloat;
mod claims;
mod drain;
mod fill;
mod waiting;

pub use bloat::bloat;
pub use drain::drain;
pub use fill::Filled;
pub use waiting::{Grower, beside_waiting};
