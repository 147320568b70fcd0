//! `GET /v1/audit`: who changed which setting, when, from what to what.
//!
//! Read-only: audits are written by the ledger with the change that they are about (`ledger::audit`).

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::api::settings::{
    access,
    page::{Page, PageLimit, QueryText, QueryTime},
};
use crate::api::{Api, Caller, Problem, extract::Query};
use postrider_ledger::audit::{Audit, AuditFilter};

pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which audits.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// As in `company.change`, `member.add`, `block.lift`, `rejected.replay`.
    #[param(value_type = Option<String>)]
    action: Option<QueryText>,
    /// As in `member 0190a0b0-…`.
    #[param(value_type = Option<String>)]
    object: Option<QueryText>,
    /// RFC 3339.
    #[param(value_type = Option<DateTime<Utc>>)]
    since: Option<QueryTime>,
    /// `next` of the page before.
    cursor: Option<Uuid>,
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200)]
    limit: PageLimit,
}

/// One change.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditView {
    id: Uuid,
    at: DateTime<Utc>,
    who: AuditActor,
    action: String,
    /// Absent where the company is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    /// What differs by path, each with `before` and `after`; one side is absent where there was nothing.
    #[schema(value_type = Object)]
    changes: serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Who changed it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditActor {
    /// `key`, `cli` or `system`.
    through: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Uuid>,
    /// Of the key, or of the command line's user.
    name: String,
}

impl From<Audit> for AuditView {
    fn from(audit: Audit) -> AuditView {
        AuditView {
            id: audit.id,
            at: audit.at,
            who: AuditActor { through: audit.actor, key: audit.actor_id, name: audit.actor_name },
            action: audit.action,
            object: audit.object,
            changes: audit.changes,
            reason: audit.reason,
        }
    }
}

/// Who changed which setting, the newest first.
#[utoipa::path(get, path = "/v1/audit", tag = "settings", params(AuditQuery),
    responses((status = 200, description = "A page of changes", body = Page<AuditView>)))]
async fn list(
    caller: Caller,
    State(api): State<Arc<Api>>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Page<AuditView>>, Problem> {
    access::require_read(&caller)?;
    let wish = AuditFilter {
        action: query.action.map(|word| word.0),
        object: query.object.map(|word| word.0),
        since: query.since.map(|moment| moment.0),
        before: query.cursor,
        max: query.limit.fetch_limit(),
    };
    let rows = api.reads.audits(caller.company, &wish).await?;
    Ok(Json(Page::of(rows, query.limit, |row| row.id.to_string(), AuditView::from)))
}
