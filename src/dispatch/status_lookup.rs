//! Ask: what do the providers say of these messages?
//!
//! Each account's provider is asked for its own, side by side and for a bounded time; nothing is decided
//! and nothing written here. `reconcile` knows what to make of the answers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::join_all;

use crate::telemetry::names;
use postrider_domain::ids::AccountId;
use postrider_ledger::status_polls::PollTarget;
use postrider_providers::{LookupQuery, LookupResult, StatusSource};

use crate::dispatch::{Lane, Lanes};

/// Attempts of one question to a provider's client, which splits them as its provider likes.
const QUERIES_PER_CALL: usize = 50;

/// A message and what its provider says of it; `None`: it cannot be asked.
pub type Answered = (PollTarget, Option<LookupResult>);

/// Asks every account's provider for its messages, for no longer than `timeout` and one part more. What the
/// time does not suffice for is left out.
pub async fn look_up(lanes: &Lanes, missing: Vec<PollTarget>, timeout: Duration) -> Vec<Answered> {
    let mut accounts: BTreeMap<AccountId, Vec<PollTarget>> = BTreeMap::new();
    for missing in missing {
        accounts.entry(missing.account).or_default().push(missing);
    }
    let lanes = lanes.all();
    let asked = accounts
        .into_iter()
        .map(|(account, missing)| look_up_in_lane(lanes.get(&account).cloned(), missing, timeout));
    join_all(asked).await.into_iter().flatten().collect()
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
    let mut answered = Vec::with_capacity(missing.len());
    let since = postrider_clock::monotonic();
    for part in missing.chunks(QUERIES_PER_CALL) {
        if postrider_clock::monotonic() - since > timeout {
            break;
        }
        let sought: Vec<LookupQuery> = part.iter().map(|missing| sought(lane, missing)).collect();
        let looked = tokio::time::timeout(provider.lookup_timeout(), provider.lookup(&sought))
            .await
            .unwrap_or_default();
        let mut looked = looked.into_iter();
        for missing in part {
            let looked = looked.next().unwrap_or(LookupResult::unclear("timeout"));
            metrics::counter!(names::LOOK_UPS, "lane" => lane.settings.id.clone(), "found" => lookup_label(&looked))
                .increment(1);
            answered.push((missing.clone(), Some(looked)));
        }
    }
    answered
}

fn sought(lane: &Lane, missing: &PollTarget) -> LookupQuery {
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

fn lookup_label(looked: &LookupResult) -> &'static str {
    match looked {
        LookupResult::Found(_) => "found",
        LookupResult::Absent => "absent",
        LookupResult::Unclear { .. } => "unclear",
    }
}
