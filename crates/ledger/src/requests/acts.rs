//! What people do to a request, each act in one statement with the record of who did it.
//!
//! Pause and resume are compare-and-set statements of their own; an end is a conclusion under the state and
//! epoch that were read (`conclude`). What changed nothing leaves no record. A retry has a record of its own: see `retry`.
//! Invariant: nothing here moves a message without saying by whom.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Ledger, LedgerError, gather::stored_state, quarantine::LAPSES_SUSPECT, retrying};
use postrider_domain::{ids::MessageId, lifecycle::State};

/// Acts of one request that are read, the latest ones: somebody may pause and resume it for ever.
const ACTS_MAX: i64 = 500;

/// Who does it.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// Through what: an API key's name, or `cli`.
    pub door: &'a str,
    /// The API key.
    pub key: Option<Uuid>,
    /// The person, where one is named.
    pub person: Option<&'a str>,
    pub note: Option<&'a str>,
}

impl By<'_> {
    /// A program of ours that plays the people (tests).
    pub const PROGRAM: By<'static> = By { door: "system", key: None, person: None, note: None };
}

/// What was done.
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

    /// As stored and as shown.
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

/// One act on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActNote {
    pub message: MessageId,
    pub deed: ActionKind,
    pub at: DateTime<Utc>,
    /// As in `By`.
    pub door: String,
    pub key: Option<Uuid>,
    pub person: Option<String>,
    pub note: Option<String>,
}

impl Ledger {
    /// Pauses a message; gives the state that it was paused in, `None` where it was not to be paused.
    pub async fn pause(&self, message: MessageId, by: By<'_>) -> Result<Option<State>, LedgerError> {
        let state = retrying(|| async {
            sqlx::query_file!(
                "src/sql/pause.sql",
                message.0,
                by.door,
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

    /// Resumes a paused message, a quarantined one as a suspect; gives its state, `None` where it was not
    /// paused.
    pub async fn resume(&self, message: MessageId, by: By<'_>) -> Result<Option<State>, LedgerError> {
        let state = retrying(|| async {
            sqlx::query_file!(
                "src/sql/resume.sql",
                message.0,
                LAPSES_SUSPECT,
                by.door,
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

    /// Writes down by hand that the customer answered: nothing more is sent for this request. Gives whether
    /// it was news.
    pub async fn answer(&self, request: Uuid, by: By<'_>) -> Result<bool, LedgerError> {
        let noted = retrying(|| async {
            sqlx::query_file!(
                "src/sql/answer.sql",
                request,
                by.door,
                by.key as Option<Uuid>,
                by.person as Option<&str>,
                by.note as Option<&str>,
            )
            .execute(&self.pool)
            .await
        })
        .await?;
        // Noted once; again it ends what still waits.
        self.end_answered(&[request]).await?;
        Ok(noted.rows_affected() > 0)
    }

    /// What was done to a request, oldest first.
    pub(super) async fn acts(&self, request: Uuid) -> Result<Vec<ActNote>, LedgerError> {
        let rows = sqlx::query!(
            "select message, action, at, entry_point, api_key, requested_by, note from request_action
                where request = $1 order by at desc limit $2",
            request,
            ACTS_MAX
        )
        .fetch_all(&self.pool)
        .await?;
        let unknown = |act: &str| LedgerError::Broken(format!("act {act} is not known to this version"));
        rows.into_iter()
            .rev()
            .map(|row| {
                let deed = ActionKind::ALL.into_iter().find(|deed| deed.as_str() == row.action);
                Ok(ActNote {
                    message: MessageId(row.message),
                    deed: deed.ok_or_else(|| unknown(&row.action))?,
                    at: row.at,
                    door: row.entry_point,
                    key: row.api_key,
                    person: row.requested_by,
                    note: row.note,
                })
            })
            .collect()
    }
}
