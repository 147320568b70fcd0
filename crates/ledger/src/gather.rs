//! Gather: reads all facts that the rules need about a batch of jobs, in one query.
//!
//! Only jobs with a finding are returned. Duplicates (same idempotency hash) and original requests of service
//! recoveries are rare, and have queries of their own.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError, stored_state};
use postrider_domain::{ids::Medium, job::Customer, lifecycle::State, rules::OriginalRequest};

/// Keys to look up for one job; `None`: the job does not have it.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    pub idempotency_hash: Uuid,
    pub former_id_hash: Option<Uuid>,
    pub email_hash: Option<Uuid>,
    pub phone_hash: Option<Uuid>,
    /// Reservation keys of the person, three at most.
    pub reservation_keys: Vec<Uuid>,
    pub member_email: Option<Uuid>,
    pub member_custom_id: Option<Uuid>,
}

/// Findings about one job.
#[derive(Debug, Clone, Default)]
pub struct LookupHits {
    pub ordinal: usize,
    /// The request that already has the idempotency hash.
    pub seen: Option<Uuid>,
    pub former_taken: bool,
    pub block_bits: [i32; 2],
    pub holders: Vec<(Uuid, DateTime<Utc>)>,
    pub member_by_email: Option<Uuid>,
    pub member_by_custom_id: Option<Uuid>,
    pub approved: bool,
}

/// The database's time and the findings of a batch.
#[derive(Debug)]
pub struct Gathered {
    pub now: DateTime<Utc>,
    /// Some response awaits its request; `awaited` tells whether one of these.
    pub has_awaited: bool,
    pub hits: Vec<LookupHits>,
}

/// An earlier request with the same idempotency hash.
#[derive(Debug, Clone)]
pub struct Duplicate {
    pub id: Uuid,
    pub idempotency_hash: Uuid,
    pub content_hash: Uuid,
    pub key_is_derived: bool,
    /// Its derived key is older than 24 h.
    pub key_expired: bool,
    pub state: State,
    pub reason: Option<String>,
    /// As stored (JSON).
    pub decision: String,
}

impl Ledger {
    /// Looks up a batch of jobs.
    pub async fn gather(&self, lookups: &[Lookup]) -> Result<Gathered, LedgerError> {
        let column = |pick: fn(&Lookup) -> Option<Uuid>| lookups.iter().map(pick).collect::<Vec<_>>();
        let idempotency_hash: Vec<Uuid> = lookups.iter().map(|lookup| lookup.idempotency_hash).collect();
        let rows = sqlx::query_file!(
            "src/sql/gather.sql",
            &idempotency_hash,
            &column(|lookup| lookup.former_id_hash) as &[Option<Uuid>],
            &column(|lookup| lookup.email_hash) as &[Option<Uuid>],
            &column(|lookup| lookup.phone_hash) as &[Option<Uuid>],
            &column(|lookup| lookup.reservation_keys.first().copied()) as &[Option<Uuid>],
            &column(|lookup| lookup.reservation_keys.get(1).copied()) as &[Option<Uuid>],
            &column(|lookup| lookup.reservation_keys.get(2).copied()) as &[Option<Uuid>],
            &column(|lookup| lookup.member_email) as &[Option<Uuid>],
            &column(|lookup| lookup.member_custom_id) as &[Option<Uuid>],
        )
        .fetch_all(&self.pool)
        .await?;
        let (now, has_awaited) = rows
            .first()
            .map(|row| (row.now, row.has_awaited))
            .ok_or_else(|| LedgerError::Broken("gather gave no time".into()))?;
        let hits = rows
            .into_iter()
            .filter_map(|row| {
                let holders =
                    [(row.holder_1, row.asked_1), (row.holder_2, row.asked_2), (row.holder_3, row.asked_3)];
                let approved = [row.approved_by_email, row.approved_by_custom_id];
                Some(LookupHits {
                    ordinal: usize::try_from(row.ordinal? - 1).ok()?,
                    seen: row.seen,
                    former_taken: row.former_taken.is_some(),
                    block_bits: [row.email_block.unwrap_or(0), row.phone_block.unwrap_or(0)],
                    holders: holders
                        .into_iter()
                        .filter_map(|(holder, asked)| Some((holder?, asked?)))
                        .collect(),
                    member_by_email: row.member_by_email,
                    member_by_custom_id: row.member_by_custom_id,
                    approved: approved.into_iter().flatten().all(|approved| approved),
                })
            })
            .collect();
        Ok(Gathered { now, has_awaited, hits })
    }

    /// The earlier requests by their ids.
    pub async fn duplicates(&self, ids: &[Uuid]) -> Result<Vec<Duplicate>, LedgerError> {
        let rows = sqlx::query_file!("src/sql/duplicates.sql", ids).fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|row| {
                Ok(Duplicate {
                    id: row.id,
                    idempotency_hash: row.idempotency_hash,
                    content_hash: row.content_hash,
                    key_is_derived: row.key_is_derived,
                    key_expired: row.key_expired,
                    state: stored_state(row.state)?,
                    reason: row.reason,
                    decision: row.decision,
                })
            })
            .collect()
    }

    /// Frees derived keys that are older than 24 h.
    pub async fn retire_derived_keys(&self, ids: &[Uuid]) -> Result<(), LedgerError> {
        let fresh: Vec<Uuid> = ids.iter().map(|_| postrider_clock::random_id()).collect();
        sqlx::query_file!("src/sql/retire_keys.sql", ids, &fresh).execute(&self.pool).await?;
        Ok(())
    }

    /// The original requests of the requests that service recoveries name, by our id or the hash of a former
    /// id, in the given order; `None`: the company has no such request.
    pub async fn original_requests(
        &self,
        company: i32,
        named: &[(Uuid, Uuid)],
    ) -> Result<Vec<Option<OriginalRequest>>, LedgerError> {
        let ids: Vec<Uuid> = named.iter().map(|pair| pair.0).collect();
        let former_id_hashes: Vec<Uuid> = named.iter().map(|pair| pair.1).collect();
        let rows = sqlx::query_file!("src/sql/original_requests.sql", &ids, &former_id_hashes)
            .fetch_all(&self.pool)
            .await?;
        let mut original_requests: Vec<Option<OriginalRequest>> = vec![None; named.len()];
        for row in rows.into_iter().filter(|row| row.company == company) {
            let place =
                usize::try_from(row.ordinal - 1).ok().and_then(|ordinal| original_requests.get_mut(ordinal));
            let Some(place) = place else { continue };
            *place = Some(OriginalRequest {
                id: row.original_request,
                customer: Customer {
                    custom_id: row.customer_custom_id,
                    name: row.customer_name,
                    email: row.customer_email,
                    phone: row.customer_phone,
                },
                channel: row.channel,
                brand: row.brand,
                language: row.language,
                country: row.country,
                medium: row.medium.and_then(Medium::from_code),
                was_sent: row.was_sent,
                recoveries: row.recoveries,
                open_recoveries: row.open_recoveries,
            });
        }
        Ok(original_requests)
    }
}
