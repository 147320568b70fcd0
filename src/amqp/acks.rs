//! The low-water mark: the deliveries that may be acknowledged together.
//!
//! Tags of a channel count up by one. An ack with `multiple` covers every delivery up to its tag, so the mark moves over
//! an unbroken run of committed tags only: lapin does not invalidate single acks below a `multiple`, and a second ack
//! of one tag closes the channel (docs/dependency-hazards.md#f7). Deliveries beyond a waiting suspect are acknowledged
//! singly. No I/O; `consumer` sends the acks.

use std::collections::VecDeque;

/// State of one delivery from the mark on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeliveryState {
    /// Not committed.
    Taken,
    /// Not committed, a poison suspect.
    Suspect,
    /// Committed, not acknowledged.
    Settled,
    /// Acknowledged singly, beyond the mark.
    Acknowledged,
}

/// The deliveries of one channel from the first unacknowledged one on. Each is settled once, or returned to the broker
/// by `release`; debug builds log deliveries that were neither.
#[derive(Debug, Default)]
#[must_use = "deliveries must be settled or released"]
pub struct LowWater {
    /// Tag of the first entry, or of the next delivery; 0 before the channel's first.
    first: u64,
    deliveries: VecDeque<DeliveryState>,
    unacknowledged: usize,
}

/// Acks to be sent, `singly` before `up_to`. No tag is acknowledged twice.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use = "a committed delivery without an ack is delivered again"]
pub struct Acks {
    /// Tag of an ack with `multiple`. Its own delivery is unacknowledged: the broker refuses any other tag.
    pub up_to: Option<u64>,
    /// Tags of single acks.
    pub singly: Vec<u64>,
}

impl LowWater {
    /// Adds the next delivery; returns false if its tag does not follow the one before: the channel is broken.
    #[must_use]
    pub fn take(&mut self, tag: u64) -> bool {
        self.push(tag, DeliveryState::Taken)
    }

    /// Adds the next delivery as a suspect; returns as `take`.
    #[must_use]
    pub fn take_suspect(&mut self, tag: u64) -> bool {
        self.push(tag, DeliveryState::Suspect)
    }

    fn push(&mut self, tag: u64, state: DeliveryState) -> bool {
        if self.first == 0 {
            self.first = tag;
        }
        if tag != self.first + self.deliveries.len() as u64 {
            return false;
        }
        self.deliveries.push_back(state);
        self.unacknowledged += 1;
        true
    }

    /// Marks deliveries as committed; returns the acks that this allows.
    pub fn settle(&mut self, tags: &[u64]) -> Acks {
        for tag in tags {
            let index = tag.checked_sub(self.first);
            let state = index.and_then(|index| self.deliveries.get_mut(index as usize));
            match state {
                Some(state @ (DeliveryState::Taken | DeliveryState::Suspect)) => {
                    *state = DeliveryState::Settled
                }
                _ => debug_assert!(false, "delivery {tag} is taken, and settled once"),
            }
        }
        let is_committed =
            |state: &&DeliveryState| matches!(state, DeliveryState::Settled | DeliveryState::Acknowledged);
        let run = self.deliveries.iter().take_while(is_committed).count();
        let last = self.deliveries.iter().take(run).rposition(|state| *state == DeliveryState::Settled);
        let mut acks = Acks { up_to: last.map(|index| self.first + index as u64), singly: Vec::new() };
        let passed = self.deliveries.drain(..run).filter(|state| *state == DeliveryState::Settled).count();
        self.first += run as u64;
        let suspect = self.deliveries.iter().position(|state| *state == DeliveryState::Suspect);
        let beyond = suspect.unwrap_or(self.deliveries.len());
        for (state, tag) in self.deliveries.iter_mut().zip(self.first..).skip(beyond) {
            if *state == DeliveryState::Settled {
                *state = DeliveryState::Acknowledged;
                acks.singly.push(tag);
            }
        }
        self.unacknowledged -= passed + acks.singly.len();
        acks
    }

    /// Number of deliveries without an ack.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.unacknowledged
    }

    /// Gives up the deliveries without an ack, at the end of the channel: the broker delivers them again.
    pub fn release(mut self) {
        self.unacknowledged = 0;
    }
}

