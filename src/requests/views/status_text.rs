//! The status of a message as text: the public status with its detail.
//!
//! Wording only: `lifecycle` defines the states, the ledger changes them.

use chrono::{DateTime, Utc};

use postrider_domain::{
    ids::Medium,
    job::{Customer, Employee},
    lifecycle::{Reason, State},
};
use postrider_ledger::requests::RequestDetail;

use crate::requests::views::format_time::time;

/// The facts that the text depends on.
#[derive(Debug, Clone, Copy)]
pub struct StatusText {
    pub state: State,
    pub paused: bool,
    /// Held because workers crashed on it, not by a person.
    pub quarantined: bool,
    pub attempts: i16,
    /// Due time, if known.
    pub due_at: Option<DateTime<Utc>>,
}

impl StatusText {
    /// The facts of a request's current message.
    #[must_use]
    pub fn new(detail: &RequestDetail) -> StatusText {
        StatusText {
            state: detail.state,
            paused: detail.paused_at.is_some(),
            quarantined: quarantined(detail.reason.as_deref()),
            attempts: detail.attempt,
            due_at: detail.due_at,
        }
    }

    /// Status and detail, as in `queued (waiting until …)`.
    #[must_use]
    pub fn text(self, now: DateTime<Utc>) -> String {
        let word = self.state.status().as_str();
        match self.detail(now) {
            Some(detail) => format!("{word} ({detail})"),
            None => word.to_owned(),
        }
    }

    /// Whether the message is held, by a person or in quarantine; an ended message is not.
    #[must_use]
    pub fn is_paused(self) -> bool {
        self.paused && self.state.detail().is_some()
    }

    /// Whether the message is held in quarantine.
    #[must_use]
    pub fn is_quarantined(self) -> bool {
        self.quarantined && self.is_paused()
    }

    fn detail(self, now: DateTime<Utc>) -> Option<String> {
        let later = self.due_at.filter(|due_at| *due_at > now).map(time);
        let detail = match (self.state.detail()?, self.paused, self.attempts, later) {
            ("waiting", true, _, _) if self.quarantined => "quarantined".to_owned(),
            ("waiting", true, _, _) => "paused".to_owned(),
            ("waiting", false, 0, Some(later)) => format!("waiting until {later}"),
            ("waiting", false, _, Some(later)) => format!("waiting to retry at {later}"),
            ("waiting", false, 1.., None) => "waiting to retry".to_owned(),
            (word, true, _, _) => format!("{word}; paused afterwards"),
            (word, false, _, _) => word.to_owned(),
        };
        Some(detail)
    }
}

/// Whether the reason of a message is the quarantine.
#[must_use]
pub fn quarantined(reason: Option<&str>) -> bool {
    reason == Some(Reason::Quarantined.as_str())
}

/// The address of the medium; without a medium, the first address that the customer has.
#[must_use]
pub fn address(customer: &Customer, medium: Option<Medium>) -> Option<&str> {
    match medium {
        Some(medium) => customer.address(medium),
        None => Medium::ALL.into_iter().find_map(|medium| customer.address(medium)),
    }
}

/// The team member: the email address, or else the custom id.
#[must_use]
pub fn sent_by(employee: &Employee) -> Option<&str> {
    employee.email.as_deref().or(employee.custom_id.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Duration;

    fn texts(state: State) -> [String; 4] {
        let now = DateTime::UNIX_EPOCH;
        let text = |paused, attempts, due_secs| {
            let due_at = Some(now + Duration::seconds(due_secs));
            StatusText { state, paused, quarantined: false, attempts, due_at }.text(now)
        };
        [text(false, 0, 60), text(false, 1, 60), text(false, 1, 0), text(true, 0, 60)]
    }

    #[test]
    fn what_waits_says_for_what() {
        assert_eq!(
            texts(State::Waiting),
            [
                "queued (waiting until 1970-01-01T00:01:00Z)",
                "queued (waiting to retry at 1970-01-01T00:01:00Z)",
                "queued (waiting to retry)",
                "queued (paused)",
            ]
        );
    }

    #[test]
    fn a_begun_message_keeps_its_word_and_tells_of_a_pause() {
        for (state, word) in [(State::Sending, "sending"), (State::Unknown, "unknown")] {
            let texts = texts(state);
            assert_eq!(texts[0], format!("queued ({word})"));
            assert_eq!(texts[3], format!("queued ({word}; paused afterwards)"));
        }
    }

    #[test]
    fn every_other_state_is_its_bare_status() {
        for state in State::ALL.into_iter().filter(|state| state.detail().is_none()) {
            for text in texts(state) {
                assert_eq!(text, state.status().as_str());
            }
            let ended = StatusText { state, paused: true, quarantined: true, attempts: 0, due_at: None };
            assert!(!ended.is_paused() && !ended.is_quarantined(), "{state:?}");
        }
    }

    #[test]
    fn what_is_quarantined_says_so() {
        let held = StatusText {
            state: State::Waiting,
            paused: true,
            quarantined: quarantined(Some("quarantined")),
            attempts: 0,
            due_at: None,
        };
        assert_eq!(held.text(DateTime::UNIX_EPOCH), "queued (quarantined)");
        assert!(held.is_paused() && held.is_quarantined());
    }

    #[test]
    fn the_address_is_the_one_used() {
        let customer = Customer {
            email: Some("jane@x.example".into()),
            phone: Some("+1555".into()),
            ..Customer::default()
        };
        assert_eq!(address(&customer, Some(Medium::Sms)), Some("+1555"));
        assert_eq!(address(&customer, None), Some("jane@x.example"));
    }
}
