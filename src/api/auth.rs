//! Authentication: no call passes without an API key, and none beyond the rate limit of its key.
//!
//! `require_key` stands before every route under `/v1` and leaves a `Caller` in the request; handlers take it and
//! name the scope that they need. The company follows from the key alone, never from a path or a body.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request, State},
    http::request::Parts,
    middleware::Next,
    response::{IntoResponse, Response},
};
use uuid::Uuid;

use crate::api::{ApiState, Problem, Scope, key_cache::ApiKey};
use postrider_domain::ids::CompanyId;

const HEADER: &str = "x-api-key";

/// The authenticated caller: an API key and its company.
#[derive(Debug, Clone)]
pub struct Caller {
    pub company: CompanyId,
    /// The company's slug.
    pub slug: Arc<str>,
    /// Id of the key.
    pub key: Uuid,
    /// Name of the key, for audit entries.
    pub name: Arc<str>,
    /// False for a test key: none of its requests reaches a customer.
    pub live: bool,
    pub scopes: Vec<Scope>,
}

impl From<&ApiKey> for Caller {
    fn from(key: &ApiKey) -> Caller {
        Caller {
            company: key.company,
            slug: Arc::clone(&key.slug),
            key: key.id,
            name: Arc::clone(&key.name),
            live: key.live,
            scopes: key.scopes.clone(),
        }
    }
}

impl Caller {
    /// Requires a scope.
    ///
    /// # Errors
    /// 403 if the key does not have it.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        match self.scopes.contains(&scope) {
            true => Ok(()),
            false => Err(Problem::forbidden(format!(
                "this key lacks the scope {}; use a key that has it",
                scope.as_str()
            ))),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Problem> {
        // Missing only on a route outside of `require_key`.
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.ok_or_else(|| Problem::unauthorized("this call needs an API key in the header x-api-key"))
    }
}

/// Passes calls with a known key and a call left in its rate limit; writes the remaining limit into every response.
pub(super) async fn require_key(
    State(api): State<Arc<ApiState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let text = request.headers().get(HEADER).map(|value| value.to_str().unwrap_or(""));
    let key = match api.key_cache.authenticate(text).await {
        Ok(key) => key,
        Err(problem) => return problem.into_response(),
    };
    let (mut response, remaining) = match key.bucket.try_take() {
        Ok(remaining) => {
            request.extensions_mut().insert(Caller::from(&*key));
            (next.run(request).await, remaining)
        }
        Err(remaining) => (Problem::too_many(remaining.retry_after_secs).into_response(), remaining),
    };
    key.bucket.write_headers(remaining, response.headers_mut());
    response
}
