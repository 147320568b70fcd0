//! The door of the API: no call passes without a key, and none beyond the key's share.
//!
//! `require_key` stands before every route under `/v1`; handlers take the `Caller` that it leaves behind and say
//! which scope they need. The key alone says whose company it is: no path and no body can.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request, State},
    http::request::Parts,
    middleware::Next,
    response::{IntoResponse, Response},
};
use uuid::Uuid;

use crate::api::{Api, Problem, Scope, key_cache::ApiKey};
use postrider_domain::ids::CompanyId;

const HEADER: &str = "x-api-key";

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    pub company: CompanyId,
    /// The company's slug.
    pub slug: Arc<str>,
    /// The key, and its name for records of who did something.
    pub key: Uuid,
    pub name: Arc<str>,
    /// Without it the key is for tests: nothing that it makes reaches a customer.
    pub live: bool,
    pub scopes: Vec<Scope>,
}

impl Caller {
    fn of(key: &ApiKey) -> Caller {
        Caller {
            company: key.company,
            slug: Arc::clone(&key.slug),
            key: key.id,
            name: Arc::clone(&key.name),
            live: key.live,
            scopes: key.scopes.clone(),
        }
    }

    /// 403 unless the key has the scope.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        match self.scopes.contains(&scope) {
            true => Ok(()),
            false => Err(Problem::forbidden(format!(
                "this key may not {}; use one that has the scope {}",
                scope.as_str(),
                scope.as_str()
            ))),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Problem> {
        // Only a route outside the door has none.
        parts.extensions.get::<Caller>().cloned().ok_or_else(|| Problem::unauthorized("a key is needed here"))
    }
}

/// Lets in who has a key and a share left; tells what is left with every answer.
pub(super) async fn require_key(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let text = request.headers().get(HEADER).map(|value| value.to_str().unwrap_or(""));
    let key = match api.key_cache.authenticate(text).await {
        Ok(key) => key,
        Err(problem) => return problem.into_response(),
    };
    let (mut response, rest) = match key.bucket.take() {
        Ok(rest) => {
            request.extensions_mut().insert(Caller::of(&key));
            (next.run(request).await, rest)
        }
        Err(rest) => (Problem::too_many(rest.retry_after_secs).into_response(), rest),
    };
    key.bucket.write_headers(rest, response.headers_mut());
    response
}
