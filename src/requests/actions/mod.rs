//! People's actions on requests: pause, resume, cancel, retry; on one request, or on many (`bulk`).
//!
//! `action` names them, `apply` runs one; each has a file with its steps and its words. Every action is compare-and-set in the ledger and
//! leaves an audit entry there: a message that is not begun is the person's, a begun one is the provider's. Repeating an
//! action changes nothing and says so. `redecide` asks the rules again for a stored request.

pub mod action;
mod apply;
pub mod outcome;

pub mod cancel;
pub mod pause;
pub mod redecide;
pub mod resume;
pub mod retry;

pub mod bulk;

mod compare_and_set;
