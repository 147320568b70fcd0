//! Conclude: messages that nobody is sending come to their end.
//!
//! Compare-and-set on state and epoch: a message that moved on meanwhile is left alone.

use uuid::Uuid;

use super::{Ledger, LedgerError, retrying, sweep::Conclusion};
use crate::message::MessageId;

impl Ledger {
    /// Ends messages; gives those that were really ended by this call.
    pub async fn conclude(&self, ends: &[Conclusion]) -> Result<Vec<MessageId>, LedgerError> {
        let mut ends: Vec<&Conclusion> = ends.iter().collect();
        ends.sort_unstable_by_key(|end| end.message);
        let ids: Vec<Uuid> = ends.iter().map(|end| end.message.0).collect();
        let epochs: Vec<i32> = ends.iter().map(|end| end.epoch).collect();
        let was: Vec<i16> = ends.iter().map(|end| end.was.code()).collect();
        let next: Vec<i16> = ends.iter().map(|end| end.next.code()).collect();
        let reasons: Vec<String> = ends.iter().map(|end| end.reason.word().to_owned()).collect();
        retrying(|| async {
            sqlx::query_file!("src/ledger/sql/conclude.sql", &ids, &epochs, &was, &next, &reasons)
                .map(|row| MessageId(row.id))
                .fetch_all(&self.pool)
                .await
        })
        .await
    }
}
