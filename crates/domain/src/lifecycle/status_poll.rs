//! When an unknown attempt, or a message without its receipt, is looked for at its provider.
//!
//! Times count from the attempt's begin; the last of an unknown's looks ends its window. What is absent
//! at the last two looks, both complete, may be sent once more where the company wants it: by then a
//! provider's index has caught up, as far as anybody can know.

use std::time::Duration;

use crate::ids::Medium;

/// The times of looks since the attempt was begun, ascending, at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct PollTimes(pub Vec<Duration>);

/// The looks of each medium.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusPollPlan {
    pub email: PollTimes,
    pub sms: PollTimes,
}

impl StatusPollPlan {
    #[must_use]
    pub fn for_medium(&self, medium: Medium) -> &PollTimes {
        match medium {
            Medium::Email => &self.email,
            Medium::Sms => &self.sms,
        }
    }
}

/// What a look said, as far as the plan is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeResult {
    /// Asked completely, and the provider has no such message.
    Absent,
    /// Nobody could say.
    Unclear,
    /// This provider cannot be asked.
    Unsupported,
}

/// What follows a look that found nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NextPoll {
    /// Look again so long after the attempt's begin. `absent`: complete and empty looks among the last two.
    Again { since_begin: Duration, absent: i16 },
    /// Nobody will know any more.
    End,
    /// Send it once more.
    Resend,
}

/// How many of the last looks must have been complete and empty before anything is sent once more.
const ABSENCES: i16 = 2;

impl PollTimes {
    /// The first look that is due after `elapsed`.
    #[must_use]
    pub fn next(&self, elapsed: Duration) -> Option<Duration> {
        self.0.iter().copied().find(|at| *at > elapsed)
    }

    /// The first look.
    #[must_use]
    pub fn first(&self) -> Duration {
        self.0.first().copied().unwrap_or_default()
    }

    /// The end of the window.
    #[must_use]
    pub fn last(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    /// After a look at `elapsed` since the begin. `absent`: as the look before left it.
    #[must_use]
    pub fn after(&self, elapsed: Duration, absent: i16, sight: ProbeResult, may_resend: bool) -> NextPoll {
        let over = self.0.iter().filter(|at| **at <= elapsed).count();
        let left = self.0.len().saturating_sub(over);
        let absent = match sight {
            ProbeResult::Absent if left == 0 => absent + 1,
            ProbeResult::Absent if left == 1 => 1,
            ProbeResult::Absent | ProbeResult::Unclear | ProbeResult::Unsupported => 0,
        };
        match (self.next(elapsed), sight) {
            (None, _) if may_resend && absent >= ABSENCES => NextPoll::Resend,
            (None, _) => NextPoll::End,
            (Some(_), ProbeResult::Unsupported) => NextPoll::Again { since_begin: self.last(), absent: 0 },
            (Some(since_begin), ProbeResult::Absent | ProbeResult::Unclear) => {
                NextPoll::Again { since_begin, absent }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn mail() -> PollTimes {
        PollTimes([1, 5, 15, 30, 45, 60].map(|minutes| minutes * MINUTE).to_vec())
    }

    fn again(minutes: u32, absent: i16) -> NextPoll {
        NextPoll::Again { since_begin: minutes * MINUTE, absent }
    }

    #[test]
    fn looks_follow_the_plan_and_then_it_ends() {
        let (mut absent, mut at) = (0, mail().next(Duration::ZERO).expect("a first look"));
        let mut made = vec![at];
        while let NextPoll::Again { since_begin, absent: now } =
            mail().after(at, absent, ProbeResult::Absent, false)
        {
            (at, absent) = (since_begin, now);
            made.push(at);
        }
        assert_eq!(made, mail().0);
    }

    #[test]
    fn only_two_complete_and_empty_last_looks_let_it_be_sent_once_more() {
        use ProbeResult::{Absent, Unclear};
        let at_45 = |sight| match mail().after(45 * MINUTE, 0, sight, true) {
            NextPoll::Again { absent, .. } => absent,
            NextPoll::End | NextPoll::Resend => panic!("the last look is still to come"),
        };
        for (before, last, expected) in [
            (Absent, Absent, NextPoll::Resend),
            (Unclear, Absent, NextPoll::End),
            (Absent, Unclear, NextPoll::End),
            (Unclear, Unclear, NextPoll::End),
        ] {
            assert_eq!(mail().after(60 * MINUTE, at_45(before), last, true), expected, "{before:?} {last:?}");
        }
        assert_eq!(mail().after(60 * MINUTE, at_45(Absent), Absent, false), NextPoll::End, "not allowed");
    }

    #[test]
    fn a_look_that_came_after_both_of_the_last_ones_counts_as_one() {
        assert_eq!(mail().after(90 * MINUTE, 0, ProbeResult::Absent, true), NextPoll::End);
        assert_eq!(mail().after(31 * MINUTE, 0, ProbeResult::Absent, true), again(45, 0));
    }

    #[test]
    fn a_provider_that_cannot_be_asked_is_waited_for_until_the_end() {
        assert_eq!(mail().after(MINUTE, 0, ProbeResult::Unsupported, true), again(60, 0));
        assert_eq!(mail().after(60 * MINUTE, 0, ProbeResult::Unsupported, true), NextPoll::End);
    }

    proptest! {
        #[test]
        fn every_plan_ends_and_never_sends_again_unasked(
            steps in proptest::collection::vec(1u64..100, 1..8),
            sights in proptest::collection::vec(0usize..3, 10),
            late in 0u64..150
        ) {
            let mut at = 0;
            let looks = PollTimes(steps.iter().map(|step| { at += step; Duration::from_secs(at) }).collect());
            let (mut absent, mut elapsed) = (0, looks.0[0]);
            for sight in sights {
                let sight = [ProbeResult::Absent, ProbeResult::Unclear, ProbeResult::Unsupported][sight];
                match looks.after(elapsed + Duration::from_secs(late), absent, sight, false) {
                    NextPoll::Again { since_begin, absent: now } => {
                        prop_assert!(since_begin > elapsed);
                        (elapsed, absent) = (since_begin, now);
                    }
                    NextPoll::Resend => return Err(TestCaseError::fail("sent again unasked")),
                    NextPoll::End => return Ok(()),
                }
            }
            prop_assert!(false, "no end after ten looks of eight");
        }
    }
}
