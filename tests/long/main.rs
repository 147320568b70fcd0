//! The long part of the fault catalogue: processes, broker, database, providers, clocks and links, one after
//! another broken in every way that `tests/FAULTS.md` names.
//!
//! A binary of its own because it takes minutes: `make faults` runs it, on servers of its own where it breaks
//! them. The short part is in `tests/it`.

#[path = "../it/support/mod.rs"]
#[expect(dead_code, reason = "shared with the short tests, which use the rest of it")]
mod support;

mod broker;
mod database;
mod process;
mod provider;
mod statements;
mod time;
