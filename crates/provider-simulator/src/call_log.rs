//! The journal in memory: calls, accepted messages and their status events, with indexes for every lookup.
//!
//! No I/O and no clock; `journal` guards it with one short lock. Invariant: no method walks all messages while
//! a call is accepted.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::records::{
    AcceptanceDetail, Accepted, Call, Correlation, JournalLine, Provider, RecordedEvent, ReportedStatus,
    Verdict,
};

#[derive(Debug, Default)]
pub(crate) struct CallLog {
    accepted: Vec<Accepted>,
    details: Vec<AcceptanceDetail>,
    events: Vec<Vec<RecordedEvent>>,
    by_id: HashMap<String, usize>,
    by_recipient: HashMap<String, Vec<usize>>,
    calls: Vec<Call>,
    called: HashSet<(Provider, String)>,
    /// Pairs of a sender's number and a customer's number after the customer texted STOP.
    opted_out: HashSet<(String, String)>,
}

/// The index of a call in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallNumber(usize);

/// One accepted message with its detail and its events, oldest first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageRecord<'a> {
    pub accepted: &'a Accepted,
    pub detail: &'a AcceptanceDetail,
    pub events: &'a [RecordedEvent],
}

impl MessageRecord<'_> {
    /// The record as it was at that time; `None` before its acceptance.
    pub(crate) fn as_of(self, time: DateTime<Utc>) -> Option<Self> {
        let past = self.events.partition_point(|recorded| recorded.at <= time);
        (self.accepted.accepted_at <= time).then_some(MessageRecord { events: &self.events[..past], ..self })
    }
}

impl CallLog {
    /// Adds a call; the flag is true for the recipient's first call at this provider.
    pub(crate) fn begin(
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
        let is_first = self.called.insert((provider, recipient.to_owned()));
        (CallNumber(self.calls.len() - 1), is_first)
    }

    pub(crate) fn settle(&mut self, call: CallNumber, verdict: Verdict) {
        self.calls[call.0].verdict = verdict;
    }

    pub(crate) fn mark_doubtful(&mut self, call: CallNumber) {
        self.calls[call.0].doubtful = true;
    }

    /// Sets the correlation of a call that began without one: over SMTP it comes after the recipient.
    pub(crate) fn correlate(&mut self, call: CallNumber, correlation: &Correlation) {
        let call = &mut self.calls[call.0];
        call.correlation.clone_from(&correlation.message);
        call.attempt = correlation.attempt;
    }

    pub(crate) fn accept(&mut self, accepted: Accepted, detail: AcceptanceDetail) {
        let index = self.accepted.len();
        self.by_id.insert(accepted.provider_id.clone(), index);
        self.by_recipient.entry(accepted.recipient.clone()).or_default().push(index);
        self.accepted.push(accepted);
        self.details.push(detail);
        self.events.push(Vec::new());
    }

    pub(crate) fn record_event(&mut self, provider_id: &str, recorded: RecordedEvent) {
        let Some(&index) = self.by_id.get(provider_id) else { return };
        if let Some(status) = recorded.event.status() {
            status.clone_into(&mut self.accepted[index].last_status);
        }
        self.events[index].push(recorded);
    }

    /// A webhook of the event was answered 2xx.
    pub(crate) fn acknowledge(&mut self, provider_id: &str, event: Uuid) {
        let Some(&index) = self.by_id.get(provider_id) else { return };
        for recorded in self.events[index].iter_mut().filter(|recorded| recorded.id == event) {
            recorded.acknowledged = true;
        }
    }

    /// Every status event, oldest acceptance first.
    pub(crate) fn receipts(&self) -> impl Iterator<Item = ReportedStatus> {
        self.accepted.iter().zip(&self.events).flat_map(|(accepted, events)| {
            events.iter().filter_map(|recorded| {
                let status = recorded.event.status()?;
                let provider_id = accepted.provider_id.clone();
                Some(ReportedStatus { provider_id, status, acknowledged: recorded.acknowledged })
            })
        })
    }

    /// Adds a line of the journal file after a restart.
    pub(crate) fn restore(&mut self, line: JournalLine) {
        match line {
            JournalLine::Accepted { accepted, detail } => self.accept(*accepted, *detail),
            JournalLine::Event { provider_id, recorded } => self.record_event(&provider_id, recorded),
        }
    }

    pub(crate) fn accepted(&self) -> &[Accepted] {
        &self.accepted
    }

    pub(crate) fn calls(&self) -> &[Call] {
        &self.calls
    }

    pub(crate) fn by_id(&self, provider_id: &str) -> Option<MessageRecord<'_>> {
        self.by_id.get(provider_id).map(|&index| self.message(index))
    }

    /// Messages of one recipient, or of all, newest first.
    pub(crate) fn of_recipient<'a>(
        &'a self,
        recipient: Option<&str>,
    ) -> Box<dyn Iterator<Item = MessageRecord<'a>> + 'a> {
        match recipient {
            None => Box::new((0..self.accepted.len()).rev().map(|index| self.message(index))),
            Some(recipient) => {
                let indexes = self.by_recipient.get(recipient).map_or(&[][..], Vec::as_slice);
                Box::new(indexes.iter().rev().map(|&index| self.message(index)))
            }
        }
    }

    pub(crate) fn opt_out(&mut self, sender: &str, customer: &str) {
        self.opted_out.insert((sender.to_owned(), customer.to_owned()));
    }

    pub(crate) fn opt_in(&mut self, sender: &str, customer: &str) {
        self.opted_out.remove(&(sender.to_owned(), customer.to_owned()));
    }

    pub(crate) fn is_opted_out(&self, sender: &str, customer: &str) -> bool {
        !self.opted_out.is_empty() && self.opted_out.contains(&(sender.to_owned(), customer.to_owned()))
    }

    fn message(&self, index: usize) -> MessageRecord<'_> {
        MessageRecord {
            accepted: &self.accepted[index],
            detail: &self.details[index],
            events: &self.events[index],
        }
    }
}
