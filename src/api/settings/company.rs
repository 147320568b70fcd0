//! `/v1/company`: the company's document in JSON, whole (GET, PUT) or in parts (PATCH).
//!
//! Validated by the rules of `postrider company apply` and applied the same way. Team members are part of the document
//! only if they are asked for or sent; a document without them leaves them unchanged. Settings that reach beyond one
//! company stay with the operator (`company::operator`). An answer never contains a secret: only the names of the
//! environment variables, and whether this worker has them.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::api::settings::{
    access,
    if_match::{etag, expected, overtaken},
};
use crate::api::{
    ApiState, Caller, Problem,
    extract::{self, Query},
};
use postrider_domain::{
    company::{
        CompanyFile, Policy,
        change::removals,
        file::{self, FILE_BYTES_MAX},
        json::{document, document_sets_members, patch_sets_members, read_patched},
        operator,
    },
    document::node::Node,
};
use postrider_ledger::{
    audit::Actor,
    companies::{Change, Changed, Expected, QueuedUse, Version},
};

const PATCH_KINDS: [&str; 2] = ["application/merge-patch+json", "application/json"];
/// Attempts of a change with `If-Match: *` that concurrent changes overtake, with a random pause between them.
const TRIES_MAX: usize = 50;
const RETRY_DELAY_MAX: Duration = Duration::from_millis(50);

pub fn routes() -> OpenApiRouter<Arc<ApiState>> {
    OpenApiRouter::new().routes(routes!(show, replace, patch)).routes(routes!(secrets))
}

/// The options of reading the company.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ShowQuery {
    /// Include all team members, up to 50,000.
    #[serde(default)]
    members: bool,
}

/// The options of changing the company.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChangeQuery {
    /// Remove accounts and brands even if queued messages need them.
    #[serde(default)]
    force: bool,
}

/// The company, with the keys of its file (`deploy/example-company.toml` shows all of them).
#[derive(Debug, ToSchema)]
#[schema(as = Company)]
#[expect(dead_code, reason = "the description of what company::document writes and file::read reads")]
pub struct CompanyDocument {
    slug: String,
    name: String,
    default_brand: Option<String>,
    suppression_days: Option<u32>,
    /// `company` or `brand`.
    suppression_scope: Option<String>,
    /// `email`, `sms` or both, the preferred one first.
    medium_preference: Option<Vec<String>>,
    delay_secs: Option<u32>,
    expires_after_secs: Option<u32>,
    require_approved: Option<bool>,
    admin_may_request_on_behalf: Option<bool>,
    resend_if_absent: Option<bool>,
    test_email: Option<String>,
    test_phone: Option<String>,
    #[schema(value_type = Option<Object>)]
    alerts: Option<serde_json::Value>,
    #[schema(value_type = Vec<Object>)]
    brands: Vec<serde_json::Value>,
    #[schema(value_type = Option<Vec<Object>>)]
    channels: Option<Vec<serde_json::Value>>,
    /// An API key may tune or remove an account; only the operator creates one or changes its provider.
    #[schema(value_type = Option<Vec<Object>>)]
    accounts: Option<Vec<serde_json::Value>>,
    /// Set by the operator only.
    #[schema(value_type = Option<Vec<Object>>)]
    bindings: Option<Vec<serde_json::Value>>,
    /// Connectors to other systems; the permissions are those of `accounts`.
    #[schema(value_type = Option<Vec<Object>>)]
    recipes: Option<Vec<serde_json::Value>>,
    /// Absent: unchanged.
    #[schema(value_type = Option<Vec<Object>>)]
    members: Option<Vec<serde_json::Value>>,
}

/// The environment variables of the workers that hold the company's secrets.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretList {
    items: Vec<SecretView>,
}

/// One environment variable.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Secret)]
pub struct SecretView {
    /// As in `accounts[mail].api_key_env`.
    field: String,
    variable: String,
    /// Whether the answering worker has the variable.
    set: bool,
}

/// The company's settings in force.
#[utoipa::path(get, path = "/v1/company", tag = "settings", params(ShowQuery), responses(
    (status = 200, description = "The company; the header etag is its version", body = CompanyDocument,
        headers(("etag" = String, description = "Version of the document; send it as if-match with a change")))))]
async fn show(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    Query(query): Query<ShowQuery>,
) -> Result<Response, Problem> {
    access::require_read(&caller)?;
    respond(&api, &caller, query.members).await
}

