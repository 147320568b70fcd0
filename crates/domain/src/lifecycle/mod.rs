//! The life of a message: its states, the signals that move it, the retry times.
//!
//! PURE: `now` and jitter are arguments. `state` is the one stored enum, `transition` the one function that moves
//! it, `schedule` the retry times, `status_poll` the times at which a provider is asked, `fence` the reason for
//! which a message was not begun, `reason` the words of every hold and every end. The database repeats the
//! transition table in a trigger; `tests/it/states.rs` compares the two.

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
