//! Settings over HTTP: the company, its team members, blocked addresses, rejected jobs and audit entries.
//!
//! `company` is the company's document, whole or in parts; `members`, `blocks` (with `blocks_csv`) and `rejected` are its
//! rows; `audits` lists the changes. `access` checks the permission to read and to change, `page` the paging of lists.
//! Every change is one transaction with its audit entry, written by the ledger.

mod access;
mod audits;
mod blocks;
mod blocks_csv;
mod company;
mod if_match;
mod members;
mod page;
mod rejected;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::api::ApiState;

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new()
        .merge(company::routes())
        .merge(members::routes())
        .merge(blocks::routes())
        .merge(blocks_csv::routes())
        .merge(rejected::routes())
        .merge(audits::routes())
}
