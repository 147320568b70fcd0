//! The parts that all simulated providers share, and the start of a call.
//!
//! Each part guards itself: `journal` the records, `faults` the plans of calls, `webhooks` the posts. Every
//! task runs in `tasks` and ends when `stop` is cancelled. `accept` completes an accepted call.

use std::{net::SocketAddr, sync::Arc};

use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    call_log::CallNumber,
    call_plan::CallPlan,
    clock,
    fault_injector::FaultInjector,
    journal::Journal,
    recipient_fault::RecipientFault,
    records::{Correlation, Provider, Verdict},
    webhook_sender::WebhookSender,
};

/// Secrets and addresses that do not change while the simulator runs.
#[derive(Debug)]
pub(crate) struct Settings {
    pub http_addr: SocketAddr,
    pub mailgun_api_key: String,
    pub mailgun_signing_key: String,
    pub twilio_auth_token: String,
    /// User and password; `None`: the relay asks for none.
    pub smtp_credentials: Option<(String, String)>,
}

#[derive(Debug)]
pub(crate) struct SimulatorState {
    pub settings: Settings,
    pub faults: FaultInjector,
    pub journal: Journal,
    pub webhooks: WebhookSender,
    /// Open connections of all listeners.
    pub connections: Arc<Semaphore>,
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
}

/// A call in the journal with its plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlannedCall {
    pub number: CallNumber,
    pub fault: RecipientFault,
    pub plan: CallPlan,
    /// `FaultInjector::releases` when the call began.
    pub releases_at_start: u64,
}

impl SimulatorState {
    /// Records a call and plans its result.
    pub(crate) fn begin_call(
        &self,
        provider: Provider,
        recipient: &str,
        correlation: &Correlation,
    ) -> PlannedCall {
        let releases_at_start = self.faults.releases();
        let (number, is_first) =
            self.journal.change(|log| log.begin(provider, recipient, correlation, clock::now()));
        let (fault, plan) = self.faults.plan_call(provider, recipient, is_first);
        if plan.is_doubtful() {
            self.journal.change(|log| log.mark_doubtful(number));
        }
        PlannedCall { number, fault, plan, releases_at_start }
    }

    /// Records the refusal of a call with the provider's code.
    pub(crate) fn refuse_call(&self, call: &PlannedCall, code: String) {
        self.journal.change(|log| log.settle(call.number, Verdict::Refused(code)));
    }
}
