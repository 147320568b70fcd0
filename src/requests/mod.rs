//! Requests as people read them (`views`), and the actions of people on them (`actions`).
//!
//! The API and the command line share both, so that each fact has one wording. Nothing here is on the hot path. Start
//! with `views::page` for the list and with `actions::action` for the actions.

pub mod actions;
pub mod views;
