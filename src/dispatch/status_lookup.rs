//! Status look-ups: asks the providers of messages for their status.
//!
//! Each account's provider is asked for the account's messages, all at once and for a bounded time. Nothing is decided
//! or written here: `reconcile` does that.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::join_all;

use crate::telemetry::names;
use postrider_domain::ids::AccountId;
use postrider_ledger::status_polls::PollTarget;
use postrider_providers::{LookupQuery, LookupResult, StatusSource};

use crate::dispatch::{Lane, Lanes};

/// Messages of one query to a provider's client, which splits it by the provider's limits.
const QUERIES_PER_CALL: usize = 50;

/// A message and its provider's answer; `None`: the provider cannot be asked.
pub type Answered = (PollTarget, Option<LookupResult>);

/// Looks messages up at their accounts' providers, for `timeout` and one query more at most. Messages that the time does
/// not suffice for are left out.
pub async fn look_up(lanes: &Lanes, missing: Vec<PollTarget>, timeout: Duration) -> Vec<Answered> {
    let mut accounts: BTreeMap<AccountId, Vec<PollTarget>> = BTreeMap::new();
    for missing in missing {
        accounts.entry(missing.account).or_default().push(missing);
    }
    let lanes = lanes.all();
    let lookups = accounts
        .into_iter()
        .map(|(account, missing)| look_up_in_lane(lanes.get(&account).cloned(), missing, timeout));
    join_all(lookups).await.into_iter().flatten().collect()
}

async fn look_up_in_lane(
    lane: Option<Arc<Lane>>,
    missing: Vec<PollTarget>,
    timeout: Duration,
) -> Vec<Answered> {
    let able = lane.as_ref().filter(|lane| lane.status_source() == StatusSource::Queryable);
    let Some((lane, provider)) = able.and_then(|lane| Some((lane, lane.provider.as_ref()?))) else {
        return missing.into_iter().map(|missing| (missing, None)).collect();
    };
    let mut answers = Vec::with_capacity(missing.len());
    let started = postrider_clock::monotonic();
    for part in missing.chunks(QUERIES_PER_CALL) {
        if postrider_clock::monotonic() - started > timeout {
            break;
        }
        let queries: Vec<LookupQuery> = part.iter().map(|missing| query(lane, missing)).collect();
        let results = tokio::time::timeout(provider.lookup_timeout(), provider.lookup(&queries))
            .await
            .unwrap_or_default();
        let mut results = results.into_iter();
        for missing in part {
            let result = results.next().unwrap_or(LookupResult::unclear("timeout"));
            metrics::counter!(names::LOOK_UPS, "lane" => lane.settings.id.clone(), "found" => metric_word(&result))
                .increment(1);
            answers.push((missing.clone(), Some(result)));
        }
    }
    answers
}

fn query(lane: &Lane, missing: &PollTarget) -> LookupQuery {
    let test = lane.company.policy.test_address(missing.medium).map(str::to_owned);
    LookupQuery {
        message: missing.message,
        attempt: missing.attempt,
        request: missing.request,
        to: if missing.test { test } else { missing.address.clone() }.unwrap_or_default(),
        provider_id: missing.provider_id.clone(),
        begun_at: missing.begun_at,
    }
}

fn metric_word(result: &LookupResult) -> &'static str {
    match result {
        LookupResult::Found(_) => "found",
        LookupResult::Absent => "absent",
        LookupResult::Unclear { .. } => "unclear",
    }
}
