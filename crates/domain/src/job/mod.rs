//! A producer's input: jobs and responses, parsed and normalised.
//!
//! PURE: no I/O, no clock, no logs. `shape` is a job after parsing, `parse` turns bytes into it and names every
//! problem, `manual` reads the fields of a person's request, `canonical` is the form that is compared and hashed,
//! `response` is a customer's answer. Read `rules` next.

pub mod canonical;
pub mod manual;
pub mod parse;
pub mod response;
pub mod shape;

pub use response::{Response, ResponseSubject};
pub use shape::{Customer, Employee, Job, JobOrigin, Manual, RequesterRole};
