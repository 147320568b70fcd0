//! Accept: one batch of jobs, from bytes to answers. AMQP and the command line share it.
//!
//! Parse → place → gather → decide → write, in rounds: jobs of one batch that want the same person, the
//! same key or the same root wait for the next round, so that each is decided by what really happened.
//! Who lost a race with another worker is gathered again. An error means that nothing may be
//! acknowledged; doing the batch again is harmless.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{company_cache::CompanyCache, crash_isolation::IsolationGate, telemetry::names};
use postrider_domain::{
    document::Problem,
    hash_keys::SecretKeys,
    ids::CompanyId,
    lifecycle::{Reason, State},
    rules::{OriginalRequest, Verdict},
};
use postrider_ledger::{
    Ledger, LedgerError,
    accept::NewRequest,
    customers::NamedCustomer,
    gather::{Duplicate, Gathered},
    rejected::Rejection,
};

use crate::{
    dispatch::fast_path::FastPath,
    intake::{
        AcceptOutcome, DecisionSummary, InboundJob,
        admit::JobOwner,
        customer_lookup,
        decide::{self, Pending, Prepared},
        inbound::EntryPoint,
    },
};

/// More rounds than any honest batch needs; past it the batch starts over.
const ROUNDS_MAX: usize = 1_000;

/// Takes batches of jobs; cheap to clone.
#[derive(Clone)]
pub struct Acceptor {
    pub ledger: Ledger,
    pub company_cache: CompanyCache,
    pub keys: Arc<SecretKeys>,
    pub fast_path: FastPath,
    /// `None`: until the first broker user is bound.
    pub trust_routing_key: Option<bool>,
    pub isolation_gate: IsolationGate,
}

/// The answers of one batch so far.
struct Answers<'a> {
    arrivals: &'a [InboundJob],
    answers: Vec<Option<AcceptOutcome>>,
    rejections: Vec<Rejection>,
    /// Whom people named.
    named: Vec<(CompanyId, NamedCustomer)>,
}

impl Acceptor {
    /// Takes a batch; one answer for each arrival, in order.
    pub async fn accept(&self, arrivals: &[InboundJob]) -> Result<Vec<AcceptOutcome>, LedgerError> {
        let snapshot = self.company_cache.snapshot();
        let blank = vec![None; arrivals.len()];
        let mut answers = Answers { arrivals, answers: blank, rejections: Vec::new(), named: Vec::new() };
        let mut pending = Vec::with_capacity(arrivals.len());
        let together = self.isolation_gate.shared().await;
        for (place, arrival) in arrivals.iter().enumerate() {
            match self.admit(&snapshot, place, arrival) {
                Ok(admitted) => pending.push(admitted),
                Err((whose, problems)) => answers.reject(&self.keys, place, whose, problems),
            }
        }
        drop(together);
        self.fill_in_known(&mut pending).await?;
        for _ in 0..ROUNDS_MAX {
            if pending.is_empty() {
                self.keep_rejections(&answers.rejections).await?;
                self.remember(std::mem::take(&mut answers.named)).await;
                return Ok(answers.complete());
            }
            pending = self.round(pending, &mut answers).await?;
        }
        Err(LedgerError::Contended("a batch took too many rounds".to_owned()))
    }

    /// One round; gives what is left for the next.
    async fn round(
        &self,
        pending: Vec<Pending>,
        answers: &mut Answers<'_>,
    ) -> Result<Vec<Pending>, LedgerError> {
        let roots = self.roots(&pending).await?;
        let (mut prepared, mut lookups) = (Vec::new(), Vec::new());
        for pending in pending {
            let root = roots.get(&pending.place).cloned();
            let ready = match decide::prepare(&self.keys.identity, &pending, root) {
                Ok(ready) => ready,
                Err(problems) => {
                    answers.reject(&self.keys, pending.place, pending.whose(), problems);
                    continue;
                }
            };
            lookups.push(ready.lookup.clone());
            prepared.push(ready);
        }
        self.find_requesters(&mut prepared).await?;
        let gathered = self.ledger.gather(&lookups).await?;
        self.find_answered(&gathered, &mut prepared).await?;
        self.decided(prepared, &gathered, answers).await
    }

    /// The roots that service recoveries name, by their place in the batch.
    pub(super) async fn roots(
        &self,
        pending: &[Pending],
    ) -> Result<HashMap<usize, OriginalRequest>, LedgerError> {
        let mut named: HashMap<CompanyId, Vec<(usize, Uuid, Uuid)>> = HashMap::new();
        for pending in pending {
            if let Some(id) = pending.job.initial_feedback_request_id {
                let keys = &self.keys.identity;
                let former = keys.separate_test(pending.test, keys.former_id_hash(pending.company.id, id));
                named.entry(pending.company.id).or_default().push((pending.place, id, former));
            }
        }
        let mut roots = HashMap::new();
        for (company, named) in named {
            let keys: Vec<(Uuid, Uuid)> = named.iter().map(|(_, id, former)| (*id, *former)).collect();
            let found = self.ledger.original_requests(company.0, &keys).await?;
            roots.extend(named.iter().zip(found).filter_map(|((place, ..), root)| Some((*place, root?))));
        }
        Ok(roots)
    }

