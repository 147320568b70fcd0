//! Who may look at settings, and who may change them.
//!
//! A test key looks like any other, and changes nothing: settings are the same for tests and for customers.

use crate::api::{Caller, Problem, Scope};
use postrider_ledger::audit::Actor;

/// 403 unless the key may read or manage.
pub fn require_read(caller: &Caller) -> Result<(), Problem> {
    caller.require(Scope::Read).or_else(|refused| caller.require(Scope::Manage).map_err(|_| refused))
}

/// Who is on record for the change; 403 unless it is a live key that may manage.
pub fn require_change(caller: &Caller) -> Result<Actor, Problem> {
    caller.require(Scope::Manage)?;
    if !caller.live {
        return Err(Problem::forbidden(
            "settings are the same for tests and for customers; change them with a live key",
        ));
    }
    Ok(Actor::Key { id: caller.key, name: caller.name.to_string() })
}
