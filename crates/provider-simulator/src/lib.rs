//! Simulated Mailgun, Twilio and SMTP relay over real sockets, faults included.
//!
//! The demo, the tests and the benches send to them. Every accepted message is in the simulator's journal, on
//! disk where a file is configured, before the call is answered: the journal proves which messages were sent.
//! The recipient's address chooses the fault (`recipient_fault`), `call_plan` maps the fault to a provider's
//! behaviour, and the folders `mailgun`, `twilio` and `smtp` speak the wire formats.
//!
//! Invariant: the crate depends on no other crate of the workspace. A simulator that shares code with the
//! product would repeat the product's mistakes instead of finding them. Read `simulator` first, then `call_plan`.

mod accept;
mod behaviour;
mod call_log;
mod call_plan;
mod clock;
mod connection;
mod fault_injector;
mod http_answer;
mod http_request;
mod journal;
mod journal_file;
mod listener;
mod mailgun;
mod mime;
mod random;
mod recipient_fault;
mod records;
mod routes;
pub mod sign;
mod simulator;
mod smtp;
mod state;
mod twilio;
mod webhook_sender;
mod webhook_sequence;

#[cfg(test)]
mod tests;

pub use behaviour::Behaviour;
pub use recipient_fault::RecipientFault;
pub use records::{Accepted, Call, Provider, ReportedStatus, Verdict};
pub use simulator::{Simulator, SimulatorConfig};
