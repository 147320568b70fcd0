//! The pure part of Postrider: jobs, companies, rules, the life of a message, texts.
//!
//! PURE: no I/O, no clock, no logs; `now`, jitter and ids are arguments. `document` reads what others write,
//! `job` is a producer's input after parsing, `company` the configuration, `rules` the decision, `lifecycle` the
//! state machine of a message, `content` the texts, `backtest` the replay of history under a changed policy.
//! Read `job` first.

#![warn(missing_docs)]

pub mod address;
pub mod country;
pub mod document;
pub mod hash_keys;
pub mod ids;

#[expect(missing_docs, reason = "the fields of the backtest's report have no docs yet")]
pub mod backtest;
pub mod company;
pub mod content;
pub mod job;
pub mod lifecycle;
pub mod rules;
