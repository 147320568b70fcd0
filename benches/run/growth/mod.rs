//! Growth: what Postrider does with many requests in its database, or many that have passed through it.
//!
//! `waiting`: rate and latency beside requests for later dates, and with `claims` the claim's plan and time.
//! `drain`: all of them due at once, after an outage. `bloat`: many sends with an old snapshot open. `fill`
//! makes such databases by SQL. Only the row `postrider`: others keep no later dates.

mod bloat;
mod claims;
mod drain;
mod fill;
mod waiting;

pub use bloat::bloat;
pub use drain::drain;
pub use waiting::{Grower, beside_waiting};
