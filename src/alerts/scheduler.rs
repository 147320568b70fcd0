//! The watch: once a minute one worker of the fleet counts the last hour's refused jobs.
//!
//! Gather (counts by company) → decide (`company::alerts`) → apply (one statement that the database lets win
//! once an hour). A worker that dies on its turn costs a minute: what it counted is counted again.

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

/// Each worker asks so often whether it is its turn.
const ASK_EVERY: Duration = Duration::from_secs(15);
/// What nobody could send for a day is no news.
const EXPIRES_SECS: i32 = 86_400;
/// A count beyond this takes too long for what it tells.
const ACCEPTED_MAX: u64 = 5_000_000;

/// What the watch needs.
#[derive(Clone)]
pub struct AlertScheduler {
    pub ledger: Ledger,
    pub company_cache: CompanyCache,
    pub keys: Arc<SecretKeys>,
}

impl AlertScheduler {
    /// Watches until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let ticker = Ticker::new(ASK_EVERY, stop);
        let mut first = true;
        while ticker.tick(std::mem::take(&mut first)).await {
            match self.take_turn().await {
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "rejected jobs cannot be counted for alerts"),
            }
        }
    }

    /// Looks if it is this worker's turn; gives whether it was.
    pub async fn take_turn(&self) -> Result<bool, LedgerError> {
        let mine = self.ledger.take_alert_turn().await?;
        if mine {
            self.check_companies().await?;
        }
        Ok(mine)
    }

    /// Looks now; gives the companies whose digest this call put on its way.
    pub async fn check_companies(&self) -> Result<Vec<CompanyId>, LedgerError> {
        let snapshot = self.company_cache.snapshot();
        let watched = snapshot.companies().filter(|company| !company.policy.alerts.emails.is_empty());
        let watched: Vec<CompanyId> = watched.map(|company| company.id).collect();
        let mut told = Vec::new();
        if watched.is_empty() {
            return Ok(told);
        }
        for rejections in self.ledger.alert_rejections(&watched).await? {
            let Some(company) = snapshot.company_by_id(rejections.company) else { continue };
            let telling = match self.alert_if_due(company, rejections).await {
                // What cannot be told of one company keeps nothing from the others.
                Err(error @ (LedgerError::Data(_) | LedgerError::Broken(_))) => {
                    tracing::error!(company = company.policy.slug, %error, "a digest cannot be written");
                    continue;
                }
                told => told?,
            };
            if telling {
                metrics::counter!(names::ALERTS).increment(1);
                tracing::warn!(
                    company = company.policy.slug,
                    rejected = rejections.rejected,
                    "many jobs are rejected"
                );
                told.push(company.id);
            }
        }
        Ok(told)
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

    /// `None` where no account of the company can carry it, which its file would not have allowed.
    fn alert(&self, company: &Company, counted: JobCounts, problems: Vec<ProblemCount>) -> Option<NewAlert> {
        let policy = &company.policy;
        let (brand, account) = policy.alerting_brand()?;
        let mistake = |ProblemCount { path, code, message, times, example }| ProblemSummary {
            path,
            code,
            message,
            times,
            example,
        };
        let mistakes: Vec<ProblemSummary> = problems.into_iter().map(mistake).collect();
        let mail = |email: &String| AlertMail {
            id: postrider_clock::new_id(),
            email: email.clone(),
            address_hash: self.keys.identity.address_hash(company.id, Medium::Email, email),
        };
        let note = format!("{} rejected, {} accepted within an hour", counted.rejected, counted.accepted);
        Some(NewAlert {
            company: company.id,
            rejected: counted.rejected,
            accepted: counted.accepted,
            mails: policy.alerts.emails.iter().map(mail).collect(),
            brand: brand.label.clone(),
            account: company.account_id(&account.id)?,
            letter: digest(policy, counted, &mistakes),
            decision: Decision {
                verdict: Verdict::Send,
                candidate: None,
                due_at: counted.now,
                expires_at: counted.now + chrono::Duration::seconds(i64::from(EXPIRES_SECS)),
                policy_version: company.version,
                decided_at: counted.now,
                trail: vec![Finding::pass("alert", note)],
                inputs: Inputs::default(),
            },
            expires_secs: f64::from(EXPIRES_SECS),
        })
    }
}
