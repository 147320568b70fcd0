//! Tests of the simulator over real sockets: the answers, replies and webhooks of each fault.
//!
//! `support` has the caller and the webhook receiver, `http` tests Mailgun and Twilio, `smtp` the relay, `receipts`
//! webhooks and lookups, `random_faults` the faults by rate. Signatures and parsers are tested in their files.

mod http;
mod random_faults;
mod receipts;
mod smtp;
mod support;
