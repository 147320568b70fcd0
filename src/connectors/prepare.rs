//! From a notice to the job that it makes, or why it makes none.
//!
//! Gathers what the recipe needs (the company's settings, look-ups, the known customer); the recipes' pure
//! parts say what follows. Nothing here ends a notice: `inbox` does.

use secrecy::SecretString;
use uuid::Uuid;

use crate::{
    failpoint,
    intake::{InboundJob, inbound::EntryPoint},
    poison::suspect_jobs,
};
use postrider_domain::{
    company::{Company, Connector, ConnectorSettings, EightByEightSettings, KustomerSettings},
    document::Problem,
    job::JobOrigin,
};
use postrider_ledger::{LedgerError, customers::NamedCustomer, notifications::Notification};

use crate::connectors::{
    Inbox,
    eight_by_eight::interaction::{Interaction, Person, Standing},
    kustomer::{
        client::LookUpError,
        wire::{self, Heard},
    },
};

/// What a notice comes to for now.
#[derive(Debug)]
pub(super) enum Prepared {
    Job(InboundJob),
    /// Not now, and why.
    Later(String),
    /// The interaction was taken up again: its end notes it anew. Otherwise it is looked at after so long.
    Open {
        settle_secs: f64,
    },
    /// Authentic and in order, and no reason to ask anybody.
    Nothing(&'static str),
    /// To be kept with the rejected jobs.
    Refused(InboundJob, Vec<Problem>),
    /// We took so long that somebody else took the notice up, and finished it.
    Over,
}

/// A notice's recipe, as its company has it now.
struct Of<'a> {
    notice: &'a Notification,
    company: &'a Company,
    recipe: &'a Connector,
}

impl Inbox {
    /// Prepares one notice.
    pub(super) async fn prepare(&self, notice: &Notification) -> Result<Prepared, LedgerError> {
        failpoint::on_word("notice", Some(&notice.name));
        let snapshot = self.acceptor.company_cache.snapshot();
        let company = snapshot.company_by_id(notice.company);
        let found = company.and_then(|company| Some((company, company.policy.connector(&notice.connector)?)));
        let Some((company, recipe)) = found else {
            return Ok(Prepared::Later("the company has no such recipe any more".to_owned()));
        };
        let of = Of { notice, company, recipe };
        if let Some(job) = &notice.job {
            return Ok(Prepared::Job(of.arrival(job.clone())));
        }
        match &recipe.settings {
            ConnectorSettings::Kustomer(settings) => self.kustomer(&of, settings).await,
            ConnectorSettings::EightByEight(settings) => self.eight_by_eight(&of, settings).await,
        }
    }

    /// Whether a notice is of a recipe under test. So is one whose recipe is gone: what is handed in again of
    /// it must reach no customer by mistake.
    pub(super) fn is_test(&self, notice: &Notification) -> bool {
        let snapshot = self.acceptor.company_cache.snapshot();
        let company = snapshot.company_by_id(notice.company);
        let recipe = company.and_then(|company| company.policy.connector(&notice.connector));
        recipe.is_none_or(|recipe| recipe.test)
    }

    async fn kustomer(&self, of: &Of<'_>, settings: &KustomerSettings) -> Result<Prepared, LedgerError> {
        let body = of.notice.body.as_deref().unwrap_or_default();
        let closed = match wire::parse(body, settings) {
            Ok(Heard::Closed(closed)) => closed,
            Ok(Heard::Nothing) => return Ok(Prepared::Nothing("nothing_to_ask")),
            Err(unreadable) => {
                return Ok(of.refused(unreadable.path, "unreadable_notice", unreadable.message));
            }
        };
        let Some(api_key) = secrets(&settings.api_key_env).into_iter().next() else {
            return Ok(Prepared::Later(format!("set the environment variable {}", settings.api_key_env)));
        };
        let found = match self.asking.look_up(&settings.base_url, &api_key, &closed).await {
            Ok(found) => found,
            Err(LookUpError::Gone(what)) => {
                let message = "Kustomer knows it no more; hand in a job of your own, or leave it";
                return Ok(of.refused(what, "not_found", message));
            }
            Err(failed @ LookUpError::Failed(..)) => return Ok(Prepared::Later(failed.to_string())),
        };
        match wire::job(&closed, &found, of.recipe, settings) {
            Some(job) => self.job(of, &job).await,
            None => Ok(Prepared::Nothing("no_address")),
        }
    }

