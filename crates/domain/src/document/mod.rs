//! Reading of documents that others write (JSON bodies, TOML files): values, fields, problems.
//!
//! PURE. Jobs, responses and company files are read by the same rules. `node` keeps a document as it was
//! written, `fields` reads it field by field, `problem` is one mistake, `strict` holds the checks of every
//! document, `text` the harmless characters. This folder knows no field of any document. Read `fields` first.

pub mod fields;
pub mod node;
pub mod problem;
pub mod strict;
pub mod text;

pub use problem::Problem;
