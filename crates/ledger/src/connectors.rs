//! Ids of connectors: unique over all companies, because a webhook's path contains the id.
//!
//! Written in the transaction that applies a company; a connector's settings are in the policy.

use super::LedgerError;
use postrider_domain::{company::Policy, ids::CompanyId};

/// Inserts the ids of a company's connectors and deletes those that it has no more.
pub(super) async fn claim(
    transaction: &mut sqlx::PgConnection,
    company: CompanyId,
    policy: &Policy,
) -> Result<(), LedgerError> {
    let names: Vec<String> = policy.connectors.iter().map(|connector| connector.id.clone()).collect();
    sqlx::query!("delete from connector where company = $1 and not (name = any($2))", company.0, &names)
        .execute(&mut *transaction)
        .await?;
    sqlx::query!(
        "insert into connector (name, company) select n, $1 from unnest($2::text[]) n on conflict (name) do nothing",
        company.0,
        &names
    )
    .execute(&mut *transaction)
    .await?;
    let foreign = sqlx::query_scalar!(
        "select name from connector where name = any($2) and company <> $1 limit 1",
        company.0,
        &names
    )
    .fetch_optional(&mut *transaction)
    .await?;
    match foreign {
        Some(name) => Err(LedgerError::Taken(format!("connector id {name} (another company has it)"))),
        None => Ok(()),
    }
}
