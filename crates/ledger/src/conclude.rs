//! Conclude: messages that nobody is sending come to their end.
//!
//! Compare-and-set on state and epoch: a message that moved on meanwhile is left alone.

use uuid::Uuid;

use super::{
    Ledger, LedgerError,
    requests::{ActionKind, By},
    retrying,
    sweep::Conclusion,
};
use postrider_domain::ids::MessageId;

impl Ledger {
    /// Ends messages; gives those that were really ended by this call.
    pub async fn conclude(&self, ends: &[Conclusion]) -> Result<Vec<MessageId>, LedgerError> {
        self.conclude_for(ends, None).await
    }

    /// Ends a message because of what a person did, which is on record; gives whether it was really ended by
    /// this call.
    pub async fn conclude_by(
        &self,
        end: Conclusion,
        deed: ActionKind,
        by: By<'_>,
    ) -> Result<bool, LedgerError> {
        Ok(!self.conclude_for(&[end], Some((deed, by))).await?.is_empty())
    }

    async fn conclude_for(
        &self,
        ends: &[Conclusion],
        person: Option<(ActionKind, By<'_>)>,
    ) -> Result<Vec<MessageId>, LedgerError> {
        let (deed, by) = person.unzip();
        let mut ends: Vec<&Conclusion> = ends.iter().collect();
        ends.sort_unstable_by_key(|end| end.message);
        let ids: Vec<Uuid> = ends.iter().map(|end| end.message.0).collect();
        let epochs: Vec<i32> = ends.iter().map(|end| end.epoch).collect();
        let was: Vec<i16> = ends.iter().map(|end| end.was.code()).collect();
        let next: Vec<i16> = ends.iter().map(|end| end.next.code()).collect();
        let reasons: Vec<String> = ends.iter().map(|end| end.reason.as_str().to_owned()).collect();
        retrying(|| async {
            sqlx::query_file!(
                "src/sql/conclude.sql",
                &ids,
                &epochs,
                &was,
                &next,
                &reasons,
                deed.map(ActionKind::as_str) as Option<&str>,
                by.map(|by| by.door) as Option<&str>,
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
