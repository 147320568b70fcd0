//! Error alerts: a company is told by email when many of its jobs are rejected.
//!
//! `scheduler` counts once a minute, on one worker at a time; `digest` (PURE) writes the email. One statement
//! (`ledger::alerts`) queues a digest, at most once an hour per company over all workers, and the digest is sent like
//! every message: a crash in between neither loses nor doubles it.

mod digest;
pub mod scheduler;
