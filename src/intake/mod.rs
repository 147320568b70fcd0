//! Intake: jobs come in, are decided, written down, and only then acknowledged.
//!
//! `supervisor` owns the connection to the broker, one generation after another; `topology` declares what we
//! need there; `consumer` takes deliveries into batches and acknowledges up to the low-water mark, and tries
//! `suspects` alone; `jobs` does the same for calls over HTTP; `accept` takes a batch through gather → decide
//! → apply, whatever door it came through, `admit` being its first step, `known` filling in addresses of
//! customers who are only named and keeping those whom people name, and `asides` finding what only few jobs
//! need; `preview` stops before the last step; `answered` consumes what customers answered and `responses`
//! takes it; `resume` and `retry` ask the rules again, `cancel` and `pause` take back, `replay` hands in
//! again; `producer` and `parked` publish and bring dead letters back; `recipes` makes jobs of other systems'
//! notices. Nothing is acknowledged before its commit, and nothing is ever requeued for what it says.

pub mod accept;
pub mod acks;
pub mod admit;
pub mod answered;
pub mod arrival;
mod asides;
pub mod cancel;
pub mod consumer;
pub mod decide;
pub mod hand_over;
pub mod jobs;
mod known;
pub mod parked;
pub mod pause;
pub mod person;
pub mod preflight;
pub mod preview;
pub mod producer;
pub mod recipes;
pub mod replay;
pub mod responses;
pub mod resume;
pub mod retry;
pub mod supervisor;
pub mod suspects;
pub mod topology;

pub use accept::Acceptor;
pub use arrival::{Answer, Arrival, Told};
