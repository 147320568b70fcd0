//! Gather: everything that the rules must know about a batch of jobs, in one query.
//!
//! Returns only what stands out. Twins (same idempotency key) and the roots of service recoveries are
//! rare and asked for in statements of their own.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Ledger, LedgerError};
use postrider_domain::{ids::Medium, job::Customer, lifecycle::State, rules::OriginalRequest};

/// What to look up for one job.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    pub idem: Uuid,
    pub former: Option<Uuid>,
    pub email_addr: Option<Uuid>,
    pub phone_addr: Option<Uuid>,
    /// Reservations of the person, three at most.
    pub slots: Vec<Uuid>,
    pub member_email: Option<Uuid>,
    pub member_custom_id: Option<Uuid>,
}

/// What stands out about one job.
#[derive(Debug, Clone, Default)]
pub struct LookupHits {
    pub ordinal: usize,
    /// The request that already has the job's idempotency key.
    pub seen: Option<Uuid>,
    pub former_taken: bool,
    pub block_bits: [i32; 2],
    pub holders: Vec<(Uuid, DateTime<Utc>)>,
    pub member_by_email: Option<Uuid>,
    pub member_by_custom_id: Option<Uuid>,
    pub approved: bool,
}

/// The batch's facts: the database's time and what stands out.
#[derive(Debug)]
pub struct Gathered {
    pub now: DateTime<Utc>,
    /// Some response waits for a request to come: `awaited` tells whether for one of these.
    pub awaits: bool,
    pub standing_out: Vec<LookupHits>,
}

/// An earlier request with the same idempotency key.
#[derive(Debug, Clone)]
pub struct Twin {
    pub id: Uuid,
    pub idem: Uuid,
    pub content_hash: Uuid,
    pub idem_made: bool,
    /// Its hash-made key has had its 24 h.
    pub lapsed: bool,
    pub state: State,
    pub reason: Option<String>,
    /// As stored.
    pub decision: String,
}

impl Ledger {
    pub async fn gather(&self, lookups: &[Lookup]) -> Result<Gathered, LedgerError> {
        let column = |pick: fn(&Lookup) -> Option<Uuid>| lookups.iter().map(pick).collect::<Vec<_>>();
        let idem: Vec<Uuid> = lookups.iter().map(|lookup| lookup.idem).collect();
        let rows = sqlx::query_file!(
            "src/sql/gather.sql",
            &idem,
            &column(|lookup| lookup.former) as &[Option<Uuid>],
            &column(|lookup| lookup.email_addr) as &[Option<Uuid>],
            &column(|lookup| lookup.phone_addr) as &[Option<Uuid>],
            &column(|lookup| lookup.slots.first().copied()) as &[Option<Uuid>],
            &column(|lookup| lookup.slots.get(1).copied()) as &[Option<Uuid>],
            &column(|lookup| lookup.slots.get(2).copied()) as &[Option<Uuid>],
            &column(|lookup| lookup.member_email) as &[Option<Uuid>],
            &column(|lookup| lookup.member_custom_id) as &[Option<Uuid>],
        )
        .fetch_all(&self.pool)
        .await?;
        let (now, awaits) = rows
            .first()
            .map(|row| (row.now, row.has_awaited))
            .ok_or_else(|| LedgerError::Broken("gather gave no time".into()))?;
        let standing_out = rows
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
        Ok(Gathered { now, awaits, standing_out })
    }

    /// The earlier requests of jobs whose key was seen.
    pub async fn twins(&self, ids: &[Uuid]) -> Result<Vec<Twin>, LedgerError> {
        let rows = sqlx::query_file!("src/sql/seen.sql", ids).fetch_all(&self.pool).await?;
        rows.into_iter()
            .map(|row| {
                Ok(Twin {
                    id: row.id,
                    idem: row.idempotency_hash,
                    content_hash: row.content_hash,
                    idem_made: row.key_is_derived,
                    lapsed: row.lapsed,
                    state: stored_state(row.state)?,
                    reason: row.reason,
                    decision: row.decision,
                })
            })
            .collect()
    }

    /// Frees hash-made keys that have had their 24 h.
    pub async fn retire_keys(&self, ids: &[Uuid]) -> Result<(), LedgerError> {
        let fresh: Vec<Uuid> = ids.iter().map(|_| postrider_clock::random_id()).collect();
        sqlx::query_file!("src/sql/retire_keys.sql", ids, &fresh).execute(&self.pool).await?;
        Ok(())
    }

    /// The roots of the requests that service recoveries name, by our id or the key of a former id, in
    /// the order asked; `None` where there is no such request in that company.
    pub async fn roots(
        &self,
        company: i32,
        named: &[(Uuid, Uuid)],
    ) -> Result<Vec<Option<OriginalRequest>>, LedgerError> {
        let ids: Vec<Uuid> = named.iter().map(|pair| pair.0).collect();
        let formers: Vec<Uuid> = named.iter().map(|pair| pair.1).collect();
        let rows = sqlx::query_file!("src/sql/roots.sql", &ids, &formers).fetch_all(&self.pool).await?;
        let mut roots: Vec<Option<OriginalRequest>> = vec![None; named.len()];
        for row in rows.into_iter().filter(|row| row.company == company) {
            let place = usize::try_from(row.ordinal - 1).ok().and_then(|ordinal| roots.get_mut(ordinal));
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
        Ok(roots)
    }
}

/// Reads a stored state; another number is a schema newer than this binary.
pub(super) fn stored_state(code: i16) -> Result<State, LedgerError> {
    State::from_code(code)
        .ok_or_else(|| LedgerError::Broken(format!("state {code} is not known to this version")))
}
