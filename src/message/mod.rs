//! What a producer hands in and what everybody calls it afterwards: ids, media, addresses, jobs.
//!
//! PURE: no I/O, no clock, no logs. `job` is the shape of a job after parsing, `parse` turns bytes
//! into it and names every problem, `keys` makes the keyed hashes by which the ledger finds people.
//! Read `rules` next.

pub mod address;
pub mod canonical;
pub mod country;
pub mod fields;
pub mod ids;
pub mod job;
pub mod keys;
pub mod manual;
pub mod node;
pub mod parse;
pub mod problem;
pub mod response;
pub mod strict;
pub mod text;

pub use ids::{AccountId, BlockKind, CompanyId, Medium, MessageId, RequestId};
pub use job::{Customer, Employee, Job, Manual, RequesterRole, Source};
pub use problem::Problem;
pub use response::{About, Response};
