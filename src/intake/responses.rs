//! Responses: what customers answered, from bytes to completed requests. AMQP and HTTP share it.
//!
//! Kept first, completed second: whoever is accepted in between is seen by the second step, or sees the
//! first (`asides`). Doing a batch again is harmless: a response counts once, by its own id, and completes
//! again what it completed. An error means that nothing may be acknowledged. `answered` consumes the queue.

use std::{
    collections::{HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::telemetry::names;
use postrider_domain::{
    company::Company,
    document::Problem,
    ids::CompanyId,
    job::{ResponseSubject, response::parse_response},
};
use postrider_ledger::{
    LedgerError,
    responses::{KeptResponse, NewResponse},
};

use crate::intake::{Acceptor, InboundJob, quarantine::panic_problem};

/// What became of a response.
#[derive(Debug, Clone, PartialEq)]
pub enum ResponseOutcome {
    Kept(Kept),
    /// The same id came before and said something else.
    Conflict(CompanyId),
    Refused(Option<CompanyId>, Vec<Problem>),
}

/// A response that is kept; the same again is told the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub id: Uuid,
    pub answered_at: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
    /// The requests that it names, oldest first; none: it waits for one to come.
    pub requests: Vec<Uuid>,
}

/// The problem of a response whose id was used for another one.
#[must_use]
pub fn conflict_problem() -> Problem {
    let message = "another response with this response_id and other content was taken before; use a new id";
    Problem::new("response_id", "conflict", message)
}

impl Acceptor {
    /// Takes a batch of responses; one answer for each, in order.
    pub async fn accept_responses(
        &self,
        arrivals: &[InboundJob],
    ) -> Result<Vec<ResponseOutcome>, LedgerError> {
        let read: Vec<_> = arrivals.iter().map(|arrival| self.read_response(arrival)).collect();
        let rows: Vec<NewResponse> = read.iter().flatten().cloned().collect();
        let unstorable = self.keep(&rows).await?;
        let keys: Vec<Uuid> = rows.iter().map(|row| row.key).collect();
        let kept: HashMap<Uuid, KeptResponse> =
            self.ledger.responses(&keys).await?.into_iter().map(|kept| (kept.key, kept)).collect();
        let mut requests: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
        for (key, request) in self.ledger.complete(&keys).await? {
            requests.entry(key).or_default().push(request);
        }
        for named in requests.values_mut() {
            named.sort_unstable();
            named.dedup();
        }
        let heard = |row: NewResponse| match kept.get(&row.key) {
            Some(kept) if kept.content_hash == row.content_hash => ResponseOutcome::Kept(Kept {
                id: kept.id,
                answered_at: kept.answered_at,
                received_at: kept.received_at,
                requests: requests.get(&row.key).cloned().unwrap_or_default(),
            }),
            Some(_) => ResponseOutcome::Conflict(row.company),
            None if unstorable.contains(&row.id) => {
                let message = "the database refuses this content; check its characters";
                ResponseOutcome::Refused(Some(row.company), vec![Problem::new("", "unstorable", message)])
            }
            None => unreachable!("what was written, or was there before, is there"),
        };
        Ok(read
            .into_iter()
            .map(|row| {
                row.map_or_else(|(company, problems)| ResponseOutcome::Refused(company, problems), heard)
            })
            .collect())
    }

    /// Writes them down; gives those that cannot be stored.
    async fn keep(&self, rows: &[NewResponse]) -> Result<HashSet<Uuid>, LedgerError> {
        let mut unstorable = HashSet::new();
        if rows.is_empty() {
            return Ok(unstorable);
        }
        match self.ledger.respond(rows).await {
            Err(LedgerError::Data(_)) => {}
            done => return done.map(|()| unstorable),
        }
        for row in rows {
            match self.ledger.respond(std::slice::from_ref(row)).await {
                Err(LedgerError::Data(_)) => _ = unstorable.insert(row.id),
                done => done?,
            }
        }
        Ok(unstorable)
    }

    /// Whose response it is and what it says; else whose mistake it is, and which.
    fn read_response(&self, arrival: &InboundJob) -> Result<NewResponse, (Option<CompanyId>, Vec<Problem>)> {
        let snapshot = self.company_cache.snapshot();
        let (company, test) = self.company(&snapshot, arrival).map_err(|problem| (None, vec![problem]))?;
        let parsed = catch_unwind(AssertUnwindSafe(|| self.new_response(&company, test, arrival)));
        parsed
            .unwrap_or_else(|_| {
                metrics::counter!(names::PANICS, "place" => "parse").increment(1);
                Err(vec![panic_problem()])
            })
            .map_err(|problems| (Some(company.id), problems))
    }

    fn new_response(
        &self,
        company: &Company,
        test: bool,
        arrival: &InboundJob,
    ) -> Result<NewResponse, Vec<Problem>> {
        let response = parse_response(&arrival.body)?;
        let keys = &self.keys.identity;
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
            source: arrival.entry_point.as_str(),
            request,
            former_id_hash: request.map(|id| keys.separate_test(test, keys.former_id_hash(company.id, id))),
            ext_interaction_id,
            answered_at: response.answered_at,
            details: said.as_object().filter(|said| !said.is_empty()).map(|_| said.to_string()),
            awaited_key: keys.response_subject_hash(company.id, test, &response.subject),
            response_id: response.response_id,
        })
    }
}
