//! Responses: customers' answers, from bytes to completed requests. AMQP and HTTP share it.
//!
//! Written first, completed second: a request that is accepted in between is seen by the second step, or sees the
//! response itself (`optional_facts`). Repeating a batch is harmless: a response counts once, by its own id, and completes
//! again what it completed. After an error nothing may be acknowledged. `amqp::response_consumer` consumes the queue.

use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use postrider_domain::{
    company::Company,
    document::Problem,
    ids::CompanyId,
    job::{ResponseSubject, response::parse_response},
};
use postrider_ledger::{
    Ledger, LedgerError,
    responses::{KeptResponse, NewResponse},
};

use crate::{
    intake::{Acceptor, InboundJob, admit, quarantine::panic_problem, rejection::unstorable},
    telemetry::names,
};

/// The result of one response.
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseOutcome {
    Kept(Kept),
    /// A response with the same id and other content came before.
    Conflict(CompanyId),
    Refused(Option<CompanyId>, Vec<Problem>),
}

/// A response that is kept; a repeat gets the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub id: Uuid,
    pub answered_at: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
    /// The requests that it names, oldest first; empty: it waits for one to come.
    pub requests: Vec<Uuid>,
}

/// The problem of a response with the id of another response.
#[must_use]
pub fn conflict_problem() -> Problem {
    let message = "another response with this response_id and other content was taken before; use a new id";
    Problem::new("response_id", "conflict", message)
}

impl Acceptor {
    /// Accepts a batch of responses; one outcome for each, in order.
    ///
    /// # Errors
    /// Of the database: nothing may be acknowledged.
    pub async fn accept_responses(
        &self,
        inbound: &[InboundJob],
    ) -> Result<Vec<ResponseOutcome>, LedgerError> {
        let parsed: Vec<_> = inbound.iter().map(|inbound| parse(self, inbound)).collect();
        let rows: Vec<NewResponse> = parsed.iter().flatten().cloned().collect();
        let unstorable_rows = write(&self.ledger, &rows).await?;
        let keys: Vec<Uuid> = rows.iter().map(|row| row.key).collect();
        let kept: HashMap<Uuid, KeptResponse> =
            self.ledger.responses(&keys).await?.into_iter().map(|kept| (kept.key, kept)).collect();
        let requests = completed(&self.ledger, &keys).await?;
        let outcome = |row: NewResponse| match kept.get(&row.key) {
            Some(kept) if kept.content_hash == row.content_hash => ResponseOutcome::Kept(Kept {
                id: kept.id,
                answered_at: kept.answered_at,
                received_at: kept.received_at,
                requests: requests.get(&row.key).cloned().unwrap_or_default(),
            }),
            Some(_) => ResponseOutcome::Conflict(row.company),
            None if unstorable_rows.contains(&row.id) => {
                ResponseOutcome::Refused(Some(row.company), vec![unstorable()])
            }
            None => unreachable!("a response that was written, or that was there before, is there"),
        };
        let refused = |(company, problems)| ResponseOutcome::Refused(company, problems);
        Ok(parsed.into_iter().map(|row| row.map_or_else(refused, outcome)).collect())
    }
}

/// Completes the requests of these responses; returns them by response key, oldest first.
async fn completed(ledger: &Ledger, keys: &[Uuid]) -> Result<HashMap<Uuid, Vec<Uuid>>, LedgerError> {
    let mut requests: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    for (key, request) in ledger.complete(keys).await? {
        requests.entry(key).or_default().push(request);
    }
    for named in requests.values_mut() {
        named.sort_unstable();
        named.dedup();
    }
    Ok(requests)
}

/// Writes responses; returns the ids of those that cannot be stored.
async fn write(ledger: &Ledger, rows: &[NewResponse]) -> Result<HashSet<Uuid>, LedgerError> {
    let mut unstorable = HashSet::new();
    if rows.is_empty() {
        return Ok(unstorable);
    }
    match ledger.respond(rows).await {
        Err(LedgerError::Data(_)) => {}
        done => return done.map(|()| unstorable),
    }
    for row in rows {
        match ledger.respond(std::slice::from_ref(row)).await {
            Err(LedgerError::Data(_)) => _ = unstorable.insert(row.id),
            done => done?,
        }
    }
    Ok(unstorable)
}

/// The row of a response; `Err`: its company, where it is known, and its problems.
fn parse(
    acceptor: &Acceptor,
    inbound: &InboundJob,
) -> Result<NewResponse, (Option<CompanyId>, Vec<Problem>)> {
    let snapshot = acceptor.company_cache.snapshot();
    let (company, test) =
        admit::company(acceptor, &snapshot, inbound).map_err(|problem| (None, vec![problem]))?;
    let parsed = catch_unwind(AssertUnwindSafe(|| new_response(acceptor, &company, test, inbound)));
    parsed
        .unwrap_or_else(|_| {
            metrics::counter!(names::PANICS, "place" => "parse").increment(1);
            Err(vec![panic_problem()])
        })
        .map_err(|problems| (Some(company.id), problems))
}

fn new_response(
    acceptor: &Acceptor,
    company: &Company,
    test: bool,
    inbound: &InboundJob,
) -> Result<NewResponse, Vec<Problem>> {
    let response = parse_response(&inbound.body)?;
    let keys = &acceptor.keys.identity;
    let (request, ext_interaction_id) = match &response.subject {
        ResponseSubject::Request(id) => (Some(*id), None),
        ResponseSubject::Interaction(id) => (None, Some(id.clone())),
    };
    let said = serde_json::to_value(&response.answer).expect("a response is plain data");
    Ok(NewResponse {
        id: postrider_clock::new_id(),
        key: keys.separate_test(test, keys.response_hash(company.id, &response.response_id)),
        content_hash: keys.response_content_hash(company.id, &response.content_bytes()),
        company: company.id,
        test,
        source: inbound.entry_point.as_str(),
        request,
        former_id_hash: request.map(|id| keys.separate_test(test, keys.former_id_hash(company.id, id))),
        ext_interaction_id,
        answered_at: response.answered_at,
        details: said.as_object().filter(|said| !said.is_empty()).map(|_| said.to_string()),
        awaited_key: keys.response_subject_hash(company.id, test, &response.subject),
        response_id: response.response_id,
    })
}
