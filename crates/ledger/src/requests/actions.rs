//! Actions of people on a request, each one statement together with its record.
//!
//! Pause and resume are compare-and-set statements; an end goes through `conclude` with the state and epoch
//! that were read. An action without effect leaves no record. A retry has its own table: see `retry`.
//! Invariant: every action that moves a message is on record with its actor.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Ledger, LedgerError, quarantine::EXPIRIES_SUSPECT, retrying, stored_state};
use postrider_domain::{ids::MessageId, lifecycle::State};

/// Records read per request, latest first: a request can be paused and resumed without limit.
const ACTIONS_MAX: i64 = 500;

/// Origin of an action, as recorded.
#[derive(Debug, Clone, Copy)]
pub struct ActionOrigin<'a> {
    /// Name of the API key, `cli`, or `system`.
    pub entry_point: &'a str,
    /// `api_key.id`
    pub key: Option<Uuid>,
    /// The person, if named.
    pub person: Option<&'a str>,
    pub note: Option<&'a str>,
}

impl ActionOrigin<'_> {
    /// A program of the project that acts for a person (tests).
    pub const PROGRAM: ActionOrigin<'static> =
        ActionOrigin { entry_point: "system", key: None, person: None, note: None };
}

/// Kind of a recorded action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionKind {
    Paused,
    Resumed,
    Canceled,
    /// A person knew that the customer had answered.
    Answered,
}

impl ActionKind {
    pub const ALL: [ActionKind; 4] =
        [ActionKind::Paused, ActionKind::Resumed, ActionKind::Canceled, ActionKind::Answered];

    /// As stored and as displayed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ActionKind::Paused => "paused",
            ActionKind::Resumed => "resumed",
            ActionKind::Canceled => "canceled",
            ActionKind::Answered => "answered",
        }
    }
}

/// One recorded action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRecord {
    pub message: MessageId,
    pub action: ActionKind,
    pub at: DateTime<Utc>,
    /// As `ActionOrigin::entry_point`.
    pub entry_point: String,
    pub key: Option<Uuid>,
    pub person: Option<String>,
    pub note: Option<String>,
}

impl Ledger {
    /// Pauses a message. Returns the state in which it was paused; `None`: it cannot be paused.
    pub async fn pause(
        &self,
        message: MessageId,
        by: ActionOrigin<'_>,
    ) -> Result<Option<State>, LedgerError> {
        let state = retrying(|| async {
            sqlx::query_file!(
                "src/sql/pause.sql",
                message.0,
                by.entry_point,
                by.key as Option<Uuid>,
                by.person as Option<&str>,
                by.note as Option<&str>,
            )
            .map(|row| row.state)
            .fetch_optional(&self.pool)
            .await
        })
        .await?;
        state.map(stored_state).transpose()
    }

    /// Resumes a paused message, a quarantined one as a poison suspect. Returns its state; `None`: it was not
    /// paused.
    pub async fn resume(
        &self,
        message: MessageId,
        by: ActionOrigin<'_>,
    ) -> Result<Option<State>, LedgerError> {
        let state = retrying(|| async {
            sqlx::query_file!(
                "src/sql/resume.sql",
                message.0,
                EXPIRIES_SUSPECT,
                by.entry_point,
                by.key as Option<Uuid>,
                by.person as Option<&str>,
                by.note as Option<&str>,
            )
            .map(|row| row.state)
            .fetch_optional(&self.pool)
            .await
        })
        .await?;
        state.map(stored_state).transpose()
    }

    /// Records that the customer answered: nothing more is sent for this request. `false`: it was recorded
    /// before.
    pub async fn answer(&self, request: Uuid, by: ActionOrigin<'_>) -> Result<bool, LedgerError> {
        let recorded = retrying(|| async {
            sqlx::query_file!(
                "src/sql/answer.sql",
                request,
                by.entry_point,
                by.key as Option<Uuid>,
                by.person as Option<&str>,
                by.note as Option<&str>,
            )
            .execute(&self.pool)
            .await
        })
        .await?;
        // Also for a repeat: it ends messages that still wait.
        self.end_answered(&[request]).await?;
        Ok(recorded.rows_affected() > 0)
    }

    /// Recorded actions on a request, oldest first.
    pub(super) async fn actions(&self, request: Uuid) -> Result<Vec<ActionRecord>, LedgerError> {
        let rows = sqlx::query!(
            "select message, action, at, entry_point, api_key, requested_by, note from request_action
                where request = $1 order by at desc limit $2",
            request,
            ACTIONS_MAX
        )
        .fetch_all(&self.pool)
        .await?;
        let unknown =
            |action: &str| LedgerError::Broken(format!("action {action} is not known to this version"));
        rows.into_iter()
            .rev()
            .map(|row| {
                let action = ActionKind::ALL.into_iter().find(|action| action.as_str() == row.action);
                Ok(ActionRecord {
                    message: MessageId(row.message),
                    action: action.ok_or_else(|| unknown(&row.action))?,
                    at: row.at,
                    entry_point: row.entry_point,
                    key: row.api_key,
                    person: row.requested_by,
                    note: row.note,
                })
            })
            .collect()
    }
}