/// Replaces the company's settings; an absent setting gets its default, absent members stay.
#[utoipa::path(put, path = "/v1/company", tag = "settings", request_body = CompanyDocument,
    params(ChangeQuery, ("if-match" = Option<String>, Header, description = "The etag of the document that was changed, or *")),
    responses(
        (status = 200, description = "The company as it is now in force", body = CompanyDocument,
            headers(("etag" = String, description = "Version of the document; send it as if-match with a change"))),
        (status = 409, description = "The change removes an account or a brand that queued messages need; see force"),
        (status = 412, description = "The company was changed meanwhile; nothing was written"),
        (status = 428, description = "The header if-match is missing")))]
async fn replace(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    Query(query): Query<ChangeQuery>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let actor = access::require_change(&caller)?;
    let wanted = expected(&headers)?;
    let node: Node = extract::parse(&extract::read(request, &api, FILE_BYTES_MAX).await?)?;
    let file = file::read(&node).map_err(Problem::unprocessable)?;
    let with_members = document_sets_members(&node);
    let editor = Editor { api: &api, caller: &caller, actor: &actor, force: query.force };
    let mut tries = 0;
    loop {
        let (version, policy) = in_force(&api, &caller).await?;
        check_start(wanted, version, with_members)?;
        // The version that was validated must still be in force, so that no concurrent change is reverted.
        let checked = match wanted {
            Expected::Both(_) if with_members => wanted,
            _ => Expected::Policy(version.policy),
        };
        match editor.put(&policy, &file, with_members, checked).await? {
            Changed::InForce(_) => return respond(&api, &caller, with_members).await,
            Changed::Overtaken(_) if wanted == Expected::Any => wait_before_retry(&mut tries).await?,
            Changed::Overtaken(found) => return Err(overtaken(found)),
        }
    }
}

/// Changes parts of the company by JSON merge patch (RFC 7396): null removes a setting, lists are replaced whole.
#[utoipa::path(patch, path = "/v1/company", tag = "settings",
    request_body(content((Object = "application/merge-patch+json"), (Object = "application/json")),
        description = "The changed settings, by the keys of the company"),
    params(ChangeQuery, ("if-match" = Option<String>, Header, description = "The etag of the document that was changed, or *")),
    responses(
        (status = 200, description = "The company as it is now in force", body = CompanyDocument,
            headers(("etag" = String, description = "Version of the document; send it as if-match with a change"))),
        (status = 409, description = "The change removes an account or a brand that queued messages need; see force"),
        (status = 412, description = "The company was changed meanwhile; nothing was written"),
        (status = 428, description = "The header if-match is missing")))]
async fn patch(
    caller: Caller,
    State(api): State<Arc<ApiState>>,
    Query(query): Query<ChangeQuery>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let actor = access::require_change(&caller)?;
    let wanted = expected(&headers)?;
    let patch: Node =
        extract::parse(&extract::read_content(&PATCH_KINDS, request, &api, FILE_BYTES_MAX).await?)?;
    let with_members = patch_sets_members(&patch);
    let editor = Editor { api: &api, caller: &caller, actor: &actor, force: query.force };
    let mut tries = 0;
    loop {
        let (version, policy) = in_force(&api, &caller).await?;
        check_start(wanted, version, with_members)?;
        let members = match with_members {
            true => Some(api.reads.members(caller.company).await?),
            false => None,
        };
        let file = read_patched(&policy, members.as_deref(), &patch).map_err(Problem::unprocessable)?;
        // The version that the patch was merged into must still be in force when it is written.
        let merged_into = match with_members {
            true => Expected::Both(version),
            false => Expected::Policy(version.policy),
        };
        match editor.put(&policy, &file, with_members, merged_into).await? {
            Changed::InForce(_) => return respond(&api, &caller, with_members).await,
            Changed::Overtaken(_) if wanted == Expected::Any => wait_before_retry(&mut tries).await?,
            Changed::Overtaken(found) => return Err(overtaken(found)),
        }
    }
}

/// The environment variables that hold the company's secrets, and whether they are set; never their values.
#[utoipa::path(get, path = "/v1/company/secrets", tag = "settings",
    responses((status = 200, description = "The variables", body = SecretList)))]
