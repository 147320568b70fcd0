//! The explorer: every way in which the steps around one message can interleave, tried one after another.
//!
//! PURE, and part of the tests only. `world` is what there is (row, due row, leases, two workers, the
//! provider), `ledger` repeats the statements of `src/ledger/sql`, one atomic step each, `worker`, `others`
//! and `looker` say who may take which step, `search` takes them all, breadth first, and `properties` says
//! what must hold. Transitions, fence, looks and schedule are the product's own functions, called, not
//! repeated. `claims` is what the search proves, `flaws` that it finds what is broken on purpose.
//!
//! What is modelled by hand can be wrong: a statement is one atomic step here, and how statements meet on
//! real rows is for `tests/it/fence.rs` and `tests/it/races.rs`.

#![cfg(test)]

mod canonical;
mod environment;
mod model_state;
mod properties;
mod reconciler;
mod scenario;
mod search;
mod statements;
mod step;
mod worker;

mod checks;
mod mutants;
