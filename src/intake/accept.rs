//! Accept: one batch of inbound jobs becomes requests, duplicates or rejections, with one outcome each.
//!
//! Admit → evaluate → write, in rounds: jobs of one batch that compete for a person, a key or an original request wait
//! for the next round, and so do jobs that lost a race with another worker, so that each is decided by what really
//! happened (docs/decisions/005-conflicting-jobs-in-rounds.md). After an error nothing may be acknowledged; accepting
//! the batch again is harmless. Next: `pipeline`, `write`.

use std::collections::HashMap;

use uuid::Uuid;

use crate::{
    intake::{
        AcceptOutcome, Acceptor, DecisionSummary, InboundJob,
        admit::admit,
        customer_lookup::{named_customer, write_customers},
        duplicates::{KeyHolder, compare, key_holders},
        optional_facts::complete_awaited,
        pending::{JobOwner, Pending},
        pipeline::{JobVerdict, evaluate},
        rejection::{key_conflict, rejection, unstorable, write_rejections},
        write::{Written, suppression, write},
    },
    telemetry::names,
};
use postrider_domain::{document::Problem, hash_keys::SecretKeys, ids::CompanyId, rules::Decision};
use postrider_ledger::{LedgerError, customers::NamedCustomer, gather::Duplicate, rejected::Rejection};

/// More rounds than any honest batch needs; past it the batch starts over.
const ROUNDS_MAX: usize = 1_000;

impl Acceptor {
    /// Accepts a batch; one outcome for each job, in order.
    ///
    /// # Errors
    /// Of the database: nothing may be acknowledged.
    pub async fn accept(&self, inbound: &[InboundJob]) -> Result<Vec<AcceptOutcome>, LedgerError> {
        let mut outcomes = Outcomes::new(inbound, &self.keys);
        let mut pending = self.admit_all(&mut outcomes).await;
        for _ in 0..ROUNDS_MAX {
            if pending.is_empty() {
                write_rejections(&self.ledger, std::mem::take(&mut outcomes.rejections)).await?;
                let named = std::mem::take(&mut outcomes.named);
                write_customers(&self.ledger, &self.keys.identity, named).await;
                return Ok(outcomes.into_outcomes());
            }
            pending = self.round(pending, &mut outcomes).await?;
        }
        Err(LedgerError::Contended("a batch took too many rounds".to_owned()))
    }

    async fn admit_all(&self, outcomes: &mut Outcomes<'_>) -> Vec<Pending> {
        let snapshot = self.company_cache.snapshot();
        let mut pending = Vec::with_capacity(outcomes.inbound.len());
        let _shared = self.isolation_gate.shared().await;
        for (place, inbound) in outcomes.inbound.iter().enumerate() {
            match admit(self, &snapshot, place, inbound) {
                Ok(admitted) => pending.push(admitted),
                Err((owner, problems)) => outcomes.reject(place, owner, problems),
            }
        }
        pending
    }

    /// Evaluates and writes once; returns the jobs for the next round.
    async fn round(
        &self,
        pending: Vec<Pending>,
        outcomes: &mut Outcomes<'_>,
    ) -> Result<Vec<Pending>, LedgerError> {
        let evaluation = evaluate(&self.ledger, &self.keys.identity, pending).await?;
        let (mut rows, mut decided, mut same_key, mut next) =
            (Vec::new(), HashMap::new(), Vec::new(), Vec::new());
        for (pending, verdict) in evaluation.jobs {
            match verdict {
                JobVerdict::Decided(row) => {
                    let summary = outcomes.wants_decision(&pending).then(|| row.decision.clone());
                    decided.insert(row.id, (pending, summary));
                    rows.push(*row);
                }
                JobVerdict::SameKey(holder) => same_key.push((holder, pending)),
                JobVerdict::NextRound => next.push(pending),
                JobVerdict::Rejected(problems) => outcomes.reject_pending(&pending, problems),
            }
        }
        let mut again = self.answer_duplicates(same_key, outcomes).await?;
        again.extend(next);
        let written = write(&self.ledger, &self.fast_path, rows, evaluation.now).await?;
        complete_awaited(&self.ledger, &evaluation.awaited).await;
        again.extend(outcomes.settle(decided, written));
        Ok(again)
    }

