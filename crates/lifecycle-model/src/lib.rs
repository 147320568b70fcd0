//! A model checker of the lifecycle of one message; development only, compiled for tests only.
//!
//! It tries every interleaving of the steps around one message, breadth first. `model_state` holds the message's
//! row, due row, leases, two workers and the provider. `statements` repeats the SQL statements of
//! `crates/ledger/src/sql`, one atomic step each. `worker`, `environment` and `reconciler` list the possible steps,
//! `search` takes them all, and `properties` checks every state. Transitions, fence, status polls and schedule are
//! the product's own functions. The tests are in `checks` (properties that hold) and `mutants` (planted faults that
//! the search must find).
//!
//! Limit: the statements are modelled by hand, each as one atomic step. Their behaviour on real rows is tested in
//! `tests/it/fence.rs` and `tests/it/races.rs`.

#[cfg(test)]
mod canonical;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod environment;
#[cfg(test)]
mod model_state;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod reconciler;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod search;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod step;
#[cfg(test)]
mod worker;
