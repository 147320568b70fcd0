//! The times at which a provider is asked about an unknown attempt, or about a message without its receipt.
//!
//! Times count from the attempt's begin; the last poll of an unknown attempt ends its window. A message that is
//! absent at the last two complete polls may be sent once more where the company allows it: by then a provider's
//! index has caught up, as far as can be known.

use std::time::Duration;

use crate::ids::Medium;

/// The times of polls since the attempt was begun, ascending, at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct PollTimes(pub Vec<Duration>);

/// The poll times of each medium.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusPollPlan {
    /// Polls about emails.
    pub email: PollTimes,
    /// Polls about text messages.
    pub sms: PollTimes,
}

impl StatusPollPlan {
    /// The poll times of `medium`.
    #[must_use]
    pub fn for_medium(&self, medium: Medium) -> &PollTimes {
        match medium {
            Medium::Email => &self.email,
            Medium::Sms => &self.sms,
        }
    }
}

/// The result of a poll, as far as the plan needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeResult {
    /// The look-up was complete, and the provider has no such message.
    Absent,
    /// The look-up failed or was incomplete.
    Unclear,
    /// The provider has no look-up.
    Unsupported,
}

/// The consequence of a poll that found nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NextPoll {
    /// Poll again.
    Again {
        /// Time of the next poll since the attempt's begin.
        since_begin: Duration,
        /// Complete and empty polls among the last two.
        absent: i16,
    },
    /// The window is over and the outcome stays unknown.
    End,
    /// Send it once more.
    Resend,
}

/// Number of last polls that must be complete and empty before a message is sent once more.
const ABSENCES: i16 = 2;

impl PollTimes {
    /// The first poll that is due after `elapsed`.
    #[must_use]
    pub fn next(&self, elapsed: Duration) -> Option<Duration> {
        self.0.iter().copied().find(|at| *at > elapsed)
    }

    /// The first poll.
    #[must_use]
    pub fn first(&self) -> Duration {
        self.0.first().copied().unwrap_or_default()
    }

    /// The end of the window.
    #[must_use]
    pub fn last(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    /// The consequence of a poll at `elapsed` since the begin. `absent`: as the previous poll returned it.
    #[must_use]
    pub fn after(&self, elapsed: Duration, absent: i16, result: ProbeResult, may_resend: bool) -> NextPoll {
        let over = self.0.iter().filter(|at| **at <= elapsed).count();
        let left = self.0.len().saturating_sub(over);
        let absent = match result {
            ProbeResult::Absent if left == 0 => absent + 1,
            ProbeResult::Absent if left == 1 => 1,
            ProbeResult::Absent | ProbeResult::Unclear | ProbeResult::Unsupported => 0,
        };
        match (self.next(elapsed), result) {
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

    fn email_times() -> PollTimes {
        PollTimes([1, 5, 15, 30, 45, 60].map(|minutes| minutes * MINUTE).to_vec())
    }

    fn again(minutes: u32, absent: i16) -> NextPoll {
        NextPoll::Again { since_begin: minutes * MINUTE, absent }
    }

    #[test]
    fn looks_follow_the_plan_and_then_it_ends() {
        let (mut absent, mut at) = (0, email_times().next(Duration::ZERO).expect("a first poll"));
        let mut made = vec![at];
        while let NextPoll::Again { since_begin, absent: now } =
            email_times().after(at, absent, ProbeResult::Absent, false)
        {
            (at, absent) = (since_begin, now);
            made.push(at);
        }
        assert_eq!(made, email_times().0);
    }

    #[test]
    fn only_two_complete_and_empty_last_looks_let_it_be_sent_once_more() {
        use ProbeResult::{Absent, Unclear};
        let at_45 = |result| match email_times().after(45 * MINUTE, 0, result, true) {
            NextPoll::Again { absent, .. } => absent,
            NextPoll::End | NextPoll::Resend => panic!("the last look is still to come"),
        };
        for (before, last, expected) in [
            (Absent, Absent, NextPoll::Resend),
            (Unclear, Absent, NextPoll::End),
            (Absent, Unclear, NextPoll::End),
            (Unclear, Unclear, NextPoll::End),
        ] {
            assert_eq!(
                email_times().after(60 * MINUTE, at_45(before), last, true),
                expected,
                "{before:?} {last:?}"
            );
        }
        assert_eq!(
            email_times().after(60 * MINUTE, at_45(Absent), Absent, false),
            NextPoll::End,
            "not allowed"
        );
    }

    #[test]
    fn a_look_that_came_after_both_of_the_last_ones_counts_as_one() {
        assert_eq!(email_times().after(90 * MINUTE, 0, ProbeResult::Absent, true), NextPoll::End);
        assert_eq!(email_times().after(31 * MINUTE, 0, ProbeResult::Absent, true), again(45, 0));
    }

    #[test]
    fn a_provider_that_cannot_be_asked_is_waited_for_until_the_end() {
        assert_eq!(email_times().after(MINUTE, 0, ProbeResult::Unsupported, true), again(60, 0));
        assert_eq!(email_times().after(60 * MINUTE, 0, ProbeResult::Unsupported, true), NextPoll::End);
    }

    proptest! {
        #[test]
        fn every_plan_ends_and_never_sends_again_unasked(
            steps in proptest::collection::vec(1u64..100, 1..8),
            results in proptest::collection::vec(0usize..3, 10),
            late in 0u64..150
        ) {
            let mut at = 0;
            let times = PollTimes(steps.iter().map(|step| { at += step; Duration::from_secs(at) }).collect());
            let (mut absent, mut elapsed) = (0, times.0[0]);
            for result in results {
                let result = [ProbeResult::Absent, ProbeResult::Unclear, ProbeResult::Unsupported][result];
                match times.after(elapsed + Duration::from_secs(late), absent, result, false) {
                    NextPoll::Again { since_begin, absent: now } => {
                        prop_assert!(since_begin > elapsed);
                        (elapsed, absent) = (since_begin, now);
                    }
                    NextPoll::Resend => return Err(TestCaseError::fail("sent again unasked")),
                    NextPoll::End => return Ok(()),
                }
            }
            prop_assert!(false, "no end after ten times of eight");
        }
    }
}
