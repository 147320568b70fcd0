//! The low-water mark: which deliveries may be acknowledged together.
//!
//! Tags of a channel count up by one. `multiple` up to a tag says that every delivery up to it is
//! committed, so the mark moves only over an unbroken run of settled tags: lapin does not invalidate single
//! acks below a `multiple`, and a second ack of one tag closes the channel (docs/dependency-hazards.md#f7).
//! A suspect may wait long: deliveries beyond it are acknowledged one by one meanwhile.

use std::collections::VecDeque;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Taken,
    /// Taken, and to be settled after all others.
    Suspect,
    /// Committed, not acknowledged.
    Settled,
    /// Acknowledged by itself, before the mark came here.
    Acknowledged,
}

/// Unacknowledged tags of one channel, in order.
#[derive(Debug, Default)]
pub struct LowWater {
    /// Tag of the first entry, or of the next one; 0 before the channel's first.
    first: u64,
    places: VecDeque<Place>,
    unacknowledged: usize,
}

/// What is to be acknowledged now; no tag is named twice.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Acks {
    /// Everything up to this tag, which is still outstanding itself: the broker refuses another.
    pub up_to: Option<u64>,
    /// Each by itself.
    pub singly: Vec<u64>,
}

impl LowWater {
    /// Takes the next delivery's tag. Gives false where the tag does not follow the one before, which
    /// only a broken channel can do.
    #[must_use]
    pub fn take(&mut self, tag: u64) -> bool {
        if self.first == 0 {
            self.first = tag;
        }
        if tag != self.first + self.places.len() as u64 {
            return false;
        }
        self.places.push_back(Place::Taken);
        self.unacknowledged += 1;
        true
    }

    /// Takes the next delivery's tag as that of a suspect.
    #[must_use]
    pub fn take_suspect(&mut self, tag: u64) -> bool {
        let contiguous = self.take(tag);
        if let Some(last) = self.places.back_mut().filter(|_| contiguous) {
            *last = Place::Suspect;
        }
        contiguous
    }

    /// Marks deliveries as committed; gives what may be acknowledged by that.
    pub fn settle(&mut self, tags: &[u64]) -> Acks {
        for tag in tags {
            let place = tag.checked_sub(self.first).and_then(|place| self.places.get_mut(place as usize));
            if let Some(place) = place.filter(|place| matches!(place, Place::Taken | Place::Suspect)) {
                *place = Place::Settled;
            }
        }
        let done = |place: &&Place| matches!(place, Place::Settled | Place::Acknowledged);
        let run = self.places.iter().take_while(done).count();
        let last = self.places.iter().take(run).rposition(|place| *place == Place::Settled);
        let mut acks = Acks { up_to: last.map(|place| self.first + place as u64), singly: Vec::new() };
        let passed = self.places.drain(..run).filter(|place| *place == Place::Settled).count();
        self.first += run as u64;
        let suspect = self.places.iter().position(|place| *place == Place::Suspect);
        for (place, tag) in self.places.iter_mut().zip(self.first..).skip(suspect.unwrap_or(usize::MAX)) {
            if *place == Place::Settled {
                *place = Place::Acknowledged;
                acks.singly.push(tag);
            }
        }
        self.unacknowledged -= passed + acks.singly.len();
        acks
    }

    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.unacknowledged
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
    fn a_suspect_holds_nobody_back_and_is_never_acknowledged_along_with_others() {
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

    /// The broker's side: refuses what is not outstanding, and must never get what is not committed.
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
        fn only_what_is_committed_is_acknowledged_once_and_no_suspect_holds_anything_back(
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
