//! `make bench-pure`: what the parts without I/O cost, each alone, and where the CPU of an email goes.
//!
//! Criterion measures wall time on one thread; names are `group/part`, and an argument picks those that hold
//! it. The table of `split` comes last, or alone with the argument `split`. `material` is what everything
//! works on: the jobs of `make bench`, for the company that takes them there. Benches: `intake`, `moving`,
//! `sending`, `receipts`, `split`.

#[expect(dead_code, reason = "shared with the integration tests, which use all of it")]
#[path = "../../tests/it/support/company.rs"]
mod company;
mod intake;
#[expect(dead_code, reason = "only make bench asks for later dates")]
#[path = "../run/jobs.rs"]
mod jobs;
mod material;
mod moving;
mod receipts;
mod report;
mod sending;
mod split;

use std::time::Duration;

use criterion::Criterion;

/// Enough for a tenth of a microsecond; all of it takes about a minute.
const WARM_UP: Duration = Duration::from_millis(300);
const MEASUREMENT: Duration = Duration::from_millis(1_200);

fn main() {
    if !std::env::args().any(|argument| argument == "split") {
        let defaults = Criterion::default().warm_up_time(WARM_UP).measurement_time(MEASUREMENT);
        let mut criterion = defaults.without_plots().configure_from_args();
        intake::bench(&mut criterion);
        moving::bench(&mut criterion);
        sending::bench(&mut criterion);
        receipts::bench(&mut criterion);
        split::bench(&mut criterion);
        criterion.final_summary();
    }
    println!("\n{}", split::measure());
}
