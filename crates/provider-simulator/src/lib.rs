//! Providers that behave as Mailgun, Twilio and an SMTP relay do, faults included, over real sockets.
//!
//! The demo, the tests and the benches send to these. Every acceptance is in the simulator's own
//! ledger, on disk, before it is answered: that file is the proof of what "was sent". The recipient
//! chooses the fault (`magic`), `plan` turns it into what a provider does, and each provider's folder
//! speaks its wire. Invariant: nothing here uses `providers` or its signatures; a simulator that
//! shares code with what it checks proves nothing. Start reading at `run`, then `plan`.

mod accept;
mod behaviour;
mod call_log;
mod call_plan;
mod connection;
mod http_answer;
mod journal_file;
mod mailgun;
mod mime;
mod multipart;
mod recipient_fault;
mod records;
mod routes;
pub mod sign;
mod simulator;
mod smtp;
mod state;
mod twilio;
mod webhook_sender;

#[cfg(test)]
mod tests;

pub use behaviour::Behaviour;
pub use recipient_fault::RecipientFault;
pub use records::{Accepted, Call, Provider, Receipt, Verdict};
pub use simulator::{Simulator, SimulatorConfig};
