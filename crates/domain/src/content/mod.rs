//! Messages to customers: built-in texts in English and French, rendered for email and SMS.
//!
//! PURE. `compose` makes a whole message of a brand and a request, for previews and for sending. `render` fills the
//! templates of `templates/`, `language` chooses between them, `clean` makes names harmless before they get in, `sms`
//! counts segments, `links` builds the survey link; `letter` is an email to a company's own people. Values are never
//! templates, and a job's `external_url` is never in a message.

pub mod clean;
pub mod compose;
pub mod language;
pub mod letter;
pub mod links;
pub mod render;
pub mod sms;

pub use letter::PlainEmail;
pub use links::survey_url;
pub use render::{RenderError, RenderFacts, RenderedEmail, RenderedSms, Renderer};
