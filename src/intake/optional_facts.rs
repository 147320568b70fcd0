//! Facts that few jobs need: the original request of a recovery, a manual job's requester, a response that came first.
//!
//! Each is looked up only for the jobs that need it and costs the others nothing. A response that is written in the same
//! instant as the acceptance of its request may be missed by both sides; the sweeper finds the request later.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use postrider_domain::{
    hash_keys::IdentityKey,
    ids::CompanyId,
    job::ResponseSubject,
    rules::{OriginalRequest, Requester},
};
use postrider_ledger::{Ledger, LedgerError, members::MemberByEmail};

use crate::intake::{decide::Prepared, lookup_keys, pending::Pending};

/// The original requests that service recoveries name, by their place in the batch.
pub(super) async fn original_requests(
    ledger: &Ledger,
    keys: &IdentityKey,
    jobs: &[Pending],
) -> Result<HashMap<usize, OriginalRequest>, LedgerError> {
    let mut wanted: HashMap<CompanyId, Vec<(usize, Uuid, Uuid)>> = HashMap::new();
    for pending in jobs.iter().filter(|pending| pending.redecided.is_none()) {
        if let Some(id) = pending.job.initial_feedback_request_id {
            let former = keys.separate_test(pending.test, keys.former_id_hash(pending.company.id, id));
            wanted.entry(pending.company.id).or_default().push((pending.place, id, former));
        }
    }
    let mut originals = HashMap::new();
    for (company, wanted) in wanted {
        let keys: Vec<(Uuid, Uuid)> = wanted.iter().map(|(_, id, former)| (*id, *former)).collect();
        let found = ledger.original_requests(company.0, &keys).await?;
        originals.extend(
            wanted
                .iter()
                .zip(found)
                .filter_map(|((place, ..), original_request)| Some((*place, original_request?))),
        );
    }
    Ok(originals)
}

/// Sets the requester of manual jobs, where that person is a team member.
pub(super) async fn find_requesters(
    ledger: &Ledger,
    keys: &IdentityKey,
    prepared: &mut [Prepared],
) -> Result<(), LedgerError> {
    let key = |prepared: &Prepared| {
        let manual = prepared.job.manual.as_ref()?;
        Some(keys.member_email_hash(prepared.pending.company.id, &manual.requested_by))
    };
    let wanted: Vec<Uuid> = prepared.iter().filter_map(key).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let listed = ledger.members_by_email(&wanted).await?;
    let listed: HashMap<Uuid, &MemberByEmail> =
        listed.iter().map(|member| (member.email_key, member)).collect();
    for prepared in prepared {
        let member = key(prepared).and_then(|key| listed.get(&key));
        prepared.requester =
            member.map(|member| -> Requester { lookup_keys::requester(member, &prepared.lookup) });
    }
    Ok(())
}

/// Sets the keys of responses that came before their jobs. `any_waits`: of `gather`, whether any response waits.
pub(super) async fn find_awaited(
    ledger: &Ledger,
    keys: &IdentityKey,
    any_waits: bool,
    prepared: &mut [Prepared],
) -> Result<(), LedgerError> {
    if !any_waits {
        return Ok(());
    }
    let of_each: Vec<Vec<Uuid>> = prepared.iter().map(|prepared| awaited_keys(keys, prepared)).collect();
    let wanted: Vec<Uuid> = of_each.iter().flatten().copied().collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let awaited: HashSet<Uuid> = ledger.awaited(&wanted).await?.into_iter().collect();
    for (prepared, keys) in prepared.iter_mut().zip(of_each) {
        prepared.awaited = keys.into_iter().filter(|key| awaited.contains(key)).collect();
    }
    Ok(())
}

/// The keys under which a response to this job may wait. A service recovery is answered by its own id only.
fn awaited_keys(keys: &IdentityKey, prepared: &Prepared) -> Vec<Uuid> {
    let pending = &prepared.pending;
    if pending.redecided.is_some() {
        return Vec::new();
    }
    let former = prepared.job.former_id.map(ResponseSubject::Request);
    let interaction =
        prepared.job.ext_interaction_id.as_ref().filter(|_| prepared.original_request.is_none());
    let about = former.into_iter().chain(interaction.cloned().map(ResponseSubject::Interaction));
    about.map(|about| keys.response_subject_hash(pending.company.id, pending.test, &about)).collect()
}

/// Completes accepted requests that had their response first. After an error the sweeper completes them.
pub(super) async fn complete_awaited(ledger: &Ledger, awaited: &[Uuid]) {
    if awaited.is_empty() {
        return;
    }
    if let Err(error) = ledger.complete_awaited(awaited).await {
        tracing::warn!(%error, "completing answered requests failed; the sweeper completes them");
    }
}
