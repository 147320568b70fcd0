//! A dry run of rules: what a changed policy would have made of the requests that were really accepted.
//!
//! PURE. `stored` is a request as the ledger kept it, with what became of it; `order` puts the pages of the
//! ledger into the order of acceptance; `contacts` are the reservations in memory, `life` is what happens to
//! a request after its decision, `world` runs both. `past` asks the policy of the time and compares with
//! what was written down: where the two differ the request is left out and counted, never guessed.
//! `future` asks the changed policy; `tally` counts, `report` is the answer. The pages are read by
//! `postrider::backtest`.
//!
//! What is assumed: blocks, team members and people's acts are as they were; who is asked at another time
//! is asked as long after its due time as before; who would be asked now and was not, is asked when due.
//! What is written has the time at which its writing began and is seen when it is done: who looked in
//! between is believed about what it saw.

mod acceptance_order;
mod aggregate;
mod baseline;
mod changed_policy;
pub mod history;
mod replay_state;
pub mod report;
pub mod reservations;
pub mod run;
#[cfg(test)]
mod tests;
mod timeline;

pub use history::RecordedRequest;
pub use report::BacktestReport;
pub use run::{Backtest, Period};
