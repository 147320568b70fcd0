//! Stands in for the harness's `report` module, for the shared `../run/jobs.rs`, which uses its `Medium`.
//!
//! Nothing else of the harness is needed here.

pub use postrider_domain::ids::Medium;
