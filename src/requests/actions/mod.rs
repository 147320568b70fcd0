//! What a person may do to a request: pause, resume, cancel, retry; one or many (`bulk`).
//!
//! `action` names the acts and words their result; the other files are one act each. Every act is
//! compare-and-set in the ledger and leaves an audit entry there.

pub mod action;
pub mod bulk;
pub mod cancel;
pub mod pause;
pub mod resume;
pub mod retry;
