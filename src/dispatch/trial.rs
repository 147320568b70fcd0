//! The trial of a message that is a poison suspect, as its lane runs it.
//!
//! From the commit of the trial record until begin, this worker renders nothing else, so that a crash is attributed to
//! this message. `poison::suspect_messages` claims suspects.

use crate::{
    crash_isolation::ExclusiveGuard,
    dispatch::{Claim, DispatchContext},
};

/// Takes the isolation gate exclusively and commits the trial record; `None`: the record was not committed, and the
/// claim must be returned.
pub(super) async fn begin_trial(context: &DispatchContext, claim: &Claim) -> Option<ExclusiveGuard> {
    let guard = context.isolation_gate.exclusive().await;
    match context.ledger.start_message_trial(claim.message, claim.epoch).await {
        Ok(true) => Some(guard),
        Ok(false) => None,
        Err(error) => {
            tracing::warn!(%error, "writing the trial record of a poison suspect failed; its claim is returned and taken again");
            None
        }
    }
}
