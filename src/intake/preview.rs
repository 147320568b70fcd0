//! Preview: what would become of a job if it came now, and the text that would go out.
//!
//! The same steps as `accept`, up to the decision; nothing is written and nobody is reserved, so the real
//! thing may still come out otherwise a moment later. Links in the text lead nowhere: the request has no id.

use std::sync::Arc;

use uuid::Uuid;

use postrider_domain::document::Problem;
use postrider_domain::{
    company::Company,
    content::{
        Renderer,
        compose::{ComposedText, MessageFacts, compose},
    },
    ids::{Medium, RequestId},
    lifecycle::State,
    rules::Verdict,
};
use postrider_ledger::{LedgerError, accept::NewRequest};

use crate::intake::{
    Acceptor, InboundJob,
    decide::{self, Pending},
};

/// What would become of a job.
#[derive(Debug)]
pub enum Preview {
    /// A new request; its message, where one would be sent.
    Decided { request: Box<NewRequest>, account: Option<String>, text: Option<Text> },
    /// It is there already.
    Duplicate { id: Uuid, state: State, reason: Option<String> },
    /// Rejected for these.
    Rejected(Vec<Problem>),
    /// No job at all: the same problems as if it had been handed in.
    Unreadable(Vec<Problem>),
}

/// A message as its customer would read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub medium: Medium,
    pub to: String,
    pub from: Option<String>,
    pub subject: Option<String>,
    pub text: String,
    pub html: Option<String>,
    /// Of a text message.
    pub segments: Option<usize>,
}

impl Acceptor {
    /// Says what would become of a job.
    pub async fn preview(&self, arrival: &InboundJob, public_base_url: &str) -> Result<Preview, LedgerError> {
        let mut pending = match self.admit(&self.company_cache.snapshot(), 0, arrival) {
            Ok(pending) => pending,
            Err((_, problems)) => return Ok(Preview::Unreadable(problems)),
        };
        self.fill_in_known(std::slice::from_mut(&mut pending)).await?;
        let root = self.roots(std::slice::from_ref(&pending)).await?.remove(&0);
        let mut prepared = match decide::prepare(&self.keys.identity, &pending, root) {
            Ok(prepared) => [prepared],
            Err(problems) => return Ok(Preview::Rejected(problems)),
        };
        self.find_requesters(&mut prepared).await?;
        let gathered = self.ledger.gather(&[prepared[0].lookup.clone()]).await?;
        self.find_answered(&gathered, &mut prepared).await?;
        let stands_out = gathered.hits.first();
        if let Some(seen) = stands_out.and_then(|stands_out| stands_out.seen)
            && let Some(preview) = self.twin(seen, &pending).await?
        {
            return Ok(preview);
        }
        let request = match decide::decide(&self.keys.identity, &prepared[0], stands_out, gathered.now) {
            Ok(request) => request,
            Err(problems) => return Ok(Preview::Rejected(problems)),
        };
        Ok(match text(&request, &pending.company, public_base_url) {
            Ok(text) => {
                let account = account(&request, &pending.company);
                Preview::Decided { request: Box::new(request), account, text }
            }
            Err(problem) => Preview::Rejected(vec![problem]),
        })
    }

    /// The request that has the job's key, unless the key has had its time.
    async fn twin(&self, seen: Uuid, pending: &Pending) -> Result<Option<Preview>, LedgerError> {
        let twins = self.ledger.duplicates(&[seen]).await?;
        Ok(twins.into_iter().find(|twin| !(twin.key_is_derived && twin.key_expired)).map(|twin| {
            if twin.content_hash == pending.content_hash {
                return Preview::Duplicate { id: twin.id, state: twin.state, reason: twin.reason };
            }
            Preview::Rejected(vec![super::accept::key_conflict()])
        }))
    }
}

fn account(request: &NewRequest, company: &Company) -> Option<String> {
    let candidate = request.decision.candidate.as_ref()?;
    let mut accounts = company.policy.accounts.iter();
    accounts
        .find(|account| company.account_id(&account.id) == Some(candidate.account))
        .map(|it| it.id.clone())
}

/// The message that would be sent; `Err`: it could not be composed.
fn text(
    request: &NewRequest,
    company: &Arc<Company>,
    public_base_url: &str,
) -> Result<Option<Text>, Problem> {
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
    let message = compose(&Renderer::new(), &company.policy, &facts)
        .map_err(|error| Problem::new("", "render_failed", error.to_string()))?;
    let (medium, to) = (candidate.medium, message.to_address);
    Ok(Some(match message.text {
        ComposedText::Email { from_address, email } => Text {
            medium,
            to,
            from: Some(from_address),
            subject: Some(email.subject),
            text: email.text,
            html: Some(email.html),
            segments: None,
        },
        ComposedText::Sms(sms) => Text {
            medium,
            to,
            from: None,
            subject: None,
            text: sms.text,
            html: None,
            segments: Some(sms.segments),
        },
    }))
}
