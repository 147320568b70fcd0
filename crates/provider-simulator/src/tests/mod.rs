//! The simulator seen from outside, over real sockets: what each magic word's caller observes.
//!
//! `support` is the caller and the webhook's receiver, `http` has Mailgun and Twilio, `smtp` the relay,
//! `receipts` what is posted and looked up, `chance` the faults by rate. Signatures and parsers are tested where they are.

mod http;
mod random_faults;
mod receipts;
mod smtp;
mod support;
