//! From a stored notification to its job, or the reason why it makes none.
//!
//! Gathers what the connector needs (settings, look-ups, the known customer); the `wire` and `interaction` modules
//! decide. Finishes no notification: `inbox` does.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    company_cache::CompanyCache,
    connectors::{
        eight_by_eight::interaction::{CustomerFacts, Interaction, InteractionState},
        kustomer::{
            client::{KustomerClient, LookUpError},
            wire::{self, ParsedNotification},
        },
        state::secrets,
    },
    failpoint,
    intake::quarantine::panic_problem,
    intake::{InboundJob, inbound::EntryPoint},
};
use postrider_domain::{
    company::{Company, Connector, ConnectorSettings, EightByEightSettings, KustomerSettings},
    document::Problem,
    hash_keys::SecretKeys,
    job::JobOrigin,
};
use postrider_ledger::{Ledger, LedgerError, customers::NamedCustomer, notifications::Notification};

/// Result of preparing a notification.
#[derive(Debug)]
pub(super) enum PreparedNotification {
    Job(InboundJob),
    /// It cannot be prepared now; the reason.
    Postponed(String),
    /// The interaction was taken up again. The end of it stores a new notification; until then this one is looked at
    /// again after `debounce_secs`.
    Reopened {
        debounce_secs: f64,
    },
    /// Authentic and valid, but no reason to ask a customer; the reason as stored.
    NoRequest(&'static str),
    /// To be kept with the rejected jobs.
    Rejected(InboundJob, Vec<Problem>),
    /// The lease expired, and another worker finished the notification.
    Finished,
}

/// Prepares notifications.
pub struct Preparer {
    pub ledger: Ledger,
    pub company_cache: CompanyCache,
    pub keys: Arc<SecretKeys>,
    pub kustomer: KustomerClient,
}

/// A notification with its connector as currently configured.
struct ConnectorContext<'a> {
    notification: &'a Notification,
    company: &'a Company,
    connector: &'a Connector,
}

impl Preparer {
    /// Prepares one notification.
    pub(super) async fn prepare(
        &self,
        notification: &Notification,
    ) -> Result<PreparedNotification, LedgerError> {
        failpoint::on_word("notice", Some(&notification.name));
        let snapshot = self.company_cache.snapshot();
        let company = snapshot.company_by_id(notification.company);
        let found =
            company.and_then(|company| Some((company, company.policy.connector(&notification.connector)?)));
        let Some((company, connector)) = found else {
            return Ok(PreparedNotification::Postponed("the company has no such recipe any more".to_owned()));
        };
        let context = ConnectorContext { notification, company, connector };
        if let Some(job) = &notification.job {
            return Ok(PreparedNotification::Job(context.inbound_job(job.clone())));
        }
        match &connector.settings {
            ConnectorSettings::Kustomer(settings) => self.kustomer(&context, settings).await,
            ConnectorSettings::EightByEight(settings) => self.eight_by_eight(&context, settings).await,
        }
    }

    /// The rejection of a notification that could not be prepared for too long.
    pub(super) fn given_up(&self, notification: &Notification, reason: &str) -> PreparedNotification {
        let message = format!(
            "given up after {:.0} hours: {reason}; this is the notice itself and cannot be replayed: hand in a \
             job of your own, or leave it",
            notification.age_secs / 3_600.0
        );
        self.rejected(notification, Problem::new("", "look_up_failed", message))
    }

    /// The rejection of a notification that makes the preparation panic.
    pub(super) fn quarantined(&self, notification: &Notification) -> PreparedNotification {
        let message = "handling the notice made Postrider panic; find the cause in the worker's log. This is \
                       the notice itself and cannot be replayed: hand in a job of your own, or leave it";
        self.rejected(notification, Problem::new("", &panic_problem().code, message))
    }

    fn rejected(&self, notification: &Notification, problem: Problem) -> PreparedNotification {
        let snapshot = self.company_cache.snapshot();
        let company = snapshot.company_by_id(notification.company);
        let connector = company.and_then(|company| company.policy.connector(&notification.connector));
        // The job of a deleted connector counts as a test, so that a replay of it reaches no customer by mistake.
        let is_test = connector.is_none_or(|connector| connector.test);
        let body = notification.body.clone().unwrap_or_default();
        PreparedNotification::Rejected(inbound_job(notification, is_test, body), vec![problem])
    }

