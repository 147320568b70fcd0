//! Chooses the plan of each call: outages, faults named by recipients, and random faults by rate.
//!
//! Also holds hung calls until they are released, and says which of Mailgun's lookup APIs are offered. No I/O.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::{
    behaviour::Behaviour,
    call_plan::{AnswerPlan, CallPlan, Refusal},
    random::SeededRandom,
    recipient_fault::RecipientFault,
    records::Provider,
};

#[derive(Debug)]
pub(crate) struct FaultInjector {
    pub random: SeededRandom,
    /// Whether Mailgun answers its Logs API.
    pub logs_offered: AtomicBool,
    /// Whether Mailgun answers its Events API.
    pub events_offered: AtomicBool,
    behaviour: ArcSwap<Behaviour>,
    /// By `Provider as usize`.
    outages: [AtomicBool; 3],
    /// Faults set by `set_recipient_fault`, by recipient.
    overrides: RwLock<HashMap<String, RecipientFault>>,
    releases: watch::Sender<u64>,
}

impl FaultInjector {
    pub(crate) fn new(behaviour: Behaviour) -> FaultInjector {
        FaultInjector {
            random: SeededRandom::new(behaviour.seed),
            logs_offered: AtomicBool::new(true),
            events_offered: AtomicBool::new(true),
            behaviour: ArcSwap::from_pointee(behaviour),
            outages: Default::default(),
            overrides: RwLock::default(),
            releases: watch::Sender::new(0),
        }
    }

    pub(crate) fn behaviour(&self) -> Arc<Behaviour> {
        self.behaviour.load_full()
    }

    pub(crate) fn set_behaviour(&self, behaviour: Behaviour) {
        self.random.reseed(behaviour.seed);
        self.behaviour.store(Arc::new(behaviour));
    }

    pub(crate) fn is_out(&self, provider: Provider) -> bool {
        self.outages[provider as usize].load(Ordering::SeqCst)
    }

    pub(crate) fn set_outage(&self, provider: Provider, on: bool) {
        self.outages[provider as usize].store(on, Ordering::SeqCst);
    }

    /// Overrides the fault that the recipient's address names.
    pub(crate) fn set_recipient_fault(&self, recipient: &str, fault: RecipientFault) {
        let mut overrides = self.overrides.write().unwrap_or_else(PoisonError::into_inner);
        overrides.insert(recipient.to_owned(), fault);
    }

    /// The recipient's fault and the plan of its call; `is_first`: the recipient's first call there.
    pub(crate) fn plan_call(
        &self,
        provider: Provider,
        recipient: &str,
        is_first: bool,
    ) -> (RecipientFault, CallPlan) {
        let fault = self.recipient_fault(provider, recipient);
        let plan = if self.is_out(provider) {
            CallPlan::Refuse(Refusal::Outage)
        } else if fault == RecipientFault::Ok {
            self.random_plan(provider)
        } else {
            CallPlan::new(fault, provider, is_first)
        };
        (fault, plan)
    }

    /// Waits for the latency of one call.
    pub(crate) async fn wait_latency(&self) {
        pause(self.random.duration_between(self.behaviour().latency)).await;
    }

    /// Waits for `Behaviour::slow`.
    pub(crate) async fn wait_slow(&self) {
        pause(self.behaviour().slow).await;
    }

    /// Waits for the delay before one webhook.
    pub(crate) async fn wait_webhook_delay(&self) {
        pause(self.random.duration_between(self.behaviour().webhook_delay)).await;
    }

    /// How often `release_hung` was called.
    pub(crate) fn releases(&self) -> u64 {
        *self.releases.borrow()
    }

    /// Ends the wait of every call that hangs or has begun.
    pub(crate) fn release_hung(&self) {
        self.releases.send_modify(|count| *count += 1);
    }

    /// Returns once `releases` is above `releases_at_start`, also if it rose before this wait.
    pub(crate) async fn hang(&self, releases_at_start: u64) {
        let mut releases = self.releases.subscribe();
        let _ = releases.wait_for(|count| *count > releases_at_start).await;
    }

    fn recipient_fault(&self, provider: Provider, recipient: &str) -> RecipientFault {
        let overrides = self.overrides.read().unwrap_or_else(PoisonError::into_inner);
        overrides.get(recipient).copied().unwrap_or_else(|| match provider {
            Provider::Mailgun | Provider::Smtp => RecipientFault::from_email(recipient),
            Provider::Twilio => RecipientFault::from_phone(recipient),
        })
    }

    /// At most one fault a call, each at its rate.
    fn random_plan(&self, provider: Provider) -> CallPlan {
        let behaviour = self.behaviour.load();
        // A negative reply to the dot leaves the mail with its sender (RFC 5321 §4.2.5): a relay that accepts
        // and replies negatively would make every sender repeat the mail. The relay cuts its reply instead.
        let accept_error = if provider == Provider::Smtp { AnswerPlan::Cut } else { AnswerPlan::ServerError };
        let faults = [
            (behaviour.error_rate, CallPlan::Refuse(Refusal::Error)),
            (behaviour.hang_rate, CallPlan::Accept(AnswerPlan::Hang)),
            (behaviour.accept_error_rate, CallPlan::Accept(accept_error)),
            (behaviour.accept_reset_rate, CallPlan::Accept(AnswerPlan::Reset)),
            (behaviour.reset_rate, CallPlan::Reset),
            (behaviour.busy_rate, CallPlan::Refuse(Refusal::Busy)),
            (behaviour.slow_rate, CallPlan::Accept(AnswerPlan::Slow)),
        ];
        let fault = faults.into_iter().find(|(rate, _)| self.random.chance(*rate));
        fault.map_or(CallPlan::Accept(AnswerPlan::Proper), |(_, plan)| plan)
    }
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
