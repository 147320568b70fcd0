//! Settings over the API: the company, its team members, blocked addresses, refused jobs, audits.
//!
//! `company` is the company's file in JSON, whole or in parts; `members`, `blocks` (with `blocks_csv`) and
//! `rejected` are rows of it; `audits` tells who changed what. `access` says who may look and who may change,
//! `page` how a list goes on. Every change is one transaction with its audit, written by the ledger.

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

use crate::api::Api;

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .merge(company::routes())
        .merge(members::routes())
        .merge(blocks::routes())
        .merge(blocks_csv::routes())
        .merge(rejected::routes())
        .merge(audits::routes())
}