    async fn kustomer(
        &self,
        context: &ConnectorContext<'_>,
        settings: &KustomerSettings,
    ) -> Result<PreparedNotification, LedgerError> {
        let body = context.notification.body.as_deref().unwrap_or_default();
        let conversation = match wire::parse(body, settings) {
            Ok(ParsedNotification::Closed(conversation)) => conversation,
            Ok(ParsedNotification::Irrelevant) => {
                return Ok(PreparedNotification::NoRequest("nothing_to_ask"));
            }
            Err(unreadable) => {
                return Ok(context.rejected(unreadable.path, "unreadable_notice", unreadable.message));
            }
        };
        let Some(api_key) = secrets(&settings.api_key_env).into_iter().next() else {
            let reason = format!("set the environment variable {}", settings.api_key_env);
            return Ok(PreparedNotification::Postponed(reason));
        };
        let found = match self.kustomer.look_up(&settings.base_url, &api_key, &conversation).await {
            Ok(found) => found,
            Err(LookUpError::Gone(what)) => {
                let message = "Kustomer knows it no more; hand in a job of your own, or leave it";
                return Ok(context.rejected(what, "not_found", message));
            }
            Err(failed @ LookUpError::Failed(..)) => {
                return Ok(PreparedNotification::Postponed(failed.to_string()));
            }
        };
        match wire::job(&conversation, &found, context.connector, settings) {
            Some(job) => self.keep_job(context, &job).await,
            None => Ok(PreparedNotification::NoRequest("no_address")),
        }
    }

    async fn eight_by_eight(
        &self,
        context: &ConnectorContext<'_>,
        settings: &EightByEightSettings,
    ) -> Result<PreparedNotification, LedgerError> {
        let facts = context.notification.facts.clone().unwrap_or_default();
        let Ok(interaction) = serde_json::from_value::<Interaction>(facts) else {
            let reason = "the stored facts of the interaction are of another version of Postrider".to_owned();
            return Ok(PreparedNotification::Postponed(reason));
        };
        if interaction.is_over() && interaction.state(settings) != InteractionState::Complete {
            // The endpoint saw other settings: the company cache of this worker may be older.
            return Ok(PreparedNotification::Postponed(
                "the chat's channel is none of social_channels".to_owned(),
            ));
        }
        if !interaction.is_over() {
            return Ok(PreparedNotification::Reopened { debounce_secs: f64::from(settings.debounce_secs) });
        }
        let CustomerFacts { social_id, name, email, phone } = interaction.customer();
        let named = NamedCustomer { custom_id: None, social_id, name, email, phone };
        let Some(known) = self.ledger.recognise(context.company.id, &named, &self.keys.identity).await?
        else {
            return Ok(PreparedNotification::NoRequest("no_customer"));
        };
        if known.email.is_none() && known.phone.is_none() {
            return Ok(PreparedNotification::NoRequest("no_address"));
        }
        let customer =
            CustomerFacts { social_id: None, name: known.name, email: known.email, phone: known.phone };
        let job = interaction.job(&context.notification.name, &customer, context.connector, settings);
        self.keep_job(context, &job).await
    }

    /// Stores the job before it is submitted, so that a worker that takes the notification again submits the same.
    async fn keep_job(
        &self,
        context: &ConnectorContext<'_>,
        job: &[u8],
    ) -> Result<PreparedNotification, LedgerError> {
        let kept = self.ledger.keep_job(context.notification.key, job).await?;
        Ok(kept.map_or(PreparedNotification::Finished, |kept| {
            PreparedNotification::Job(context.inbound_job(kept))
        }))
    }
}

impl ConnectorContext<'_> {
    fn inbound_job(&self, body: Vec<u8>) -> InboundJob {
        let company = Some(self.company.policy.slug.clone());
        InboundJob { company, ..inbound_job(self.notification, self.connector.test, body) }
    }

    fn rejected(&self, path: &str, code: &str, message: &str) -> PreparedNotification {
        let body = self.notification.body.clone().unwrap_or_default();
        PreparedNotification::Rejected(self.inbound_job(body), vec![Problem::new(path, code, message)])
    }
}

/// A job under the notification's name as its idempotency key.
fn inbound_job(notification: &Notification, is_test: bool, body: Vec<u8>) -> InboundJob {
    InboundJob {
        body,
        company: None,
        routing: format!("recipes/{}", notification.connector),
        entry_point: EntryPoint::Connector { test: is_test },
        key: Some(notification.name.clone()),
        origin: JobOrigin::Automatic,
        suspect: None::<Uuid>,
    }
}
