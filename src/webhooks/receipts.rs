//! The endpoint of providers' webhooks: `/webhooks/{provider}/{account}/{kind}`.
//!
//! A receipt that is written, repeated, unknown or not ours is answered 200, so that no provider repeats a call that
//! would change nothing. A bad signature is answered 403, or 406 for Mailgun, which ends its repeats. A body that is
//! too large: 413, too slow: 408; no database: 503. `verify` judges the call, `batch` writes its receipt.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::post,
};

use crate::{
    company_cache::CompanyCache,
    http_server::read_body,
    telemetry::names,
    webhooks::{
        batch::ReceiptWriter,
        verify::{VerifiedCall, WebhookCall, authenticate, verify_token},
    },
};
use postrider_domain::{hash_keys::SecretKeys, ids::Medium, lifecycle::StatusPollPlan};
use postrider_ledger::Ledger;
use postrider_providers::{TokenKey, WebhookRefusal};

const BODY_BYTES_MAX: usize = 256 * 1024;

/// State behind the endpoint.
pub struct WebhookState {
    pub ledger: Ledger,
    pub company_cache: CompanyCache,
    pub keys: Arc<SecretKeys>,
    pub token_key: TokenKey,
    pub receipt_writer: ReceiptWriter,
    /// Part of the signed URL; without a trailing slash.
    pub public_base_url: String,
    pub body_timeout: Duration,
    /// Look-up times for missing receipts.
    pub receipt_poll_plan: StatusPollPlan,
}

/// The route of receipts and inbound texts.
pub fn router(state: WebhookState) -> Router {
    Router::new().route("/webhooks/{provider}/{account}/{kind}", post(webhook)).with_state(Arc::new(state))
}

async fn webhook(
    State(state): State<Arc<WebhookState>>,
    Path((provider, account, kind)): Path<(String, String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let body = match read_body(body, BODY_BYTES_MAX, state.body_timeout).await {
        Ok(body) => body,
        Err(status) => {
            count_refused(&provider, "body");
            return status.into_response();
        }
    };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
    let public_url = format!("{}{path_and_query}", state.public_base_url);
    let call = WebhookCall {
        provider: &provider,
        kind: &kind,
        public_url: &public_url,
        query: uri.query().unwrap_or(""),
        content_type: text("content-type"),
        signature: text("x-twilio-signature"),
        body: &body,
    };
    let snapshot = state.company_cache.snapshot();
    let known = snapshot.account(&account);
    let settings = known.and_then(|(_, company)| company.policy.account(&account));
    let receipt = match authenticate(&call, settings) {
        Ok(receipt) => receipt,
        Err(refusal) => return refusal_answer(&provider, refusal),
    };
    let Some((account, company)) = known else {
        return refusal_answer(&provider, WebhookRefusal::BadSignature);
    };
    let medium = if provider == "twilio" { Medium::Sms } else { Medium::Email };
    let watch_secs = state.receipt_poll_plan.for_medium(medium).first().as_secs_f64();
    let written = match verify_token(receipt, *account, company, &state.keys, &state.token_key, watch_secs) {
        VerifiedCall::Receipt(receipt) => state.receipt_writer.write(receipt).await.is_some(),
        VerifiedCall::OptOut(change) => match state.ledger.apply_opt_out(&change).await {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(%error, "writing an inbound text failed; the provider is answered 503 and repeats it");
                false
            }
        },
        VerifiedCall::Irrelevant => true,
        VerifiedCall::NotOurs => {
            count_refused(&provider, "not_ours");
            true
        }
    };
    match (written, provider.as_str(), kind.as_str()) {
        (false, ..) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        (true, "twilio", "inbound") => ([(header::CONTENT_TYPE, "text/xml")], "<Response/>").into_response(),
        (true, ..) => StatusCode::OK.into_response(),
    }
}

fn refusal_answer(provider: &str, refusal: WebhookRefusal) -> Response {
    let cause = match refusal {
        WebhookRefusal::BadSignature => "bad_signature",
        WebhookRefusal::OutOfTime => "out_of_time",
        WebhookRefusal::Unreadable => "unreadable",
    };
    count_refused(provider, cause);
    let status = match (provider, refusal) {
        ("mailgun", _) => StatusCode::NOT_ACCEPTABLE,
        (_, WebhookRefusal::BadSignature | WebhookRefusal::OutOfTime) => StatusCode::FORBIDDEN,
        (_, WebhookRefusal::Unreadable) => StatusCode::BAD_REQUEST,
    };
    status.into_response()
}

/// Counts a refused call. The provider comes from the path, so only known names become labels.
fn count_refused(provider: &str, cause: &'static str) {
    let provider = match provider {
        "twilio" => "twilio",
        "mailgun" => "mailgun",
        _ => "other",
    };
    metrics::counter!(names::RECEIPTS_REFUSED, "provider" => provider, "cause" => cause).increment(1);
}
