//! `Action::apply`: one entrance to all actions, for the API, the command line and bulk runs.
//!
//! Each action's steps are in its own file; `outcome` words the results.

use uuid::Uuid;

use crate::requests::actions::{
    action::{Action, ActionContext, ActionRequest},
    cancel::cancel,
    outcome::ActionOutcome,
    pause::pause,
    resume::resume,
    retry::retry,
};

impl Action {
    /// Acts on one request.
    ///
    /// # Errors
    /// Of the database; a company that is not known; a request that kept changing.
    pub async fn apply(
        self,
        context: ActionContext<'_>,
        id: Uuid,
        request: ActionRequest<'_>,
    ) -> anyhow::Result<ActionOutcome> {
        Ok(match self {
            Action::Pause => pause(context.ledger, id, request.origin()).await?.into(),
            Action::Resume => resume(context, id, request.origin()).await?.into(),
            Action::Cancel => cancel(context.ledger, id, request.origin()).await?.into(),
            Action::Retry => retry(context, id, request).await?.into(),
        })
    }
}
