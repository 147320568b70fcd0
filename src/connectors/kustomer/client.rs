//! Look-ups at Kustomer's API: the customer, the user and the tags that a notice names by id.
//!
//! Read only, bounded in time and size, and never with what it read in a log. What is gone there stays
//! gone; everything else is asked again later. Paths and answers are `wire`'s business.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use postrider_providers::{HttpClientError, query_client, read_response_body};

use crate::connectors::kustomer::wire::{self, Closed, Found};

const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// What questions are asked with; a clone is a handle.
#[derive(Clone)]
pub struct KustomerClient(reqwest::Client);

/// A question without a useful answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookUpError {
    /// There is no such thing at Kustomer any more.
    #[error("Kustomer knows no such {0}")]
    Gone(&'static str),
    /// Worth another try: no answer, or one that says nothing about the thing.
    #[error("Kustomer did not tell about the {0}: {1}")]
    Failed(&'static str, String),
}

impl KustomerClient {
    /// `within` bounds a whole question.
    ///
    /// # Errors
    /// Where the system's certificates cannot be loaded.
    pub fn new(within: Duration) -> Result<KustomerClient, HttpClientError> {
        query_client(within).map(KustomerClient)
    }

    /// Looks up everything that a notice names.
    ///
    /// # Errors
    /// Where one of them is gone or could not be looked up.
    pub async fn look_up(
        &self,
        base_url: &str,
        api_key: &SecretString,
        closed: &Closed,
    ) -> Result<Found, LookUpError> {
        let ask = |what, path| self.ask(what, format!("{base_url}/v1/{path}"), api_key);
        let tags = async {
            if closed.tags.is_empty() {
                return Ok(Vec::new());
            }
            let path = format!("tags/{},{}", closed.tags.join(","), wire::NO_TAG);
            ask("tags", path).await.map(|answer| wire::tags(&answer))
        };
        let (customer, user, tags) = futures_util::future::try_join3(
            ask("customer", format!("customers/{}", closed.customer)),
            ask("user", format!("users/{}", closed.user)),
            tags,
        )
        .await?;
        let (customer_name, customer_email) = wire::customer(&customer);
        Ok(Found { customer_name, customer_email, user_email: wire::user(&user), tags })
    }

    async fn ask(
        &self,
        what: &'static str,
        url: String,
        api_key: &SecretString,
    ) -> Result<Value, LookUpError> {
        // The error would quote the URL.
        let failed = |error: reqwest::Error| LookUpError::Failed(what, error.without_url().to_string());
        let question = self.0.get(url).bearer_auth(api_key.expose_secret());
        let answer = question.send().await.map_err(failed)?;
        match answer.status().as_u16() {
            200 => {}
            404 | 410 => return Err(LookUpError::Gone(what)),
            status => return Err(LookUpError::Failed(what, format!("status {status}"))),
        }
        let body = read_response_body(answer, ANSWER_BYTES_MAX).await;
        let body = body.map_err(|why| LookUpError::Failed(what, why))?;
        serde_json::from_slice(&body)
            .map_err(|_| LookUpError::Failed(what, "the answer is not JSON".to_owned()))
    }
}
