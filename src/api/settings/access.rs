//! Permissions for settings: read with the scope `read` or `manage`, change with a live key and `manage`.
//!
//! A test key reads like any other and changes nothing: tests and customers share the settings.

use crate::api::{Caller, Problem, Scope};
use postrider_ledger::audit::Actor;

/// Requires the scope `read` or `manage`.
///
/// # Errors
/// 403 if the key has neither.
pub fn require_read(caller: &Caller) -> Result<(), Problem> {
    caller.require(Scope::Read).or_else(|refused| caller.require(Scope::Manage).map_err(|_| refused))
}

/// The actor for the audit entry of a change.
///
/// # Errors
/// 403 unless the key is live and has the scope `manage`.
pub fn require_change(caller: &Caller) -> Result<Actor, Problem> {
    caller.require(Scope::Manage)?;
    if !caller.live {
        return Err(Problem::forbidden(
            "a test key cannot change settings, because tests and customers share them; use a live key",
        ));
    }
    Ok(Actor::Key { id: caller.key, name: caller.name.to_string() })
}
