//! Counts before and after, by reason, brand and week, and a few samples of each kind of change.
//!
//! Bounded: weeks and brands are few, samples are cut.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use uuid::Uuid;

use super::{
    replay_state::JudgedRequest,
    report::{
        BacktestOutcome, BrandCounts, Changed, Counts, ExclusionReason, NotReplayable, ReasonCounts, Sample,
        Standing, WeekCounts,
    },
};

const SAMPLES_OF_A_KIND: u64 = 5;
const SAMPLES_MAX: usize = 50;

/// The counts of a report.
#[derive(Debug, Default)]
pub struct Aggregate {
    pub before: Counts,
    pub after: Counts,
    pub changed: Changed,
    reasons: BTreeMap<String, (u64, u64)>,
    brands: BTreeMap<String, (Counts, Counts)>,
    weeks: BTreeMap<NaiveDate, (Counts, Counts)>,
    kinds: BTreeMap<(Standing, Option<String>, Standing, Option<String>), u64>,
    pub samples: Vec<Sample>,
    excluded: BTreeMap<ExclusionReason, (u64, Vec<Uuid>)>,
}

impl Aggregate {
    pub fn add(&mut self, entry: JudgedRequest, after: BacktestOutcome) {
        let before = entry.before.clone();
        self.before.add(before.standing);
        self.after.add(after.standing);
        let brand = self.brands.entry(entry.brand.clone()).or_default();
        let week = self.weeks.entry(monday(entry.accepted_at)).or_default();
        for (old, new) in [brand, week] {
            old.add(before.standing);
            new.add(after.standing);
        }
        if let Some(reason) = &before.reason {
            self.reasons.entry(reason.clone()).or_default().0 += 1;
        }
        if let Some(reason) = &after.reason {
            self.reasons.entry(reason.clone()).or_default().1 += 1;
        }
        if self.changed.record(&before, &after) {
            self.sample(entry, after);
        }
    }

    fn sample(&mut self, entry: JudgedRequest, after: BacktestOutcome) {
        let kind = (entry.before.standing, entry.before.reason.clone(), after.standing, after.reason.clone());
        let count = self.kinds.entry(kind).or_default();
        *count += 1;
        if *count <= SAMPLES_OF_A_KIND && self.samples.len() < SAMPLES_MAX {
            let JudgedRequest { id, accepted_at, brand, before, because } = entry;
            self.samples.push(Sample { request: id, accepted_at, brand, before, after, because });
        }
    }

    pub fn exclude(&mut self, reason: ExclusionReason, request: Uuid) {
        let (count, samples) = self.excluded.entry(reason).or_default();
        *count += 1;
        if *count <= SAMPLES_OF_A_KIND {
            samples.push(request);
        }
    }

    #[must_use]
    pub fn by_reason(&self) -> Vec<ReasonCounts> {
        let line = |(reason, (before, after)): (&String, &(u64, u64))| ReasonCounts {
            reason: reason.clone(),
            before: *before,
            after: *after,
        };
        self.reasons.iter().map(line).collect()
    }

    #[must_use]
    pub fn by_brand(&self) -> Vec<BrandCounts> {
        let line = |(brand, (before, after)): (&String, &(Counts, Counts))| BrandCounts {
            brand: brand.clone(),
            before: *before,
            after: *after,
        };
        self.brands.iter().map(line).collect()
    }

    #[must_use]
    pub fn by_week(&self) -> Vec<WeekCounts> {
        let line = |(week, (before, after)): (&NaiveDate, &(Counts, Counts))| WeekCounts {
            week: *week,
            before: *before,
            after: *after,
        };
        self.weeks.iter().map(line).collect()
    }

    #[must_use]
    pub fn not_replayable(&self) -> Vec<NotReplayable> {
        let line = |(reason, (requests, samples)): (&ExclusionReason, &(u64, Vec<Uuid>))| NotReplayable {
            why: reason.as_str(),
            explanation: reason.explanation(),
            requests: *requests,
            samples: samples.clone(),
        };
        self.excluded.iter().map(line).collect()
    }
}

impl Changed {
    /// Counts a difference; true if there is one.
    fn record(&mut self, before: &BacktestOutcome, after: &BacktestOutcome) -> bool {
        let count = match (before.goes_out(), after.goes_out()) {
            (false, true) => &mut self.newly_sent,
            (true, false) => &mut self.no_longer_sent,
            (false, false) if before.reason != after.reason => &mut self.other_reason,
            (true, true) if before.medium != after.medium => &mut self.other_medium,
            (true, true) if before.due_at != after.due_at => &mut self.other_time,
            _ => return false,
        };
        *count += 1;
        true
    }
}

/// The Monday (UTC) of the week of a time.
fn monday(at: DateTime<Utc>) -> NaiveDate {
    let date = at.date_naive();
    let since = u64::from(date.weekday().num_days_from_monday());
    date.checked_sub_days(Days::new(since)).unwrap_or(date)
}