async fn secrets(caller: Caller, State(api): State<Arc<ApiState>>) -> Result<Json<SecretList>, Problem> {
    access::require_read(&caller)?;
    let (_, policy) = in_force(&api, &caller).await?;
    let set = |variable: &str| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    let items = operator::secrets(&policy).into_iter().map(|secret| SecretView {
        set: set(&secret.variable),
        field: secret.field,
        variable: secret.variable,
    });
    Ok(Json(SecretList { items: items.collect() }))
}

/// Waits before another attempt.
///
/// # Errors
/// 503 after `TRIES_MAX` attempts.
async fn wait_before_retry(tries: &mut usize) -> Result<(), Problem> {
    *tries += 1;
    if *tries >= TRIES_MAX {
        return Err(Problem::unavailable(1));
    }
    tokio::time::sleep(RETRY_DELAY_MAX.mul_f64(postrider_clock::jitter())).await;
    Ok(())
}

/// A change of the company with its caller and options.
struct Editor<'a> {
    api: &'a ApiState,
    caller: &'a Caller,
    actor: &'a Actor,
    force: bool,
}

impl Editor<'_> {
    /// Makes the checks of `postrider company apply`, refuses changes that only the operator may make, and writes.
    async fn put(
        &self,
        old: &Policy,
        new: &CompanyFile,
        with_members: bool,
        expected: Expected,
    ) -> Result<Changed, Problem> {
        let reserved = operator::reserved(old, &new.policy);
        if !reserved.is_empty() {
            return Err(Problem::unprocessable(reserved));
        }
        if !self.force {
            let queued = self.api.reads.queued_use(self.caller.company).await?;
            check_needs(old, &new.policy, &queued)?;
        }
        let members = with_members.then_some(new.members.as_slice());
        let change = Change { policy: &new.policy, members, expected, actor: self.actor };
        let changed = self.api.reads.change_company(&change, &self.api.keys.identity).await?;
        if let Err(error) = self.api.company_cache.refresh().await {
            tracing::warn!(%error, "company cache refresh failed; this worker applies the change with the next refresh");
        }
        Ok(changed)
    }
}

async fn in_force(api: &ApiState, caller: &Caller) -> Result<(Version, Policy), Problem> {
    api.reads.settings(caller.company).await?.ok_or_else(Problem::not_found)
}

async fn respond(api: &ApiState, caller: &Caller, with_members: bool) -> Result<Response, Problem> {
    let (version, policy) = in_force(api, caller).await?;
    // Read after the version: a change of members in between makes the etag too old, never too new.
    let members = match with_members {
        true => Some(api.reads.members(caller.company).await?),
        false => None,
    };
    let tag = etag(version, with_members);
    Ok(([(header::ETAG, tag)], Json(document(&policy, members.as_deref()))).into_response())
}

/// Compares the etag of the editor with the version in force; replacing members needs an etag that includes them.
///
/// # Errors
/// 412 if they differ.
fn check_start(wanted: Expected, found: Version, with_members: bool) -> Result<(), Problem> {
    let holds = match wanted {
        Expected::Any => true,
        Expected::Policy(version) => version == found.policy && !with_members,
        Expected::Both(version) => version.policy == found.policy && (!with_members || version == found),
    };
    match (holds, wanted) {
        (true, _) => Ok(()),
        (false, Expected::Policy(version)) if version == found.policy => {
            let mut problem = overtaken(found);
            problem.detail =
                "to replace team members, send the etag of GET /v1/company?members=true".to_owned();
            Err(problem)
        }
        (false, _) => Err(overtaken(found)),
    }
}

/// Refuses to remove accounts and brands that queued messages need.
///
/// # Errors
/// 409 with their names.
fn check_needs(old: &Policy, new: &Policy, queued: &QueuedUse) -> Result<(), Problem> {
    let needs = queued.needs(&removals(Some(old), new));
    match needs.is_empty() {
        true => Ok(()),
        false => Err(Problem::conflict(format!(
            "queued messages need what this change removes ({}); nothing was changed; wait for them, or send force=true",
            needs.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema;

    use super::*;

    #[test]
    fn the_description_names_every_key_of_the_companys_file() {
        let schema = serde_json::to_value(CompanyDocument::schema()).expect("a schema is plain data");
        let described = schema["properties"].as_object().expect("an object");
        let mut described: Vec<&str> = described.keys().map(String::as_str).collect();
        described.sort_unstable();
        let mut known = file::COMPANY_FIELDS.to_vec();
        known.sort_unstable();
        assert_eq!(described, known);
    }
}
