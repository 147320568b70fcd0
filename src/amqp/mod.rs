//! AMQP: sessions with the broker, and the way of a delivery from the queue to its acknowledgement.
//!
//! `session` opens a connection and a consumer again after each failure; `probe` checks the address first; `topology`
//! declares exchange and queues; `consumer` collects deliveries into batches for `intake`, and `acks` decides which of
//! them may be acknowledged; `response_consumer` does the same for customers' responses. `publisher` publishes with
//! confirms; `dead_letters` lists and replays dead letters; `headers` reads the broker's headers.
//! Invariant: a delivery is acknowledged only after the commit of its request or its rejection.

pub mod acks;
mod consumer;
pub mod dead_letters;
mod headers;
pub mod probe;
pub mod publisher;
mod response_consumer;
pub mod session;
pub mod topology;
