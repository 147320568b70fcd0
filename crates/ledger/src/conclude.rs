//! Conclude: ends messages that are not being sent.
//!
//! Compare-and-set on state and epoch: a message that moved on meanwhile is left alone.

use uuid::Uuid;

use super::{
    Ledger, LedgerError,
    requests::{ActionKind, ActionOrigin},
    retrying,
};
use postrider_domain::{
    ids::MessageId,
    lifecycle::{Reason, State},
};

/// An end to write, under the state and epoch that were read.
#[derive(Debug, Clone, Copy)]
pub struct Conclusion {
    pub message: MessageId,
    pub epoch: i32,
    /// The state that was read.
    pub expected: State,
    pub next: State,
    pub reason: Reason,
}

impl Ledger {
    /// Ends messages; returns those that this call ended.
    pub async fn conclude(&self, ends: &[Conclusion]) -> Result<Vec<MessageId>, LedgerError> {
        self.conclude_for(ends, None).await
    }

    /// Ends a message because of a person's action, with its record; `false`: the message had moved on.
    pub async fn conclude_by(
        &self,
        end: Conclusion,
        action: ActionKind,
        by: ActionOrigin<'_>,
    ) -> Result<bool, LedgerError> {
        Ok(!self.conclude_for(&[end], Some((action, by))).await?.is_empty())
    }

    async fn conclude_for(
        &self,
        ends: &[Conclusion],
        person: Option<(ActionKind, ActionOrigin<'_>)>,
    ) -> Result<Vec<MessageId>, LedgerError> {
        let (action, by) = person.unzip();
        let mut ends: Vec<&Conclusion> = ends.iter().collect();
        ends.sort_unstable_by_key(|end| end.message);
        let ids: Vec<Uuid> = ends.iter().map(|end| end.message.0).collect();
        let epochs: Vec<i32> = ends.iter().map(|end| end.epoch).collect();
        let expected: Vec<i16> = ends.iter().map(|end| end.expected.code()).collect();
        let next: Vec<i16> = ends.iter().map(|end| end.next.code()).collect();
        let reasons: Vec<String> = ends.iter().map(|end| end.reason.as_str().to_owned()).collect();
        retrying(|| async {
            sqlx::query_file!(
                "src/sql/conclude.sql",
                &ids,
                &epochs,
                &expected,
                &next,
                &reasons,
                action.map(ActionKind::as_str) as Option<&str>,
                by.map(|by| by.entry_point) as Option<&str>,
                by.and_then(|by| by.key) as Option<Uuid>,
                by.and_then(|by| by.person) as Option<&str>,
                by.and_then(|by| by.note) as Option<&str>,
            )
            .map(|row| MessageId(row.id))
            .fetch_all(&self.pool)
            .await
        })
        .await
    }
}
