//! Intake: the steps from an inbound job to its committed decision, the same for every entry point.
//!
//! `inbound` is a job as it arrived. `admit` parses it and finds its company; `pipeline` gathers its facts and decides;
//! `write` writes the batch; `accept` runs these in rounds. `preview` stops before the write. `http_batcher` lets
//! concurrent HTTP calls share commits, `replay` hands a rejected job in again, `responses` accepts customers' responses.
//! Nothing here calls a provider. Of `dispatch` it knows the fast path only.

pub mod inbound;

mod accept;
mod acceptor;
pub(crate) mod admit;
mod customer_lookup;
pub mod decide;
mod duplicates;
pub mod lookup_keys;
mod optional_facts;
pub mod pending;
pub mod pipeline;
pub mod quarantine;
pub(crate) mod rejection;
mod write;

pub mod http_batcher;
pub mod preview;
pub mod replay;
pub mod responses;

pub use acceptor::Acceptor;
pub use inbound::{AcceptOutcome, DecisionSummary, InboundJob};
