//! Requests as people read them (`views`), and what people may do to them (`actions`).
//!
//! The API and the command line share both, so that every page and command has one wording. Nothing here
//! is on the hot path. Read `views::page` for the list and `actions::action` for the acts.

pub mod actions;
pub mod views;
