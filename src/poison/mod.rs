//! Poison: jobs and messages that may abort the process that handles them.
//!
//! `crash_isolation` is the gate that runs a suspect alone; `suspect_jobs` keeps the trial records of
//! deliveries, `suspect_messages` claims and tries the messages of dead workers one at a time. Three crashes
//! put a job or a message into quarantine, where `postrider quarantine` shows it.

pub mod crash_isolation;
pub mod suspect_jobs;
pub mod suspect_messages;