impl Drop for LowWater {
    fn drop(&mut self) {
        if cfg!(debug_assertions) && self.unacknowledged > 0 && !std::thread::panicking() {
            tracing::error!(
                deliveries = self.unacknowledged,
                "an AMQP session was dropped with deliveries neither settled nor released; they come again"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn up_to(tag: u64) -> Acks {
        Acks { up_to: Some(tag), singly: Vec::new() }
    }

    #[test]
    fn the_mark_waits_for_the_oldest() {
        let mut mark = LowWater::default();
        for tag in 1..=4 {
            assert!(mark.take(tag));
        }
        assert_eq!(mark.settle(&[2, 3]), Acks::default());
        assert_eq!(mark.settle(&[1]), up_to(3));
        assert_eq!(mark.settle(&[4]), up_to(4));
        assert_eq!(mark.unacknowledged(), 0);
        assert!(!mark.take(6), "a gap is a broken channel, also where nothing is unsettled");
        assert!(mark.take(5) && !mark.take(7));
    }

    #[test]
    fn a_suspect_delays_no_ack_and_is_never_acknowledged_with_others() {
        let mut mark = LowWater::default();
        assert!(mark.take(1) && mark.take_suspect(2) && mark.take(3) && mark.take(4));
        assert_eq!(mark.settle(&[1, 4]), Acks { up_to: Some(1), singly: vec![4] });
        assert_eq!(mark.settle(&[3]), Acks { up_to: None, singly: vec![3] });
        assert_eq!(mark.unacknowledged(), 1);
        // The mark passes over 3 and 4, and names only what is outstanding.
        assert_eq!(mark.settle(&[2]), up_to(2));
        assert_eq!(mark.unacknowledged(), 0);
        assert!(mark.take(5));
        assert_eq!(mark.settle(&[5]), up_to(5));
    }

    /// The broker: refuses acks of tags that are not outstanding. Only committed tags may be acknowledged.
    struct Broker {
        outstanding: BTreeSet<u64>,
    }

    impl Broker {
        fn take(&mut self, acks: &Acks, settled: &BTreeSet<u64>) -> Result<(), TestCaseError> {
            for tag in &acks.singly {
                prop_assert!(settled.contains(tag), "{tag} is not committed");
                prop_assert!(self.outstanding.remove(tag), "{tag} is not outstanding");
            }
            if let Some(up_to) = acks.up_to {
                prop_assert!(self.outstanding.contains(&up_to), "{up_to} is not outstanding");
                let rest = self.outstanding.split_off(&(up_to + 1));
                prop_assert!(self.outstanding.is_subset(settled), "not all up to {up_to} are committed");
                self.outstanding = rest;
            }
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn committed_deliveries_are_acknowledged_once_and_no_suspect_delays_them(
            order in Just((1u64..=60).collect::<Vec<_>>()).prop_shuffle(),
            suspects in proptest::collection::btree_set(1u64..=60, 0..10),
            batch in 1usize..5,
        ) {
            let mut mark = LowWater::default();
            for tag in 1..=60 {
                let taken = if suspects.contains(&tag) { mark.take_suspect(tag) } else { mark.take(tag) };
                prop_assert!(taken);
            }
            let mut broker = Broker { outstanding: (1..=60).collect() };
            let mut settled = BTreeSet::new();
            for tags in order.chunks(batch) {
                settled.extend(tags);
                broker.take(&mark.settle(tags), &settled)?;
                prop_assert_eq!(mark.unacknowledged(), broker.outstanding.len());
                let first = suspects.difference(&settled).next().copied().unwrap_or(u64::MAX);
                let held = broker.outstanding.range(first..).find(|tag| settled.contains(tag));
                prop_assert_eq!(held, None, "committed, and held back by suspect {}", first);
                let before = (1..).find(|tag| !settled.contains(tag)).expect("tags end");
                prop_assert!(broker.outstanding.range(..before).next().is_none(), "the mark moves at once");
            }
            prop_assert!(broker.outstanding.is_empty());
        }
    }
}