    /// Answers jobs with a key that is there already; returns those with a key that is free again.
    async fn answer_duplicates(
        &self,
        jobs: Vec<(Uuid, Pending)>,
        outcomes: &mut Outcomes<'_>,
    ) -> Result<Vec<Pending>, LedgerError> {
        let ids: Vec<Uuid> = jobs.iter().map(|(holder, _)| *holder).collect();
        let holders = key_holders(&self.ledger, &ids).await?;
        let (mut expired, mut again) = (Vec::new(), Vec::new());
        for (id, pending) in jobs {
            match compare(&pending, holders.get(&id)) {
                KeyHolder::SameJob(holder) => outcomes.duplicate(&pending, holder),
                KeyHolder::OtherJob => outcomes.reject_pending(&pending, vec![key_conflict()]),
                KeyHolder::Expired => {
                    expired.push(id);
                    again.push(pending);
                }
                KeyHolder::Gone => again.push(pending),
            }
        }
        if !expired.is_empty() {
            self.ledger.retire_derived_keys(&expired).await?;
        }
        Ok(again)
    }
}

/// The outcomes of one batch so far.
struct Outcomes<'a> {
    inbound: &'a [InboundJob],
    keys: &'a SecretKeys,
    outcomes: Vec<Option<AcceptOutcome>>,
    /// To be written at the end.
    rejections: Vec<Rejection>,
    /// Customers that people named, to be written at the end.
    named: Vec<(CompanyId, NamedCustomer)>,
}

impl<'a> Outcomes<'a> {
    fn new(inbound: &'a [InboundJob], keys: &'a SecretKeys) -> Outcomes<'a> {
        let outcomes = vec![None; inbound.len()];
        Outcomes { inbound, keys, outcomes, rejections: Vec::new(), named: Vec::new() }
    }

    fn wants_decision(&self, pending: &Pending) -> bool {
        self.inbound[pending.place].entry_point.wants_decision()
    }

    fn reject_pending(&mut self, pending: &Pending, problems: Vec<Problem>) {
        self.reject(pending.place, Some(pending.owner()), problems);
    }

    fn reject(&mut self, place: usize, owner: Option<JobOwner>, problems: Vec<Problem>) {
        let rejection = rejection(self.keys, &self.inbound[place], owner, problems);
        let problems = rejection.problems.clone();
        self.outcomes[place] = Some(AcceptOutcome::Rejected { id: rejection.id, problems });
        // A replay only reports its problems: the rejected job that it corrects is kept already.
        if !self.inbound[place].entry_point.is_operator() {
            self.rejections.push(rejection);
        }
    }

    fn duplicate(&mut self, pending: &Pending, holder: &Duplicate) {
        if !pending.test {
            metrics::counter!(names::DUPLICATES).increment(1);
        }
        let summary = self.wants_decision(pending).then(|| first_summary(holder)).flatten();
        let outcome = AcceptOutcome::Duplicate { id: holder.id, state: holder.state, summary };
        self.outcomes[pending.place] = Some(outcome);
    }

    /// Takes the result of a write; returns the jobs that were not inserted, to be decided again.
    fn settle(
        &mut self,
        mut decided: HashMap<Uuid, (Pending, Option<Decision>)>,
        written: Written,
    ) -> impl Iterator<Item = Pending> {
        for (id, state) in written.states {
            let Some((pending, decision)) = decided.remove(&id) else { continue };
            self.named.extend(named_customer(&pending));
            let summary = decision.map(|decision| {
                let reason = suppression(decision.verdict, state).map(|reason| reason.as_str().to_owned());
                Box::new(DecisionSummary { reason, decision })
            });
            self.outcomes[pending.place] = Some(AcceptOutcome::Accepted { id, state, summary });
        }
        for id in written.unstorable {
            if let Some((pending, _)) = decided.remove(&id) {
                self.reject_pending(&pending, vec![unstorable()]);
            }
        }
        decided.into_values().map(|(pending, _)| pending)
    }

    fn into_outcomes(self) -> Vec<AcceptOutcome> {
        let outcomes = self.outcomes.into_iter();
        outcomes.map(|outcome| outcome.expect("every job of a finished batch has its outcome")).collect()
    }
}

/// The decision as it was made when the job came first.
fn first_summary(holder: &Duplicate) -> Option<Box<DecisionSummary>> {
    let decision = serde_json::from_str(&holder.decision).ok()?;
    Some(Box::new(DecisionSummary { reason: holder.reason.clone(), decision }))
}