    /// Answers twins, decides the rest and writes it; gives what must be gathered again.
    async fn decided(
        &self,
        prepared: Vec<Prepared>,
        gathered: &Gathered,
        answers: &mut Answers<'_>,
    ) -> Result<Vec<Pending>, LedgerError> {
        let standing_out: HashMap<usize, _> = gathered.hits.iter().map(|out| (out.ordinal, out)).collect();
        let (mut rows, mut places, mut seen, mut later) =
            (Vec::new(), HashMap::new(), Vec::new(), Vec::new());
        let mut taken: HashSet<Uuid> = HashSet::new();
        let awaited: Vec<Uuid> = prepared.iter().flat_map(|prepared| prepared.awaited.clone()).collect();
        for (ordinal, prepared) in prepared.into_iter().enumerate() {
            let out = standing_out.get(&ordinal).copied();
            if let Some(twin) = out.and_then(|out| out.seen) {
                seen.push((twin, prepared.pending));
                continue;
            }
            if !decide::take(&mut taken, &prepared.unique()) {
                later.push(prepared.pending);
                continue;
            }
            match decide::decide(&self.keys.identity, &prepared, out, gathered.now) {
                // Only who reserves a person competes for them: a crowd that one keeps out is done in one round.
                Ok(row) if !decide::take(&mut taken, row.reserves()) => later.push(prepared.pending),
                Ok(row) => {
                    let heard = answers.arrivals[prepared.pending.place].entry_point.wants_decision();
                    places.insert(row.id, (prepared.pending, heard.then(|| row.decision.clone())));
                    rows.push(row);
                }
                Err(problems) => {
                    let pending = &prepared.pending;
                    answers.reject(&self.keys, pending.place, pending.whose(), problems);
                }
            }
        }
        let mut again = self.twins(seen, answers).await?;
        again.extend(later);
        let mut written = HashMap::new();
        let refused = match self.write(&mut rows, gathered.now, &mut written).await {
            // Somebody took a unique value since the gather: look again.
            Ok(()) | Err(LedgerError::Taken(_)) => Vec::new(),
            Err(LedgerError::Data(_)) => self.bisect(rows, gathered.now, &mut written).await?,
            Err(error) => return Err(error),
        };
        self.complete(&awaited).await;
        for (id, state) in written {
            if let Some((pending, decision)) = places.remove(&id) {
                answers.named.extend(customer_lookup::named(&pending));
                let summary = decision.map(|decision| {
                    let reason = suppressed(decision.verdict, state).map(|reason| reason.as_str().to_owned());
                    Box::new(DecisionSummary { reason, decision })
                });
                answers.answers[pending.place] = Some(AcceptOutcome::Accepted { id, state, summary });
            }
        }
        for id in refused {
            if let Some((pending, _)) = places.remove(&id) {
                let problem =
                    Problem::new("", "unstorable", "the database refuses this content; check its characters");
                answers.reject(&self.keys, pending.place, pending.whose(), vec![problem]);
            }
        }
        again.extend(places.into_values().map(|(pending, _)| pending));
        Ok(again)
    }

