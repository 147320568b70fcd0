//! Counts the rejected jobs of the last hour once a minute, on one worker at a time.
//!
//! Gather (counts by company) → decide (`company::alerts`) → apply (one statement that succeeds once an hour per
//! company). If a worker crashes on its turn, the next turn counts again a minute later.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{company_cache::CompanyCache, telemetry::names, ticker::Ticker};
use postrider_domain::{
    company::Company,
    hash_keys::SecretKeys,
    ids::{CompanyId, Medium},
    rules::{Decision, Finding, Inputs, Verdict},
};
use postrider_ledger::{
    Ledger, LedgerError,
    alerts::{AlertMail, NewAlert, ProblemCount, Rejections},
};

use crate::alerts::digest::{JobCounts, ProblemSummary, digest};

/// Interval in which each worker tries to take the turn.
const TURN_INTERVAL: Duration = Duration::from_secs(15);
/// A digest that could not be sent for a day is outdated.
const EXPIRES_SECS: i32 = 86_400;
/// Bound of the count of accepted jobs: a larger count takes too long.
const ACCEPTED_MAX: u64 = 5_000_000;

/// The scheduler with its dependencies.
#[derive(Clone)]
pub struct AlertScheduler {
    pub ledger: Ledger,
    pub company_cache: CompanyCache,
    pub keys: Arc<SecretKeys>,
}

impl AlertScheduler {
    /// Runs until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let ticker = Ticker::new(TURN_INTERVAL, stop);
        let mut first = true;
        while ticker.tick(std::mem::take(&mut first)).await {
            match self.take_turn().await {
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "count of rejected jobs for alerts failed, tried again with the next turn")
                }
            }
        }
    }

    /// Takes the turn if it is due, and checks the companies; returns whether it was due.
    pub async fn take_turn(&self) -> Result<bool, LedgerError> {
        let is_due = self.ledger.take_alert_turn().await?;
        if is_due {
            self.check_companies().await?;
        }
        Ok(is_due)
    }

    /// Checks all companies now; returns those for which this call queued a digest.
    pub async fn check_companies(&self) -> Result<Vec<CompanyId>, LedgerError> {
        let snapshot = self.company_cache.snapshot();
        let alerted = snapshot.companies().filter(|company| !company.policy.alerts.emails.is_empty());
        let alerted: Vec<CompanyId> = alerted.map(|company| company.id).collect();
        let mut queued = Vec::new();
        if alerted.is_empty() {
            return Ok(queued);
        }
        for rejections in self.ledger.alert_rejections(&alerted).await? {
            let Some(company) = snapshot.company_by_id(rejections.company) else { continue };
            let is_queued = match self.alert_if_due(company, rejections).await {
                // Broken data of one company does not keep the alerts of the others.
                Err(error @ (LedgerError::Data(_) | LedgerError::Broken(_))) => {
                    tracing::error!(company = company.policy.slug, %error, "digest not queued: stored data is invalid");
                    continue;
                }
                result => result?,
            };
            if is_queued {
                metrics::counter!(names::ALERTS).increment(1);
                tracing::warn!(
                    company = company.policy.slug,
                    rejected = rejections.rejected,
                    "many jobs rejected, digest queued"
                );
                queued.push(company.id);
            }
        }
        Ok(queued)
    }

    async fn alert_if_due(&self, company: &Company, rejections: Rejections) -> Result<bool, LedgerError> {
        let Rejections { rejected, now, .. } = rejections;
        let alerts = &company.policy.alerts;
        if rejected < u64::from(alerts.rejected_min) {
            return Ok(false);
        }
        let enough = alerts.accepted_enough(rejected).min(ACCEPTED_MAX);
        let enough = i64::try_from(enough).unwrap_or(i64::MAX);
        let accepted = self.ledger.alert_accepted(company.id, now, enough).await?;
        if !alerts.is_due(rejected, accepted) {
            return Ok(false);
        }
        let problems = self.ledger.alert_problems(company.id).await?;
        match self.alert(company, JobCounts { rejected, accepted, now }, problems) {
            Some(alert) => self.ledger.send_alert(&alert).await,
            None => Ok(false),
        }
    }

    /// The digest as a message; `None` if the company has no account for it, which validation excludes.
    fn alert(&self, company: &Company, counts: JobCounts, problems: Vec<ProblemCount>) -> Option<NewAlert> {
        let policy = &company.policy;
        let (brand, account) = policy.alerting_brand()?;
        let summary = |ProblemCount { path, code, message, times, example }| ProblemSummary {
            path,
            code,
            message,
            times,
            example,
        };
        let problems: Vec<ProblemSummary> = problems.into_iter().map(summary).collect();
        let mail = |email: &String| AlertMail {
            id: postrider_clock::new_id(),
            email: email.clone(),
            address_hash: self.keys.identity.address_hash(company.id, Medium::Email, email),
        };
        let note = format!("{} rejected, {} accepted within an hour", counts.rejected, counts.accepted);
        Some(NewAlert {
            company: company.id,
            rejected: counts.rejected,
            accepted: counts.accepted,
            mails: policy.alerts.emails.iter().map(mail).collect(),
            brand: brand.label.clone(),
            account: company.account_id(&account.id)?,
            letter: digest(policy, counts, &problems),
            decision: Decision {
                verdict: Verdict::Send,
                candidate: None,
                due_at: counts.now,
                expires_at: counts.now + chrono::Duration::seconds(i64::from(EXPIRES_SECS)),
                policy_version: company.version,
                decided_at: counts.now,
                trail: vec![Finding::pass("alert", note)],
                inputs: Inputs::default(),
            },
            expires_secs: f64::from(EXPIRES_SECS),
        })
    }
}
