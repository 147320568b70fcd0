//! The actions and what they need: the services of this process, and the words of the person.
//!
//! `apply` runs an action; each action's steps are in its own file.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::company_cache::CompanyCache;
use postrider_domain::{hash_keys::SecretKeys, ids::MessageId};
use postrider_ledger::{Ledger, requests::ActionOrigin};

/// An action on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Pause,
    Resume,
    Cancel,
    Retry,
}

/// The services that an action uses.
#[derive(Clone, Copy)]
pub struct ActionContext<'a> {
    pub ledger: &'a Ledger,
    pub company_cache: &'a CompanyCache,
    pub keys: &'a SecretKeys,
}

/// The person that asks for an action; of a retry also what that person knows.
#[derive(Debug, Clone, Copy)]
pub struct ActionRequest<'a> {
    /// An API key's name, or `cli`.
    pub door: &'a str,
    /// The API key's id.
    pub key: Option<Uuid>,
    /// Empty where no person is named; a retry names one.
    pub requested_by: &'a str,
    pub note: Option<&'a str>,
    /// The person knows that the customer may get the message twice.
    pub acknowledged: bool,
    /// Only a retry of this message: a repeated call makes no second retry.
    pub of: Option<MessageId>,
}

impl<'a> ActionRequest<'a> {
    /// The person, for the audit entry of an action other than a retry.
    #[must_use]
    pub fn origin(self) -> ActionOrigin<'a> {
        ActionOrigin {
            entry_point: self.door,
            key: self.key,
            person: Some(self.requested_by).filter(|person| !person.is_empty()),
            note: self.note,
        }
    }
}
