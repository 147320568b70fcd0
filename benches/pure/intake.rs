//! From a job's bytes to a decided row: parse, place, the keyed hashes, the rules; each alone and all in one.
//!
//! `whole` is the CPU work for one job of a batch: `intake::admit`, `intake::pipeline` without its gather, and the
//! JSON of the decision as the ledger keeps it.

use std::hint::black_box;

use criterion::Criterion;
use postrider::intake::{
    decide::{decide, prepare},
    lookup_keys,
};
use postrider_domain::{
    address::normalise_phone,
    ids::Medium,
    job::{JobOrigin, parse::parse},
    rules::{self, Case, Facts, MemberFact},
};

use crate::material;

pub fn bench(criterion: &mut Criterion) {
    whole(criterion);
    reading(criterion);
    keyed_hashes(criterion);
    deciding(criterion);
}

fn whole(criterion: &mut Criterion) {
    let (keys, company, now) = (material::keys(), material::company(), material::now());
    let key = material::key();
    let mut group = criterion.benchmark_group("intake");
    for medium in [Medium::Sms, Medium::Email] {
        let body = material::body(medium);
        group.bench_function(format!("whole {}", medium.as_str()), |bencher| {
            bencher.iter(|| {
                let job = parse(black_box(&body)).expect("a job that is taken");
                let pending = material::pending(&keys, &company, job, &key);
                let prepared = prepare(&keys.identity, pending, None).expect("a place");
                let row = decide(&keys.identity, &prepared, None, now).expect("a row");
                let account = serde_json::to_string(&row.decision).expect("plain data");
                black_box((prepared, row, account))
            });
        });
    }
    group.finish();
}

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for medium in [Medium::Sms, Medium::Email] {
        let body = material::body(medium);
        group.bench_function(medium.as_str(), |bencher| bencher.iter(|| parse(black_box(&body))));
    }
    for (name, text, country) in
        [("phone E.164", "+14150004321", None), ("phone national", "(415) 555-2671", Some("US"))]
    {
        group.bench_function(name, |bencher| bencher.iter(|| normalise_phone(black_box(text), country)));
    }
    let job = material::parsed(Medium::Sms);
    group.bench_function("content bytes", |bencher| bencher.iter(|| black_box(&job).content_bytes()));
    group.finish();
}

fn keyed_hashes(criterion: &mut Criterion) {
    let (keys, company, key) = (material::keys(), material::company(), material::key());
    let prepared = material::prepared(Medium::Sms);
    let mut group = criterion.benchmark_group("hashes");
    group.bench_function("one", |bencher| {
        bencher.iter(|| keys.identity.idempotency_hash(company.id, black_box(&key)));
    });
    group.bench_function("idempotency", |bencher| {
        bencher.iter(|| {
            lookup_keys::idempotency(&keys.identity, &company, &prepared.job, Some(black_box(key.as_str())))
        });
    });
    group.bench_function("look-up", |bencher| {
        let hash = prepared.pending.idempotency_hash;
        bencher.iter(|| {
            lookup_keys::lookup(&keys.identity, &company, black_box(&prepared.job), &prepared.placed, hash)
        });
    });
    group.finish();
}

fn deciding(criterion: &mut Criterion) {
    let (keys, company, now) = (material::keys(), material::company(), material::now());
    let prepared = material::prepared(Medium::Sms);
    let facts = Facts {
        now,
        member: MemberFact::Found { approved: true },
        block_bits: [0, 0],
        holders: Vec::new(),
        recovery: false,
        test: false,
        answered: false,
        requester: None,
    };
    let case = Case { job: &prepared.job, company: &company, placed: &prepared.placed, facts: &facts };
    let mut group = criterion.benchmark_group("decide");
    group.bench_function("place", |bencher| {
        bencher.iter(|| rules::place(black_box(&prepared.job), &company.policy, JobOrigin::Automatic));
    });
    group.bench_function("prepare", |bencher| {
        bencher.iter(|| prepare(&keys.identity, black_box(&prepared.pending).clone(), None));
    });
    group.bench_function("rules", |bencher| bencher.iter(|| rules::decide(black_box(&case))));
    group.bench_function("row", |bencher| {
        bencher.iter(|| decide(&keys.identity, black_box(&prepared), None, now));
    });
    let decision = rules::decide(&case).expect("a decision");
    group.bench_function("account as JSON", |bencher| {
        bencher.iter(|| serde_json::to_string(black_box(&decision)));
    });
    group.finish();
}
