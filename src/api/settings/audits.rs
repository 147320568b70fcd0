//! `GET /v1/audit`: the changes of settings, each with its actor, time and difference.
//!
//! Read-only: the ledger writes each audit entry in the transaction of its change (`ledger::audit`).

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::api::settings::{
    access,
    page::{ItemPage, PageLimit, QueryText, QueryTime},
};
use crate::api::{ApiState, Caller, Problem, extract::Query};
use postrider_ledger::audit::{Audit, AuditFilter};

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// The filter of audit entries.
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
    /// `next` of the previous page.
    cursor: Option<Uuid>,
    #[serde(default)]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200)]
    limit: PageLimit,
}

/// One change of a setting.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditView {
    id: Uuid,
    at: DateTime<Utc>,
    who: AuditActor,
    action: String,
    /// Absent for a change of the company itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    /// The differences by path, each with `before` and `after`; an absent side had no value.
    #[schema(value_type = Object)]
    changes: serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The actor of a change.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditActor {
    /// `key`, `cli` or `system`.
    through: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Uuid>,
    /// Name of the API key, or of the user at the command line.
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

/// Changes of settings, newest first.
#[utoipa::path(get, path = "/v1/audit", tag = "settings", params(AuditQuery),
    responses((status = 200, description = "A page of changes", body = ItemPage<AuditView>)))]
async fn list(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<ItemPage<AuditView>>, Problem> {
    access::require_read(&caller)?;
    let filter = AuditFilter {
        action: query.action.map(|text| text.0),
        object: query.object.map(|text| text.0),
        since: query.since.map(|time| time.0),
        before: query.cursor,
        max: query.limit.fetch_limit(),
    };
    let rows = api.reads.audits(caller.company, &filter).await?;
    Ok(Json(ItemPage::new(rows, query.limit, |row| row.id.to_string(), AuditView::from)))
}
