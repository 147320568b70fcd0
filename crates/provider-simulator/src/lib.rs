//! Providers that behave as Mailgun, Twilio and an SMTP relay do, faults included, over real sockets.
//!
//! The demo, the tests and the benches send to these. Every acceptance is in the simulator's own
//! ledger, on disk, before it is answered: that file is the proof of what "was sent". The recipient
//! chooses the fault (`magic`), `plan` turns it into what a provider does, and each provider's folder
//! speaks its wire. Invariant: nothing here uses `providers` or its signatures; a simulator that
//! shares code with what it checks proves nothing. Start reading at `run`, then `plan`.

mod accept;
mod answer;
mod behaviour;
mod book;
mod connection;
mod courier;
mod disk;
mod entry;
mod house;
mod magic;
mod mailgun;
mod mime;
mod multipart;
mod plan;
mod routes;
mod run;
pub mod sign;
mod smtp;
mod twilio;

#[cfg(test)]
mod tests;

pub use behaviour::Behaviour;
pub use entry::{Accepted, Call, Provider, Receipt, Verdict};
pub use magic::RecipientFault;
pub use run::{Simulator, SimulatorConfig};
