//! Look-ups at Kustomer's API: the customer, the user and the tags that a notification names by id.
//!
//! Read only, bounded in time and size; answers never reach a log. An object that Kustomer no longer has is final;
//! every other failure is retried later. `wire` parses the answers.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use postrider_providers::{HttpClientError, query_client, read_response_body};

use crate::connectors::kustomer::wire::{self, ClosedConversation, LookedUp};

const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The HTTP client of look-ups; a clone is a handle.
#[derive(Clone)]
pub struct KustomerClient(reqwest::Client);

/// A look-up without a useful answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookUpError {
    /// Kustomer no longer has the object.
    #[error("Kustomer has no such {0}")]
    Gone(&'static str),
    /// No answer, or one that tells nothing about the object: another try may help.
    #[error("looking up the {0} at Kustomer failed: {1}")]
    Failed(&'static str, String),
}

impl KustomerClient {
    /// `timeout` bounds one question and its answer.
    ///
    /// # Errors
    /// The system's certificates cannot be loaded.
    pub fn new(timeout: Duration) -> Result<KustomerClient, HttpClientError> {
        query_client(timeout).map(KustomerClient)
    }

    /// Looks up all objects that a conversation names.
    ///
    /// # Errors
    /// One of them is gone or could not be looked up.
    pub async fn look_up(
        &self,
        base_url: &str,
        api_key: &SecretString,
        conversation: &ClosedConversation,
    ) -> Result<LookedUp, LookUpError> {
        let ask = |what, path| self.ask(what, format!("{base_url}/v1/{path}"), api_key);
        let tags = async {
            if conversation.tags.is_empty() {
                return Ok(Vec::new());
            }
            let path = format!("tags/{},{}", conversation.tags.join(","), wire::NO_TAG);
            ask("tags", path).await.map(|answer| wire::tags(&answer))
        };
        let (customer, user, tags) = futures_util::future::try_join3(
            ask("customer", format!("customers/{}", conversation.customer)),
            ask("user", format!("users/{}", conversation.user)),
            tags,
        )
        .await?;
        let (customer_name, customer_email) = wire::customer(&customer);
        Ok(LookedUp { customer_name, customer_email, user_email: wire::user(&user), tags })
    }

    async fn ask(
        &self,
        what: &'static str,
        url: String,
        api_key: &SecretString,
    ) -> Result<Value, LookUpError> {
        // Without its URL, which names the customer.
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