    async fn eight_by_eight(
        &self,
        of: &Of<'_>,
        settings: &EightByEightSettings,
    ) -> Result<Prepared, LedgerError> {
        let facts = of.notice.facts.clone().unwrap_or_default();
        let Ok(interaction) = serde_json::from_value::<Interaction>(facts) else {
            return Ok(Prepared::Later("what is known of the interaction is of another version".to_owned()));
        };
        if interaction.is_over() && interaction.standing(settings) != Standing::Complete {
            // The settings tell: this worker's may be older than those of the door that noted it.
            return Ok(Prepared::Later("the chat's channel is none of social_channels".to_owned()));
        }
        if !interaction.is_over() {
            return Ok(Prepared::Open { settle_secs: f64::from(settings.debounce_secs) });
        }
        let Person { social_id, name, email, phone } = interaction.person();
        let named = NamedCustomer { custom_id: None, social_id, name, email, phone };
        let keys = &self.acceptor.keys.identity;
        let Some(known) = self.ledger.recognise(of.company.id, &named, keys).await? else {
            return Ok(Prepared::Nothing("no_customer"));
        };
        if known.email.is_none() && known.phone.is_none() {
            return Ok(Prepared::Nothing("no_address"));
        }
        let person = Person { social_id: None, name: known.name, email: known.email, phone: known.phone };
        let job = interaction.job(&of.notice.name, &person, of.recipe, settings);
        self.job(of, &job).await
    }

    /// Keeps the job before it is handed in: whoever takes the notice up again hands in the same.
    async fn job(&self, of: &Of<'_>, job: &[u8]) -> Result<Prepared, LedgerError> {
        let kept = self.ledger.keep_job(of.notice.key, job).await?;
        Ok(kept.map_or(Prepared::Over, |kept| Prepared::Job(of.arrival(kept))))
    }
}

impl Prepared {
    /// A notice that could not be prepared for too long.
    pub(super) fn given_up(notice: &Notification, test: bool, why: &str) -> Prepared {
        let message = format!(
            "given up after {:.0} hours: {why}; this is the notice itself and cannot be replayed: hand in a \
             job of your own, or leave it",
            notice.age_secs / 3_600.0
        );
        Prepared::kept(notice, test, Problem::new("", "look_up_failed", message))
    }

    /// A notice over which we panic.
    pub(super) fn quarantined(notice: &Notification, test: bool) -> Prepared {
        let message = "handling the notice made Postrider panic; find the cause in the worker's log. This is \
                       the notice itself and cannot be replayed: hand in a job of your own, or leave it";
        Prepared::kept(notice, test, Problem::new("", &suspect_jobs::panicked().code, message))
    }

    fn kept(notice: &Notification, test: bool, problem: Problem) -> Prepared {
        let body = notice.body.clone().unwrap_or_default();
        Prepared::Refused(arrival(notice, test, body), vec![problem])
    }
}

impl Of<'_> {
    fn arrival(&self, body: Vec<u8>) -> InboundJob {
        let company = Some(self.company.policy.slug.clone());
        InboundJob { company, ..arrival(self.notice, self.recipe.test, body) }
    }

    fn refused(&self, path: &str, code: &str, message: &str) -> Prepared {
        let body = self.notice.body.clone().unwrap_or_default();
        Prepared::Refused(self.arrival(body), vec![Problem::new(path, code, message)])
    }
}

fn arrival(notice: &Notification, test: bool, body: Vec<u8>) -> InboundJob {
    InboundJob {
        body,
        company: None,
        routing: format!("recipes/{}", notice.connector),
        entry_point: EntryPoint::Connector { test },
        key: Some(notice.name.clone()),
        origin: JobOrigin::Automatic,
        suspect: None::<Uuid>,
    }
}

/// The secrets that a variable holds, several during a rotation, separated by commas.
#[must_use]
pub fn secrets(variable: &str) -> Vec<SecretString> {
    let held = std::env::var(variable).unwrap_or_default();
    held.split(',').map(str::trim).filter(|secret| !secret.is_empty()).map(SecretString::from).collect()
}

/// How long to wait before another try.
pub(super) fn delay_secs(delays_secs: &[f64], tries: i32) -> f64 {
    let index = usize::try_from(tries - 1).unwrap_or(0).min(delays_secs.len().saturating_sub(1));
    delays_secs.get(index).copied().unwrap_or(60.0) * (0.8 + 0.4 * postrider_clock::jitter())
}
