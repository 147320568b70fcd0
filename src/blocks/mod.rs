//! Blocked addresses as people write and read them, the same at the command line and over HTTP.
//!
//! `input` parses an address and a reason, `bulk` reads and writes CSV files, `view` is a block as programs read it.
//! Nothing here reads the database: the stored blocks are in `ledger::manual_blocks`.

pub mod bulk;
pub mod input;
pub mod view;
