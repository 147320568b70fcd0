//! Intake: the steps from an inbound job to its committed decision, the same for AMQP and HTTP.
//!
//! `inbound` is a job with the facts of its entry point; `admit` parses it and finds its company and owner,
//! `lookup_keys` and `customer_lookup` complete its identities, `optional_facts` reads what few jobs need,
//! `decide` runs the rules, `accept` writes a batch. `http_batcher` lets concurrent HTTP calls share commits;
//! `preview` runs the same steps without writing; `replay` hands a rejected job in again; `responses` accepts
//! customers' responses.

pub mod accept;
pub mod admit;
mod customer_lookup;
pub mod decide;
pub mod http_batcher;
pub mod inbound;
pub mod lookup_keys;
mod optional_facts;
pub mod preview;
pub mod quarantine;
pub mod replay;
pub mod responses;

pub use accept::Acceptor;
pub use inbound::{AcceptOutcome, DecisionSummary, InboundJob};
