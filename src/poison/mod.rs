//! Poison: jobs and messages that may abort the process that handles them.
//!
//! `suspect_jobs` tries suspect deliveries one at a time and keeps their trial records, `suspect_messages` claims the
//! messages that outlived their workers, one at a time. A third crash puts a job or a message into quarantine, where
//! `postrider rejected` and `postrider quarantine` show it. The gate that isolates a trial is `crash_isolation`.

pub mod suspect_jobs;
pub mod suspect_messages;
