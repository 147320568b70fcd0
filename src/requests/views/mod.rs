//! One wording of requests for every page and command.
//!
//! `page` pages through the list and `summary` is one line of it; `detail` is one request with its `timeline`,
//! `explain` each rule's finding, `post_decision` what changed after the decision. `status_text`, `reasons`
//! and `format_time` are shared by all of them.

pub mod detail;
pub mod explain;
#[cfg(test)]
pub mod fixtures;
pub mod format_time;
pub mod page;
pub mod post_decision;
pub mod reasons;
pub mod status_text;
pub mod summary;
pub mod timeline;