    /// Writes decided jobs, in chunks, and hands over what is due now; notes who was inserted. After an
    /// error `rows` holds what was not written.
    async fn write(
        &self,
        rows: &mut Vec<NewRequest>,
        now: DateTime<Utc>,
        written: &mut HashMap<Uuid, State>,
    ) -> Result<(), LedgerError> {
        let mut batch = self.fast_path.batch(std::mem::take(rows), now);
        while let Some(chunk) = batch.reserve().await {
            match self.ledger.accept(&chunk.rows, chunk.lease_terms).await {
                Ok(states) => {
                    for row in &chunk.rows {
                        if let Some(state) = states.get(&row.id) {
                            count(row, *state);
                        }
                    }
                    chunk.committed(&states).await;
                    written.extend(states);
                }
                Err(error) => {
                    *rows = batch.into_rest();
                    rows.extend(chunk.failed(&error));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// One row of the batch cannot be stored: writes them one by one; gives those refused.
    async fn bisect(
        &self,
        rows: Vec<NewRequest>,
        now: DateTime<Utc>,
        written: &mut HashMap<Uuid, State>,
    ) -> Result<Vec<Uuid>, LedgerError> {
        let mut refused = Vec::new();
        for row in rows {
            let id = row.id;
            match self.write(&mut vec![row], now, written).await {
                Ok(()) | Err(LedgerError::Taken(_)) => {}
                Err(LedgerError::Data(_)) => refused.push(id),
                Err(error) => return Err(error),
            }
        }
        Ok(refused)
    }

    /// The first answer again, a conflict, or a key that has had its time; gives the last for a new look.
    async fn twins(
        &self,
        seen: Vec<(Uuid, Pending)>,
        answers: &mut Answers<'_>,
    ) -> Result<Vec<Pending>, LedgerError> {
        if seen.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<Uuid> = seen.iter().map(|(twin, _)| *twin).collect();
        let twins: HashMap<Uuid, Duplicate> =
            self.ledger.duplicates(&ids).await?.into_iter().map(|twin| (twin.id, twin)).collect();
        let (mut lapsed, mut again) = (Vec::new(), Vec::new());
        for (id, pending) in seen {
            match twins.get(&id) {
                Some(twin) if twin.key_is_derived && twin.key_expired => {
                    lapsed.push(id);
                    again.push(pending);
                }
                Some(twin) if twin.content_hash == pending.content_hash => {
                    if !pending.test {
                        metrics::counter!(names::DUPLICATES).increment(1);
                    }
                    let heard = answers.arrivals[pending.place].entry_point.wants_decision();
                    let summary = heard.then(|| first_told(twin)).flatten();
                    answers.answers[pending.place] =
                        Some(AcceptOutcome::Duplicate { id, state: twin.state, summary });
                }
                Some(_) => {
                    answers.reject(&self.keys, pending.place, pending.whose(), vec![key_conflict()]);
                }
                None => again.push(pending),
            }
        }
        if !lapsed.is_empty() {
            self.ledger.retire_derived_keys(&lapsed).await?;
        }
        Ok(again)
    }

    pub(crate) async fn keep_rejections(&self, rejections: &[Rejection]) -> Result<(), LedgerError> {
        let mut rest: Vec<Rejection> = rejections.to_vec();
        // The same mistake twice in one batch counts twice, in two statements.
        while !rest.is_empty() {
            let mut seen = HashSet::new();
            let (now, later): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|rejection| seen.insert(rejection.fingerprint));
            self.ledger.reject(&now).await?;
            rest = later;
        }
        Ok(())
    }
}

impl Answers<'_> {
    fn reject(&mut self, keys: &SecretKeys, place: usize, whose: JobOwner, problems: Vec<Problem>) {
        let rejection = rejection(keys, &self.arrivals[place], whose, problems);
        let answer = AcceptOutcome::Rejected { id: rejection.id, problems: rejection.problems.clone() };
        self.answers[place] = Some(answer);
        // Who corrects a rejected job hears what is still wrong; the job itself is kept as it was.
        if !matches!(self.arrivals[place].entry_point, EntryPoint::Operator { .. }) {
            self.rejections.push(rejection);
        }
    }

    fn complete(self) -> Vec<AcceptOutcome> {
        self.answers
            .into_iter()
            .map(|answer| answer.expect("every job of a finished batch has its answer"))
            .collect()
    }
}

/// The problem of a job whose key was used for another one.
pub(super) fn key_conflict() -> Problem {
    let message = "another job with this key and other content was accepted before; use a new key";
    Problem::new("idempotency_key", "conflict", message)
}

/// A job as it is kept with its problems; counts it, unless it is a test.
pub(crate) fn rejection(
    keys: &SecretKeys,
    arrival: &InboundJob,
    whose: JobOwner,
    problems: Vec<Problem>,
) -> Rejection {
    let company = whose.map(|(company, _)| company);
    let test = whose.is_some_and(|(_, test)| test);
    if !test {
        let code = problems.first().map_or_else(|| "unknown".to_owned(), |problem| problem.code.clone());
        metrics::counter!(names::REJECTED, "code" => code).increment(1);
    }
    // Where no company is known, the routing stands for it.
    let key = match company {
        Some(_) => arrival.key.clone(),
        None => Some(format!("{}\0{}", arrival.routing, arrival.key.as_deref().unwrap_or_default())),
    };
    Rejection {
        id: postrider_clock::new_id(),
        fingerprint: keys
            .identity
            .separate_test(test, keys.identity.rejected_job_hash(company, key.as_deref(), &arrival.body)),
        company,
        routing: storable(&arrival.routing),
        source: arrival.entry_point.as_str(),
        message_key: arrival.key.as_deref().map(storable),
        body: arrival.body.clone(),
        problems,
        test,
    }
}

/// Postgres keeps no NUL in text; a broker's routing keys and ids may hold one.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// What was decided when the job came the first time.
fn first_told(twin: &Duplicate) -> Option<Box<DecisionSummary>> {
    let decision = serde_json::from_str(&twin.decision).ok()?;
    Some(Box::new(DecisionSummary { reason: twin.reason.clone(), decision }))
}

/// The reason for which an accepted request is kept back.
fn suppressed(verdict: Verdict, state: State) -> Option<Reason> {
    match (verdict, state) {
        (Verdict::Suppress(reason), _) => Some(reason),
        (Verdict::Send, State::Suppressed) => Some(Reason::SuppressionPeriod),
        (Verdict::Send, _) => None,
    }
}

/// Tests are no part of the statistics.
fn count(row: &NewRequest, state: State) {
    if row.test {
        return;
    }
    match suppressed(row.decision.verdict, state) {
        Some(reason) => {
            metrics::counter!(names::ACCEPTED, "verdict" => "suppress").increment(1);
            metrics::counter!(names::SUPPRESSED, "reason" => reason.as_str()).increment(1);
        }
        None => metrics::counter!(names::ACCEPTED, "verdict" => "send").increment(1),
    }
}
