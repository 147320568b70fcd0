//! A backtest: the recorded requests of a company replayed under a changed policy.
//!
//! PURE. `history` is a request as the ledger recorded it; `acceptance_order` sorts the ledger's pages by time of
//! acceptance. `reservations` are the company's reservations in memory, `timeline` the events of a request after its
//! decision, `replay_state` runs both. `baseline` replays under the recorded policies and compares with the recorded
//! outcome; a request with a different result is excluded and counted, never guessed. `changed_policy` replays under
//! the changed policy, `aggregate` counts, `report` is the answer. `postrider::backtest` reads the pages.
//!
//! Assumptions are listed in `run`. A recorded time is the time at which its transaction began; other requests see
//! the change up to `CONCURRENT_SECS` later. A request that decided in between is replayed as it was recorded.

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
