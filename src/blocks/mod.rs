//! Blocks as people write and read them: the same at the command line and over the API.
//!
//! `wanted` reads an address that somebody blocks or looks for, `bulk` whole files of them, `view` is one
//! block as programs read it. Nothing here asks the database: what is blocked is `ledger::blocks_by_hand`'s.

pub mod bulk;
pub mod input;
pub mod view;
