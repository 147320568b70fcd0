//! The public door and what each case is answered.
//!
//! Written, repeated, unknown or not ours: 200, so that nobody repeats what would change nothing. A bad
//! signature: 403, for Mailgun 406, which ends its repeats. Too large 413, too slow 408, no database 503.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use crate::{company_cache::CompanyCache, telemetry::names};
use postrider_domain::{hash_keys::SecretKeys, ids::Medium, lifecycle::StatusPollPlan};
use postrider_ledger::Ledger;
use postrider_providers::{TokenKey, WebhookRefusal};

use crate::webhooks::{
    batch::Receipts,
    serve::read_body,
    unsubscribe,
    verify::{Call, Verified, authentic, verified},
};

const BODY_BYTES_MAX: usize = 256 * 1024;

/// What the public door needs.
pub struct WebhookState {
    pub ledger: Ledger,
    pub directory: CompanyCache,
    pub keys: Arc<SecretKeys>,
    pub token_key: TokenKey,
    pub receipts: Receipts,
    pub public_base_url: String,
    pub body_within: Duration,
    /// When missing receipts are asked for.
    pub receipt_poll_plan: StatusPollPlan,
}

/// The public routes.
pub fn router(door: Arc<WebhookState>) -> Router {
    Router::new()
        .route("/webhooks/{provider}/{account}/{kind}", post(webhook))
        .route("/unsubscribe/{message}/{tag}", get(unsubscribe::ask).post(unsubscribe::unsubscribe))
        .with_state(door)
}

async fn webhook(
    State(door): State<Arc<WebhookState>>,
    Path((provider, account, kind)): Path<(String, String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let body = match read_body(body, BODY_BYTES_MAX, door.body_within).await {
        Ok(body) => body,
        Err(status) => {
            refused(&provider, "body");
            return status.into_response();
        }
    };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
    let public_url = format!("{}{path_and_query}", door.public_base_url);
    let call = Call {
        provider: &provider,
        kind: &kind,
        public_url: &public_url,
        query: uri.query().unwrap_or(""),
        content_type: text("content-type"),
        signature: text("x-twilio-signature"),
        body: &body,
    };
    let snapshot = door.directory.snapshot();
    let known = snapshot.account(&account);
    let settings = known.and_then(|(_, company)| company.policy.account(&account));
    let receipt = match authentic(&call, settings) {
        Ok(receipt) => receipt,
        Err(refusal) => return refusal_answer(&provider, refusal),
    };
    let Some((account, company)) = known else {
        return refusal_answer(&provider, WebhookRefusal::BadSignature);
    };
    let medium = if provider == "twilio" { Medium::Sms } else { Medium::Email };
    let watch_secs = door.receipt_poll_plan.for_medium(medium).first().as_secs_f64();
    let written = match verified(receipt, *account, company, &door.keys, &door.token_key, watch_secs) {
        Verified::Receipt(receipt) => door.receipts.take(receipt).await.is_some(),
        Verified::Wish(wish) => match door.ledger.apply_opt_out(&wish).await {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(%error, "an inbound text could not be written; the provider will repeat it");
                false
            }
        },
        Verified::Nothing => true,
        Verified::NotOurs => {
            refused(&provider, "not_ours");
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
    refused(provider, cause);
    let status = match (provider, refusal) {
        ("mailgun", _) => StatusCode::NOT_ACCEPTABLE,
        (_, WebhookRefusal::BadSignature | WebhookRefusal::OutOfTime) => StatusCode::FORBIDDEN,
        (_, WebhookRefusal::Unreadable) => StatusCode::BAD_REQUEST,
    };
    status.into_response()
}

/// Only known words become labels: the path is the caller's.
fn refused(provider: &str, cause: &'static str) {
    let provider = match provider {
        "twilio" => "twilio",
        "mailgun" => "mailgun",
        _ => "other",
    };
    metrics::counter!(names::RECEIPTS_REFUSED, "provider" => provider, "cause" => cause).increment(1);
}
