//! Preview: the outcome of a job if it came now, and the text that would be sent.
//!
//! The same steps as `accept`, up to the decision. Nothing is written or reserved, so the outcome may be another one a
//! moment later. Links in the text lead nowhere: the request has no id yet.

use uuid::Uuid;

use postrider_domain::{
    company::Company,
    content::{
        Renderer,
        compose::{ComposedMessage, ComposedText, MessageFacts, compose},
    },
    document::Problem,
    ids::RequestId,
    lifecycle::State,
    rules::Verdict,
};
use postrider_ledger::{LedgerError, accept::NewRequest};

use crate::intake::{
    Acceptor, InboundJob,
    admit::admit,
    duplicates::{KeyHolder, compare, key_holders},
    pending::Pending,
    pipeline::{JobVerdict, evaluate},
    rejection::key_conflict,
};

/// The outcome that a job would have.
#[derive(Debug)]
pub enum Preview {
    /// A new request, with its account and message where one would be sent.
    Decided {
        request: Box<NewRequest>,
        account: Option<String>,
        message: Option<PreviewMessage>,
    },
    /// The request of the same job.
    Duplicate {
        id: Uuid,
        state: State,
        reason: Option<String>,
    },
    Rejected(Vec<Problem>),
    /// Not a job of this entry point: the problems that a submission would get.
    Unreadable(Vec<Problem>),
}

/// A message as its recipient would read it. A test's recipient is the company's test address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewMessage {
    pub to: String,
    pub text: ComposedText,
}

impl Acceptor {
    /// Previews a job. `public_base_url`: without a slash at its end, for the unsubscribe link.
    ///
    /// # Errors
    /// Of the database.
    pub async fn preview(&self, inbound: &InboundJob, public_base_url: &str) -> Result<Preview, LedgerError> {
        let pending = match admit(self, &self.company_cache.snapshot(), 0, inbound) {
            Ok(pending) => pending,
            Err((_, problems)) => return Ok(Preview::Unreadable(problems)),
        };
        let (pending, verdict) = self.verdict(pending).await?;
        let JobVerdict::SameKey(holder) = verdict else {
            return Ok(decided(&pending.company, verdict, public_base_url));
        };
        let holders = key_holders(&self.ledger, &[holder]).await?;
        Ok(match compare(&pending, holders.get(&holder)) {
            KeyHolder::SameJob(request) => {
                Preview::Duplicate { id: request.id, state: request.state, reason: request.reason.clone() }
            }
            KeyHolder::OtherJob => Preview::Rejected(vec![key_conflict()]),
            KeyHolder::Expired | KeyHolder::Gone => {
                // `accept` would free the key; here a random one stands for the freed key.
                let freed = Pending { idempotency_hash: postrider_clock::random_id(), ..pending };
                let (pending, verdict) = self.verdict(freed).await?;
                decided(&pending.company, verdict, public_base_url)
            }
        })
    }

    async fn verdict(&self, pending: Pending) -> Result<(Pending, JobVerdict), LedgerError> {
        let evaluation = evaluate(&self.ledger, &self.keys.identity, vec![pending]).await?;
        Ok(evaluation.jobs.into_iter().next().expect("one job has one verdict"))
    }
}

fn decided(company: &Company, verdict: JobVerdict, public_base_url: &str) -> Preview {
    match verdict {
        JobVerdict::Decided(request) => match message(&request, company, public_base_url) {
            Ok(message) => Preview::Decided { account: account(&request, company), request, message },
            Err(problem) => Preview::Rejected(vec![problem]),
        },
        JobVerdict::Rejected(problems) => Preview::Rejected(problems),
        JobVerdict::SameKey(_) | JobVerdict::NextRound => {
            unreachable!("a lone job with a fresh key has neither a duplicate nor a competitor")
        }
    }
}

/// The account that would carry the message, by its name in the company's file.
fn account(request: &NewRequest, company: &Company) -> Option<String> {
    let candidate = request.decision.candidate.as_ref()?;
    let mut accounts = company.policy.accounts.iter();
    accounts
        .find(|account| company.account_id(&account.id) == Some(candidate.account))
        .map(|account| account.id.clone())
}

/// The message that would be sent; `Err`: it could not be composed.
fn message(
    request: &NewRequest,
    company: &Company,
    public_base_url: &str,
) -> Result<Option<PreviewMessage>, Problem> {
    let (Verdict::Send, Some(candidate)) = (request.decision.verdict, &request.decision.candidate) else {
        return Ok(None);
    };
    let unsubscribe_url = format!("{public_base_url}/unsubscribe/preview");
    let facts = MessageFacts {
        request: RequestId(Uuid::nil()),
        medium: candidate.medium,
        test: request.test,
        address: &candidate.address,
        brand: &request.brand,
        language: request.job.language.as_deref(),
        customer_name: request.job.customer.as_ref().and_then(|customer| customer.name.as_deref()),
        unsubscribe_url: &unsubscribe_url,
    };
    let ComposedMessage { to_address: to, text, .. } = compose(&Renderer::new(), &company.policy, &facts)
        .map_err(|error| Problem::new("", "render_failed", error.to_string()))?;
    Ok(Some(PreviewMessage { to, text }))
}
