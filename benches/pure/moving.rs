//! The lifecycle: one transition, and the map of all of them that a settlement carries.
//!
//! A transition is a few nanoseconds, so that all states are moved by all signals at once.

use std::hint::black_box;

use criterion::Criterion;
use postrider_domain::lifecycle::{Signal, State, TransitionMap, transition};

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lifecycle");
    group.bench_function("every transition", |bencher| {
        bencher.iter(|| {
            for signal in Signal::ALL {
                for state in State::ALL {
                    black_box(transition(black_box(state), black_box(signal)));
                }
            }
        });
    });
    group.bench_function("map", |bencher| bencher.iter(|| TransitionMap::new(black_box(Signal::Accepted))));
    group.finish();
}
