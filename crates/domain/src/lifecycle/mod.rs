//! The life of a message: its states, what moves it, when it is tried again.
//!
//! PURE: `now` and jitter are arguments. `state` is the one enum that is stored, `transition` the one
//! function that moves it, `schedule` the retry times, `looks` the times at which a provider is asked,
//! `reason` the words that every hold and every end carries. The database repeats the transition table in a trigger; `tests` compare the two.

pub mod diagram;
pub mod fence;
pub mod reason;
pub mod schedule;
pub mod state;
pub mod status_poll;
pub mod transition;

pub use reason::Reason;
pub use schedule::{NextTry, RetrySchedule};
pub use state::{State, Status};
pub use status_poll::{PollTimes, StatusPollPlan};
pub use transition::{Signal, TransitionMap, transition};
