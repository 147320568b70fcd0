//! What only few jobs need: who asks by hand, and whether the customer answered before the job came.
//!
//! Both are looked up for those jobs alone, beside the gather, and cost the others nothing. A response that
//! is written in the same instant as its request's acceptance may be missed by both sides: the sweep of
//! `responses` finds the request later, as if the response had come then.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use postrider_domain::job::ResponseSubject;
use postrider_ledger::{LedgerError, gather::Gathered, members::MemberByEmail};

use crate::intake::{Acceptor, decide::Prepared, lookup_keys};

impl Acceptor {
    /// Finds the team members who ask by hand.
    pub(super) async fn find_requesters(&self, prepared: &mut [Prepared]) -> Result<(), LedgerError> {
        let key = |prepared: &Prepared| {
            let manual = prepared.job.manual.as_ref()?;
            Some(self.keys.identity.member_email_hash(prepared.pending.company.id, &manual.requested_by))
        };
        let keys: Vec<Uuid> = prepared.iter().filter_map(key).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let listed = self.ledger.members_by_email(&keys).await?;
        let listed: HashMap<Uuid, &MemberByEmail> =
            listed.iter().map(|member| (member.email_key, member)).collect();
        for prepared in prepared {
            let member = key(prepared).and_then(|key| listed.get(&key));
            prepared.requester = member.map(|member| lookup_keys::requester(member, &prepared.lookup));
        }
        Ok(())
    }

    /// Finds the jobs that were answered before they came.
    pub(super) async fn find_answered(
        &self,
        gathered: &Gathered,
        prepared: &mut [Prepared],
    ) -> Result<(), LedgerError> {
        if !gathered.has_awaited {
            return Ok(());
        }
        let keys: Vec<Vec<Uuid>> = prepared.iter().map(|prepared| self.awaited_keys(prepared)).collect();
        let wanted: Vec<Uuid> = keys.iter().flatten().copied().collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let awaited: HashSet<Uuid> = self.ledger.awaited(&wanted).await?.into_iter().collect();
        for (prepared, keys) in prepared.iter_mut().zip(keys) {
            prepared.awaited = keys.into_iter().filter(|key| awaited.contains(key)).collect();
        }
        Ok(())
    }

    /// The keys under which a response to this job may wait. A service recovery is answered by its own id.
    fn awaited_keys(&self, prepared: &Prepared) -> Vec<Uuid> {
        let former = prepared.job.former_id.map(ResponseSubject::Request);
        let interaction = prepared.job.ext_interaction_id.as_ref().filter(|_| prepared.root.is_none());
        let about = former.into_iter().chain(interaction.cloned().map(ResponseSubject::Interaction));
        let pending = &prepared.pending;
        about
            .map(|about| self.keys.identity.response_subject_hash(pending.company.id, pending.test, &about))
            .collect()
    }

    /// Completes what was accepted and had its response before. What fails here, the sweep does.
    pub(super) async fn complete(&self, awaited: &[Uuid]) {
        if awaited.is_empty() {
            return;
        }
        if let Err(error) = self.ledger.complete_awaited(awaited).await {
            tracing::warn!(%error, "requests that were answered are to be completed later");
        }
    }
}
