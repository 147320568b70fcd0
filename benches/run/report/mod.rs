//! All figures and their meaning: figures by part, their tables, the targets, the page and the picture.
//!
//! No I/O: `results_dir` reads and writes. It knows nothing of the harness, so that tests/bench_report.rs tries
//! it by itself. A further part adds a file with its figures and sheets, and a field to `Parts`.

mod bars;
mod bloat;
mod claims;
mod delays;
mod figures;
mod goal;
mod ingress;
mod latency;
mod markdown;
mod origin;
mod parts;
mod picture;
mod rates;
mod sheet;
mod steady;
mod sweep;
mod targets;
mod waiting;

pub use bloat::{Bloat, Size};
pub use claims::Claims;
pub use delays::{Delays, Percentiles, kept_up};
pub use figures::{Figures, Spread};
pub use goal::{Goal, Medium};
pub use ingress::{Entrance, Way};
pub use latency::{Latency, Load};
pub use markdown::page;
pub use origin::{Machine, Origin, Part, plain};
pub use parts::Parts;
pub use picture::picture;
pub use rates::Rate;
pub use sheet::Sheet;
pub use steady::steady_rate;
pub use sweep::Tried;
pub use targets::sheet as target_sheet;
pub use waiting::{Drain, Waiting};

/// The row that all others are compared with, and the row of the product.
pub const LIMIT: &str = "limit";
pub const POSTRIDER: &str = "postrider";
