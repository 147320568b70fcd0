//! AMQP: the connection to the broker, and the way of a delivery from the queue to its acknowledgement.
//!
//! `session` owns the connection and starts it again after it is lost; `probe` checks the address first;
//! `topology` declares exchange and queues; `consumer` collects deliveries into batches for `intake`, and `acks`
//! decides which of them may be acknowledged; `response_consumer` does the same for customers' responses.
//! `publisher` publishes with confirms; `dead_letters` lists and replays parked deliveries.
//! Invariant: a delivery is acknowledged only after the commit of its request or its rejection.

pub mod acks;
pub mod consumer;
pub mod dead_letters;
pub mod probe;
pub mod publisher;
pub mod response_consumer;
pub mod session;
pub mod topology;
