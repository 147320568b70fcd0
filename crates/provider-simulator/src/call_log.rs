//! The ledger in memory: everything accepted, told and called, with an index for every question.
//!
//! No I/O and no clock: callers hold it under one short lock and write to `disk` first. Invariant:
//! nothing here walks all entries while accepting.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::records::{Accepted, Call, Correlation, Detail, Line, Provider, Receipt, Told, Verdict};

#[derive(Debug, Default)]
pub(super) struct CallLog {
    accepted: Vec<Accepted>,
    details: Vec<Detail>,
    history: Vec<Vec<Told>>,
    by_id: HashMap<String, usize>,
    by_recipient: HashMap<String, Vec<usize>>,
    calls: Vec<Call>,
    called: HashSet<(Provider, String)>,
    /// Our number and theirs: who sent STOP to whom.
    stopped: HashSet<(String, String)>,
}

/// A call's place in the book.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallNumber(usize);

/// One acceptance with everything known of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub accepted: &'a Accepted,
    pub detail: &'a Detail,
    pub history: &'a [Told],
}

impl Entry<'_> {
    /// The entry as it stood then; None where it had not been accepted.
    pub(super) fn as_of(self, then: DateTime<Utc>) -> Option<Self> {
        let told = self.history.partition_point(|told| told.at <= then);
        (self.accepted.accepted_at <= then).then_some(Entry { history: &self.history[..told], ..self })
    }
}

impl CallLog {
    /// Notes a call; true when it is the recipient's first at this provider.
    pub(super) fn begin(
        &mut self,
        provider: Provider,
        recipient: &str,
        correlation: &Correlation,
        started_at: DateTime<Utc>,
    ) -> (CallNumber, bool) {
        self.calls.push(Call {
            provider,
            recipient: recipient.to_owned(),
            correlation: correlation.message.clone(),
            attempt: correlation.attempt,
            verdict: Verdict::None,
            doubtful: false,
            started_at,
        });
        let first = self.called.insert((provider, recipient.to_owned()));
        (CallNumber(self.calls.len() - 1), first)
    }

    pub(super) fn settle(&mut self, call: CallNumber, verdict: Verdict) {
        self.calls[call.0].verdict = verdict;
    }

    /// The call's answer, if it gets one, proves nothing.
    pub(super) fn doubt(&mut self, call: CallNumber) {
        self.calls[call.0].doubtful = true;
    }

    /// Over SMTP the message, and with it the correlation, comes after the recipient.
    pub(super) fn correlate(&mut self, call: CallNumber, correlation: &Correlation) {
        let noted = &mut self.calls[call.0];
        noted.correlation.clone_from(&correlation.message);
        noted.attempt = correlation.attempt;
    }

    pub(super) fn accept(&mut self, accepted: Accepted, detail: Detail) {
        let place = self.accepted.len();
        self.by_id.insert(accepted.provider_id.clone(), place);
        self.by_recipient.entry(accepted.recipient.clone()).or_default().push(place);
        self.accepted.push(accepted);
        self.details.push(detail);
        self.history.push(Vec::new());
    }

    pub(super) fn tell(&mut self, provider_id: &str, told: Told) {
        let Some(&place) = self.by_id.get(provider_id) else { return };
        if let Some(status) = told.notice.status() {
            status.clone_into(&mut self.accepted[place].last_status);
        }
        self.history[place].push(told);
    }

    /// A webhook about it was answered 2xx.
    pub(super) fn acknowledge(&mut self, provider_id: &str, told: Uuid) {
        let Some(&place) = self.by_id.get(provider_id) else { return };
        for one in self.history[place].iter_mut().filter(|one| one.id == told) {
            one.acknowledged = true;
        }
    }

    /// Every status that was told, oldest acceptance first.
    pub(super) fn receipts(&self) -> impl Iterator<Item = Receipt> {
        self.accepted.iter().zip(&self.history).flat_map(|(accepted, history)| {
            history.iter().filter_map(|told| {
                let status = told.notice.status()?;
                Some(Receipt {
                    provider_id: accepted.provider_id.clone(),
                    status,
                    acknowledged: told.acknowledged,
                })
            })
        })
    }

    /// Takes back a line of the file after a restart.
    pub(super) fn restore(&mut self, line: Line) {
        match line {
            Line::Accepted { accepted, detail } => self.accept(*accepted, *detail),
            Line::Told { provider_id, told } => self.tell(&provider_id, told),
        }
    }

    pub(super) fn accepted(&self) -> &[Accepted] {
        &self.accepted
    }

    pub(super) fn calls(&self) -> &[Call] {
        &self.calls
    }

    pub(super) fn by_id(&self, provider_id: &str) -> Option<Entry<'_>> {
        self.by_id.get(provider_id).map(|&place| self.entry(place))
    }

    /// Newest first; all entries without a recipient.
    pub(super) fn of_recipient<'a>(
        &'a self,
        recipient: Option<&str>,
    ) -> Box<dyn Iterator<Item = Entry<'a>> + 'a> {
        match recipient {
            None => Box::new((0..self.accepted.len()).rev().map(|place| self.entry(place))),
            Some(recipient) => {
                let places = self.by_recipient.get(recipient).map_or(&[][..], Vec::as_slice);
                Box::new(places.iter().rev().map(|&place| self.entry(place)))
            }
        }
    }

    pub(super) fn stop(&mut self, ours: &str, theirs: &str) {
        self.stopped.insert((ours.to_owned(), theirs.to_owned()));
    }

    pub(super) fn start(&mut self, ours: &str, theirs: &str) {
        self.stopped.remove(&(ours.to_owned(), theirs.to_owned()));
    }

    pub(super) fn is_stopped(&self, ours: &str, theirs: &str) -> bool {
        !self.stopped.is_empty() && self.stopped.contains(&(ours.to_owned(), theirs.to_owned()))
    }

    fn entry(&self, place: usize) -> Entry<'_> {
        Entry { accepted: &self.accepted[place], detail: &self.details[place], history: &self.history[place] }
    }
}
