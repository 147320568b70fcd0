//! What a producer hands in: the shape of a job, how it is read, and the problems that it can have.
//!
//! PURE: no I/O, no clock, no logs. `shape` is a job after parsing, `parse` turns bytes into it and names every
//! problem, `canonical` is the form that is compared and hashed, `response` a customer's answer. Read `rules` next.

pub mod canonical;
pub mod manual;
pub mod parse;
pub mod response;
pub mod shape;

pub use response::{Response, ResponseSubject};
pub use shape::{Customer, Employee, Job, JobOrigin, Manual, RequesterRole};
