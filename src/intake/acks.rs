//! The low-water mark: which deliveries may be acknowledged together.
//!
//! Tags of a channel count up by one. `multiple` up to a tag says that every delivery up to it is
//! committed, so the mark moves only over an unbroken run of settled tags (traps F7, §1.4).

use std::collections::VecDeque;

/// Unsettled tags of one channel, in order.
#[derive(Debug, Default)]
pub struct LowWater {
    /// Tag of the first entry, or of the next one; 0 before the channel's first.
    first: u64,
    settled: VecDeque<bool>,
}

impl LowWater {
    /// Takes the next delivery's tag. Gives false where the tag does not follow the one before, which
    /// only a broken channel can do.
    #[must_use]
    pub fn take(&mut self, tag: u64) -> bool {
        if self.first == 0 {
            self.first = tag;
        }
        if tag != self.first + self.settled.len() as u64 {
            return false;
        }
        self.settled.push_back(false);
        true
    }

    /// Marks deliveries as committed; gives the tag up to which all are, if it moved.
    pub fn settle(&mut self, tags: &[u64]) -> Option<u64> {
        for tag in tags {
            let place = tag.checked_sub(self.first).and_then(|place| self.settled.get_mut(place as usize));
            if let Some(place) = place {
                *place = true;
            }
        }
        let run = self.settled.iter().take_while(|settled| **settled).count();
        if run == 0 {
            return None;
        }
        self.settled.drain(..run);
        self.first += run as u64;
        Some(self.first - 1)
    }

    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.settled.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_mark_waits_for_the_oldest() {
        let mut mark = LowWater::default();
        for tag in 1..=4 {
            assert!(mark.take(tag));
        }
        assert_eq!(mark.settle(&[2, 3]), None);
        assert_eq!(mark.settle(&[1]), Some(3));
        assert_eq!(mark.settle(&[4]), Some(4));
        assert_eq!(mark.unsettled(), 0);
        assert!(!mark.take(6), "a gap is a broken channel, also where nothing is unsettled");
        assert!(mark.take(5) && !mark.take(7));
    }

    proptest! {
        #[test]
        fn nothing_is_acknowledged_before_everything_up_to_it_is_settled(
            order in Just((1u64..=60).collect::<Vec<_>>()).prop_shuffle()
        ) {
            let mut mark = LowWater::default();
            for tag in 1..=60 {
                prop_assert!(mark.take(tag));
            }
            let mut settled = std::collections::BTreeSet::new();
            let mut acknowledged = 0;
            for tag in order {
                settled.insert(tag);
                if let Some(up_to) = mark.settle(&[tag]) {
                    prop_assert!((1..=up_to).all(|tag| settled.contains(&tag)));
                    prop_assert!(up_to > acknowledged);
                    acknowledged = up_to;
                }
            }
            prop_assert_eq!(acknowledged, 60);
        }
    }
}
