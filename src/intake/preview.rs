//! Preview: what would become of a job if it came now, and the text that would go out.
//!
//! The same steps as `accept`, up to the decision; nothing is written and nobody is reserved, so the real
//! thing may still come out otherwise a moment later. Links in the text lead nowhere: the request has no id.

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;

use postrider_domain::{
    company::Company,
    content::{RenderFacts, Renderer, survey_url},
    ids::{Medium, RequestId},
    job::Problem,
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
        let stands_out = gathered.standing_out.first();
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
        let twins = self.ledger.twins(&[seen]).await?;
        Ok(twins.into_iter().find(|twin| !(twin.idem_made && twin.lapsed)).map(|twin| {
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

/// The message that would go out; a problem where it could not be made.
fn text(
    request: &NewRequest,
    company: &Arc<Company>,
    public_base_url: &str,
) -> Result<Option<Text>, Problem> {
    let (Verdict::Send, Some(candidate)) = (request.decision.verdict, &request.decision.candidate) else {
        return Ok(None);
    };
    let unable = |why: String| Problem::new("", "render_failed", why);
    let brand = company.policy.brand(&request.brand).ok_or_else(|| unable("the brand is gone".to_owned()))?;
    let survey = survey_url(&brand.survey_url, RequestId(Uuid::nil()));
    let unsubscribe = format!("{public_base_url}/unsubscribe/preview");
    let (job, no_properties) = (&request.job, BTreeMap::new());
    let facts = RenderFacts {
        language: job.language.as_deref(),
        fallback_language: &brand.language,
        brand_name: &brand.name,
        customer_name: job.customer.as_ref().and_then(|customer| customer.name.as_deref()),
        survey_url: &survey,
        unsubscribe_url: &unsubscribe,
        postal_address: brand.postal_address.as_deref(),
        custom_properties: &no_properties,
    };
    let renderer = Renderer::new();
    let plain = Text {
        medium: candidate.medium,
        to: candidate.address.clone(),
        from: None,
        subject: None,
        text: String::new(),
        html: None,
        segments: None,
    };
    let text = match candidate.medium {
        Medium::Email => {
            let missing = || unable("the brand has no email_from; set it in the company's file".to_owned());
            let from = brand.email_from.clone().ok_or_else(missing)?;
            let email = renderer.render_email(&facts).map_err(|error| unable(error.to_string()))?;
            Text {
                from: Some(from),
                subject: Some(email.subject),
                text: email.text,
                html: Some(email.html),
                ..plain
            }
        }
        Medium::Sms => {
            let sms = renderer.render_sms(&facts).map_err(|error| unable(error.to_string()))?;
            Text { text: sms.text, segments: Some(sms.segments), ..plain }
        }
    };
    Ok(Some(text))
}
