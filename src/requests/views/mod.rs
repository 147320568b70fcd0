//! The wording of requests, shared by every page and command.
//!
//! `page` pages through the list, `summary` is one row of it; `detail` is one request with its `timeline`; `explain` gives
//! the finding of each rule and `post_decision` the events after the decision. `status_text`, `reasons` and
//! `format_time` are the words that all of them use.

pub(crate) mod detail;
pub(crate) mod explain;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod format_time;
pub mod page;
pub(crate) mod post_decision;
pub(crate) mod reasons;
pub(crate) mod status_text;
pub(crate) mod summary;
pub mod timeline;
