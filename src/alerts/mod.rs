//! Error alerts: a company's own people hear when many of its jobs are refused.
//!
//! `watch` looks once a minute, whichever worker's turn it is; `digest` (PURE) says what was wrong. A digest
//! is put on its way by one statement (`ledger::alerts`), at most once an hour for each company over the
//! whole fleet, and sent as every message is: who dies in between loses nothing and doubles nothing.

mod digest;
pub mod scheduler;
