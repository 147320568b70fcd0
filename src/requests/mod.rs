//! Requests as people read them, and what people may do to them: one wording for every page and command.
//!
//! `find` pages through the list, `line` is one line of it; `shown` is one request with its `timeline`, `why`
//! each rule's word and what happened `since`; `act` pauses, resumes, cancels and retries, and words what came
//! of it, `bulk` does it to many. `standing`, `reasons` and `times` are the words that all of them share.

pub mod act;
pub mod bulk;
#[cfg(test)]
pub mod example;
pub mod find;
pub mod line;
pub mod reasons;
pub mod shown;
pub mod since;
pub mod standing;
pub mod timeline;
pub mod times;
pub mod why;
