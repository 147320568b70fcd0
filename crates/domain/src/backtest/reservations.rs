//! The reservations of a company's people, in memory: as `accept`, `begin` and `release_reservations` keep them.
//!
//! `tests/it/simulations` compares a replay with the database.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::rules::ReservationHolder;

/// A begin later than planned by this much counts from its own time (`begin.sql`).
const LATE_MINUTES: i64 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reservation {
    request: Uuid,
    asked_at: DateTime<Utc>,
    /// The holder that a release restores.
    prior: Option<ReservationHolder>,
}

/// The latest holder of each reservation key.
#[derive(Debug, Default)]
pub struct Reservations {
    by_key: HashMap<Uuid, Reservation>,
    /// The last released holder of each key, and the time of the release.
    released: HashMap<Uuid, (ReservationHolder, DateTime<Utc>)>,
}

impl Reservations {
    #[must_use]
    pub fn holders(&self, reservation_keys: &[Uuid]) -> Vec<ReservationHolder> {
        let held = reservation_keys.iter().filter_map(|key| self.by_key.get(key));
        held.map(|one| ReservationHolder { request: one.request, asked_at: one.asked_at }).collect()
    }

    /// The holders that released these keys since then.
    #[must_use]
    pub fn released_since(&self, reservation_keys: &[Uuid], since: DateTime<Utc>) -> Vec<ReservationHolder> {
        let given = reservation_keys.iter().filter_map(|key| self.released.get(key));
        given.filter(|(_, at)| *at >= since).map(|(holder, _)| *holder).collect()
    }

    /// Whether a holder of one of these keys asked less than `window` ago; a recovery has no window.
    #[must_use]
    pub fn is_taken(&self, reservation_keys: &[Uuid], window: Option<Duration>, now: DateTime<Utc>) -> bool {
        let Some(window) = window else { return false };
        reservation_keys.iter().filter_map(|key| self.by_key.get(key)).any(|one| one.asked_at > now - window)
    }

    pub fn reserve(&mut self, reservation_keys: &[Uuid], request: Uuid, asked_at: DateTime<Utc>) {
        for key in reservation_keys {
            let old = self.by_key.get(key);
            let prior = old.map(|old| ReservationHolder { request: old.request, asked_at: old.asked_at });
            self.by_key.insert(*key, Reservation { request, asked_at, prior });
        }
    }

    /// A manual retry: keys that the request still holds count from now, and it takes the others.
    pub fn reserve_again(&mut self, reservation_keys: &[Uuid], request: Uuid, asked_at: DateTime<Utc>) {
        for key in reservation_keys {
            match self.by_key.get_mut(key).filter(|one| one.request == request) {
                Some(one) => one.asked_at = asked_at,
                None => self.reserve(&[*key], request, asked_at),
            }
        }
    }

    /// A holder from before the read history; ignored for keys with a known holder.
    pub fn learn_earlier(&mut self, reservation_keys: &[Uuid], holder: ReservationHolder) {
        let ReservationHolder { request, asked_at } = holder;
        for key in reservation_keys {
            self.by_key.entry(*key).or_insert(Reservation { request, asked_at, prior: None });
        }
    }

    /// Whether `request` still holds all of these keys; a key dropped for its age counts as held.
    #[must_use]
    pub fn holds(&self, reservation_keys: &[Uuid], request: Uuid) -> bool {
        reservation_keys.iter().filter_map(|key| self.by_key.get(key)).all(|one| one.request == request)
    }

    /// A begin later than planned counts from now.
    pub fn begun(&mut self, reservation_keys: &[Uuid], request: Uuid, now: DateTime<Utc>) {
        for key in reservation_keys {
            if let Some(one) = self.by_key.get_mut(key)
                && one.request == request
                && one.asked_at < now - Duration::minutes(LATE_MINUTES)
            {
                one.asked_at = now;
            }
        }
    }

    /// The request ended unsent: the earlier holder of each key is restored, and this one never is.
    pub fn release(&mut self, reservation_keys: &[Uuid], request: Uuid, at: DateTime<Utc>) {
        for key in reservation_keys {
            let Some(one) = self.by_key.get_mut(key) else { continue };
            if one.prior.is_some_and(|prior| prior.request == request) {
                one.prior = None;
            }
            if one.request != request {
                continue;
            }
            self.released.insert(*key, (ReservationHolder { request, asked_at: one.asked_at }, at));
            match one.prior.take() {
                Some(prior) => (one.request, one.asked_at) = (prior.request, prior.asked_at),
                None => drop(self.by_key.remove(key)),
            }
        }
    }

    /// Drops holders from before `since`, which no window reaches.
    pub fn forget_before(&mut self, since: DateTime<Utc>) {
        self.by_key.retain(|_, one| one.asked_at >= since);
        self.released.retain(|_, (_, at)| *at >= since);
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
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
        let (key, [first, second, third]) = ([Uuid::from_u128(9)], [1, 2, 3].map(Uuid::from_u128));
        let mut contacts = Reservations::default();
        contacts.reserve(&key, first, at(1));
        contacts.reserve(&key, second, at(2));
        contacts.release(&key, second, at(2));
        assert_eq!(contacts.holders(&key), [ReservationHolder { request: first, asked_at: at(1) }]);
        contacts.reserve(&key, third, at(3));
        contacts.release(&key, first, at(3));
        assert!(contacts.holds(&key, third), "it is held by somebody else");
        contacts.release(&key, third, at(4));
        assert!(contacts.is_empty(), "the first one gave up meanwhile");
        assert_eq!(
            contacts.released_since(&key, at(4)),
            [ReservationHolder { request: third, asked_at: at(3) }]
        );
        assert!(contacts.released_since(&key, at(5)).is_empty());
    }

    #[test]
    fn who_is_sent_once_more_counts_from_then_and_keeps_who_asked_before() {
        let (reservation_keys, [first, second]) = ([8, 9].map(Uuid::from_u128), [1, 2].map(Uuid::from_u128));
        let mut contacts = Reservations::default();
        contacts.reserve(&reservation_keys, first, at(1));
        contacts.reserve(&reservation_keys[..1], second, at(2));
        contacts.reserve_again(&reservation_keys, second, at(50));
        assert_eq!(
            contacts.holders(&reservation_keys),
            [ReservationHolder { request: second, asked_at: at(50) }; 2]
        );
        contacts.release(&reservation_keys, second, at(51));
        assert_eq!(
            contacts.holders(&reservation_keys),
            [ReservationHolder { request: first, asked_at: at(1) }; 2]
        );
    }

    #[test]
    fn a_window_is_over_when_it_is_over_and_a_recovery_has_none() {
        let key = [Uuid::from_u128(9)];
        let mut contacts = Reservations::default();
        contacts.reserve(&key, Uuid::from_u128(1), at(0));
        let day = Some(Duration::hours(24));
        assert!(contacts.is_taken(&key, day, at(23)));
        assert!(!contacts.is_taken(&key, day, at(24)));
        assert!(!contacts.is_taken(&key, None, at(1)));
        contacts.begun(&key, Uuid::from_u128(1), at(5));
        assert!(contacts.is_taken(&key, day, at(28)), "a late begin counts from its own time");
        contacts.forget_before(at(6));
        assert_eq!(contacts.len(), 0);
    }
}
