//! What a producer hands in: the shape of a job, how it is read, and the problems that it can have.
//!
//! PURE: no I/O, no clock, no logs. `shape` is a job after parsing, `parse` turns bytes into it and names every
//! problem, `canonical` is the form that is compared and hashed, `response` a customer's answer. Read `rules` next.

pub mod canonical;
pub mod country;
pub mod fields;
pub mod manual;
pub mod node;
pub mod parse;
pub mod problem;
pub mod response;
pub mod shape;
pub mod strict;
pub mod text;

pub use problem::Problem;
pub use response::{About, Response};
pub use shape::{Customer, Employee, Job, JobOrigin, Manual, RequesterRole};
