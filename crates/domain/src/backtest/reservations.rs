//! The reservations of a company's people, in memory: as `accept`, `begin` and `release_reservations` keep them.
//!
//! A test compares what follows from them with what the database did.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::rules::ReservationHolder;

/// A begin so much later than planned counts from its own time (`begin.sql`).
const LATE_MINUTES: i64 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reservation {
    request: Uuid,
    asked_at: DateTime<Utc>,
    /// Whom a give-back restores.
    prior: Option<ReservationHolder>,
}

/// Who asked last, or plans to, by identity.
#[derive(Debug, Default)]
pub struct Reservations {
    by_slot: HashMap<Uuid, Reservation>,
    /// Who gave a slot back last, and when.
    given_back: HashMap<Uuid, (ReservationHolder, DateTime<Utc>)>,
}

impl Reservations {
    #[must_use]
    pub fn holders(&self, slots: &[Uuid]) -> Vec<ReservationHolder> {
        let held = slots.iter().filter_map(|slot| self.by_slot.get(slot));
        held.map(|one| ReservationHolder { request: one.request, asked_at: one.asked_at }).collect()
    }

    /// Who gave these back since then, as they had held them.
    #[must_use]
    pub fn given_back_since(&self, slots: &[Uuid], since: DateTime<Utc>) -> Vec<ReservationHolder> {
        let given = slots.iter().filter_map(|slot| self.given_back.get(slot));
        given.filter(|(_, at)| *at >= since).map(|(holder, _)| *holder).collect()
    }

    /// Whether somebody asked one of these less than the window ago; a recovery has no window.
    #[must_use]
    pub fn is_taken(&self, slots: &[Uuid], window: Option<Duration>, now: DateTime<Utc>) -> bool {
        let Some(window) = window else { return false };
        slots.iter().filter_map(|slot| self.by_slot.get(slot)).any(|one| one.asked_at > now - window)
    }

    pub fn reserve(&mut self, slots: &[Uuid], request: Uuid, asked_at: DateTime<Utc>) {
        for slot in slots {
            let old = self.by_slot.get(slot);
            let prior = old.map(|old| ReservationHolder { request: old.request, asked_at: old.asked_at });
            self.by_slot.insert(*slot, Reservation { request, asked_at, prior });
        }
    }

    /// Is to be sent once more: what it still holds counts from now, and the rest it takes.
    pub fn reserve_again(&mut self, slots: &[Uuid], request: Uuid, asked_at: DateTime<Utc>) {
        for slot in slots {
            match self.by_slot.get_mut(slot).filter(|one| one.request == request) {
                Some(one) => one.asked_at = asked_at,
                None => self.reserve(&[*slot], request, asked_at),
            }
        }
    }

    /// Somebody was there before this history begins: only where nobody else is known.
    pub fn learn(&mut self, slots: &[Uuid], holder: ReservationHolder) {
        let ReservationHolder { request, asked_at } = holder;
        for slot in slots {
            self.by_slot.entry(*slot).or_insert(Reservation { request, asked_at, prior: None });
        }
    }

    /// Whether `request` still holds all of these; one that was forgotten for its age counts as held.
    #[must_use]
    pub fn holds(&self, slots: &[Uuid], request: Uuid) -> bool {
        slots.iter().filter_map(|slot| self.by_slot.get(slot)).all(|one| one.request == request)
    }

    /// A begin later than planned counts from now.
    pub fn begun(&mut self, slots: &[Uuid], request: Uuid, now: DateTime<Utc>) {
        for slot in slots {
            if let Some(one) = self.by_slot.get_mut(slot)
                && one.request == request
                && one.asked_at < now - Duration::minutes(LATE_MINUTES)
            {
                one.asked_at = now;
            }
        }
    }

    /// Ended without having asked: whoever asked before comes back, and it never does.
    pub fn give_back(&mut self, slots: &[Uuid], request: Uuid, at: DateTime<Utc>) {
        for slot in slots {
            let Some(one) = self.by_slot.get_mut(slot) else { continue };
            if one.prior.is_some_and(|prior| prior.request == request) {
                one.prior = None;
            }
            if one.request != request {
                continue;
            }
            self.given_back.insert(*slot, (ReservationHolder { request, asked_at: one.asked_at }, at));
            match one.prior.take() {
                Some(prior) => (one.request, one.asked_at) = (prior.request, prior.asked_at),
                None => drop(self.by_slot.remove(slot)),
            }
        }
    }

    /// Forgets who asked before `since`, which no window reaches any more.
    pub fn forget_before(&mut self, since: DateTime<Utc>) {
        self.by_slot.retain(|_, one| one.asked_at >= since);
        self.given_back.retain(|_, (_, at)| *at >= since);
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_slot.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_slot.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::hours(hours)
    }

    #[test]
    fn a_give_back_restores_who_asked_before_and_never_who_did_not_ask() {
        let (slot, [first, second, third]) = ([Uuid::from_u128(9)], [1, 2, 3].map(Uuid::from_u128));
        let mut contacts = Reservations::default();
        contacts.reserve(&slot, first, at(1));
        contacts.reserve(&slot, second, at(2));
        contacts.give_back(&slot, second, at(2));
        assert_eq!(contacts.holders(&slot), [ReservationHolder { request: first, asked_at: at(1) }]);
        contacts.reserve(&slot, third, at(3));
        contacts.give_back(&slot, first, at(3));
        assert!(contacts.holds(&slot, third), "it is held by somebody else");
        contacts.give_back(&slot, third, at(4));
        assert!(contacts.is_empty(), "the first one gave up meanwhile");
        assert_eq!(
            contacts.given_back_since(&slot, at(4)),
            [ReservationHolder { request: third, asked_at: at(3) }]
        );
        assert!(contacts.given_back_since(&slot, at(5)).is_empty());
    }

    #[test]
    fn who_is_sent_once_more_counts_from_then_and_keeps_who_asked_before() {
        let (slots, [first, second]) = ([8, 9].map(Uuid::from_u128), [1, 2].map(Uuid::from_u128));
        let mut contacts = Reservations::default();
        contacts.reserve(&slots, first, at(1));
        contacts.reserve(&slots[..1], second, at(2));
        contacts.reserve_again(&slots, second, at(50));
        assert_eq!(contacts.holders(&slots), [ReservationHolder { request: second, asked_at: at(50) }; 2]);
        contacts.give_back(&slots, second, at(51));
        assert_eq!(contacts.holders(&slots), [ReservationHolder { request: first, asked_at: at(1) }; 2]);
    }

    #[test]
    fn a_window_is_over_when_it_is_over_and_a_recovery_has_none() {
        let slot = [Uuid::from_u128(9)];
        let mut contacts = Reservations::default();
        contacts.reserve(&slot, Uuid::from_u128(1), at(0));
        let day = Some(Duration::hours(24));
        assert!(contacts.is_taken(&slot, day, at(23)));
        assert!(!contacts.is_taken(&slot, day, at(24)));
        assert!(!contacts.is_taken(&slot, None, at(1)));
        contacts.begun(&slot, Uuid::from_u128(1), at(5));
        assert!(contacts.is_taken(&slot, day, at(28)), "a late begin counts from its own time");
        contacts.forget_before(at(6));
        assert_eq!(contacts.len(), 0);
    }
}
