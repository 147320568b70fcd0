//! Opens the ledger for a command, and finds the company or the request that its arguments name.
//!
//! Every command finds them here, so that a wrong slug or id has one message with one remedy.

use anyhow::Context;
use uuid::Uuid;

use crate::{config::Config, worker};
use postrider_domain::{company::Company, ids::CompanyId};
use postrider_ledger::{Ledger, requests::RequestDetail};

/// The ledger, with a schema of this version.
pub(super) async fn ledger(config: &Config) -> anyhow::Result<Ledger> {
    let ledger = worker::admin_ledger(config)?;
    ledger.check_schema().await?;
    Ok(ledger)
}

/// The id of the company with this slug.
pub(super) async fn company_id(ledger: &Ledger, slug: &str) -> anyhow::Result<CompanyId> {
    ledger.company_id(slug).await?.with_context(|| unknown_company(slug))
}

/// The id of the company of an optional `--company`.
pub(super) async fn optional_company_id(
    ledger: &Ledger,
    slug: Option<&str>,
) -> anyhow::Result<Option<CompanyId>> {
    match slug {
        Some(slug) => company_id(ledger, slug).await.map(Some),
        None => Ok(None),
    }
}

/// The company with this slug, with its policy in force.
pub(super) async fn company(ledger: &Ledger, slug: &str) -> anyhow::Result<Company> {
    let company = ledger.companies().await?.into_iter().find(|company| company.policy.slug == slug);
    company.with_context(|| unknown_company(slug))
}

/// The request with this id, with everything that is stored about it.
pub(super) async fn request(ledger: &Ledger, id: Uuid) -> anyhow::Result<RequestDetail> {
    ledger.request(id).await?.with_context(|| unknown_request(id))
}

/// The message for an id without a request.
pub(super) fn unknown_request(id: Uuid) -> String {
    format!("no request has the id {id}; `postrider requests list` shows the latest")
}

fn unknown_company(slug: &str) -> String {
    format!(
        "no company has the slug {slug:?}; `postrider company list` shows all, `postrider company apply` creates one"
    )
}
