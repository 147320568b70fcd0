//! What all simulated providers share: configuration, behaviour, the ledger, and who waits for what.
//!
//! Locks here are held for a look or a note, never across an await. `accept` is how a message gets in,
//! `courier` how receipts get out, `run` starts and ends it all.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, mpsc, watch};

use super::{
    behaviour::{Behaviour, Dice},
    call_log::{CallLog, CallNumber},
    call_plan::{self, Answer, CallPlan, Refusal},
    journal_file::Disk,
    recipient_fault::RecipientFault,
    records::{Correlation, Provider, Verdict},
    webhook_sender::WebhookSender,
};

/// Secrets and addresses that do not change while the simulator runs.
#[derive(Debug)]
pub(super) struct Fixed {
    pub http_addr: SocketAddr,
    pub mailgun_api_key: String,
    pub mailgun_signing_key: String,
    pub twilio_auth_token: String,
    pub smtp_credentials: Option<(String, String)>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct WebhookUrls {
    pub mailgun: Option<String>,
    pub twilio_inbound: Option<String>,
}

#[derive(Debug)]
pub(super) struct SimulatorState {
    pub fixed: Fixed,
    pub courier: WebhookSender,
    pub disk: Option<Disk>,
    pub connections: Arc<Semaphore>,
    pub life: TaskScope,
    behaviour: ArcSwap<Behaviour>,
    dice: Dice,
    /// By provider.
    outages: [AtomicBool; 3],
    /// Which of its two look-up APIs Mailgun has.
    logs_offered: AtomicBool,
    events_offered: AtomicBool,
    urls: RwLock<WebhookUrls>,
    chosen: RwLock<HashMap<String, RecipientFault>>,
    book: Mutex<CallLog>,
    /// Moves with every change of the book.
    changed: watch::Sender<()>,
    /// Counts how often hung calls were let go.
    released: watch::Sender<u64>,
}

/// Tells tasks to end, and knows when all have: each holds a clone of `alive`.
#[derive(Debug, Clone)]
pub(super) struct TaskScope {
    pub stopping: watch::Receiver<bool>,
    pub alive: mpsc::Sender<std::convert::Infallible>,
}

impl TaskScope {
    /// Returns when the simulator ends, also when its handle was dropped.
    pub(super) async fn ended(mut self) {
        let _ = self.stopping.wait_for(|stopping| *stopping).await;
    }
}

/// What one call comes to, and by which word of its recipient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdicted {
    pub call: CallNumber,
    pub magic: RecipientFault,
    pub taking: CallPlan,
    /// How often hung calls had been let go when this one began.
    begun_at: u64,
}

const CONNECTIONS_MAX: usize = 4_096;

impl SimulatorState {
    pub(super) fn new(fixed: Fixed, behaviour: Behaviour, urls: WebhookUrls, held: Setup) -> SimulatorState {
        SimulatorState {
            fixed,
            courier: held.courier,
            disk: held.disk,
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            life: held.life,
            dice: Dice::new(behaviour.seed),
            behaviour: ArcSwap::from_pointee(behaviour),
            outages: Default::default(),
            logs_offered: AtomicBool::new(true),
            events_offered: AtomicBool::new(true),
            urls: RwLock::new(urls),
            chosen: RwLock::default(),
            book: Mutex::new(held.book),
            changed: watch::Sender::new(()),
            released: watch::Sender::new(0),
        }
    }

    /// Notes a call and decides what comes of it.
    pub(super) fn begin(&self, provider: Provider, recipient: &str, correlation: &Correlation) -> Verdicted {
        let begun_at = *self.released.borrow();
        let (call, first) =
            self.change(|book| book.begin(provider, recipient, correlation, postrider_clock::wall()));
        let magic = self.magic_of(provider, recipient);
        let taking = if self.is_out(provider) {
            CallPlan::Refuse(Refusal::Outage)
        } else if magic == RecipientFault::Ok {
            self.chance(provider)
        } else {
            call_plan::taking(magic, provider, first)
        };
        if call_plan::is_doubtful(taking) {
            self.book().doubt(call);
        }
        Verdicted { call, magic, taking, begun_at }
    }

    pub(super) fn settle(&self, call: CallNumber, verdict: Verdict) {
        self.change(|book| book.settle(call, verdict));
    }

    /// Changes the book and wakes who waits for a change.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut CallLog) -> T) -> T {
        let result = change(&mut self.book());
        self.changed.send_replace(());
        result
    }

    /// The book, to look at. A poisoned lock still guards whole entries: each change is one push.
    pub(super) fn book(&self) -> MutexGuard<'_, CallLog> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(super) fn behaviour(&self) -> Arc<Behaviour> {
        self.behaviour.load_full()
    }

    pub(super) fn set_behaviour(&self, behaviour: Behaviour) {
        self.dice.reseed(behaviour.seed);
        self.behaviour.store(Arc::new(behaviour));
    }

    pub(super) fn falls(&self, rate: f64) -> bool {
        self.dice.falls(rate)
    }

    pub(super) fn between(&self, range: (Duration, Duration)) -> Duration {
        self.dice.between(range)
    }

    /// The time that a provider takes before it looks at a call.
    pub(super) async fn take_time(&self) {
        pause(self.between(self.behaviour().latency)).await;
    }

    pub(super) async fn take_long(&self) {
        pause(self.behaviour().slow).await;
    }

    pub(super) fn is_out(&self, provider: Provider) -> bool {
        self.outages[provider as usize].load(Ordering::SeqCst)
    }

    pub(super) fn set_outage(&self, provider: Provider, on: bool) {
        self.outages[provider as usize].store(on, Ordering::SeqCst);
    }

    pub(super) fn are_logs_offered(&self) -> bool {
        self.logs_offered.load(Ordering::SeqCst)
    }

    pub(super) fn set_logs_offered(&self, offered: bool) {
        self.logs_offered.store(offered, Ordering::SeqCst);
    }

    pub(super) fn are_events_offered(&self) -> bool {
        self.events_offered.load(Ordering::SeqCst)
    }

    pub(super) fn set_events_offered(&self, offered: bool) {
        self.events_offered.store(offered, Ordering::SeqCst);
    }

    pub(super) fn urls(&self) -> WebhookUrls {
        self.urls.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_urls(&self, urls: WebhookUrls) {
        *self.urls.write().unwrap_or_else(PoisonError::into_inner) = urls;
    }

    pub(super) fn choose(&self, recipient: &str, magic: RecipientFault) {
        self.chosen.write().unwrap_or_else(PoisonError::into_inner).insert(recipient.to_owned(), magic);
    }

    /// Lets go every call that hangs or has begun.
    pub(super) fn release(&self) {
        self.released.send_modify(|count| *count += 1);
    }

    /// Returns at the first release after this call began, even one before it came to hang.
    pub(super) async fn hang(&self, decided: Verdicted) {
        let mut released = self.released.subscribe();
        let _ = released.wait_for(|count| *count > decided.begun_at).await;
    }

    fn magic_of(&self, provider: Provider, recipient: &str) -> RecipientFault {
        let chosen = self.chosen.read().unwrap_or_else(PoisonError::into_inner);
        chosen.get(recipient).copied().unwrap_or_else(|| match provider {
            Provider::Mailgun | Provider::Smtp => RecipientFault::of_email(recipient),
            Provider::Twilio => RecipientFault::of_phone(recipient),
        })
    }

    /// At most one fault a call, each at its rate.
    fn chance(&self, provider: Provider) -> CallPlan {
        let behaviour = self.behaviour.load();
        // A negative reply to the dot leaves the mail with its sender (RFC 5321 §4.2.5): a relay that took it
        // and yet says so would make every sender repeat it.
        let accept_error = if provider == Provider::Smtp { Answer::Cut } else { Answer::ServerError };
        let faults = [
            (behaviour.error_rate, CallPlan::Refuse(Refusal::Error)),
            (behaviour.hang_rate, CallPlan::Accept(Answer::Hang)),
            (behaviour.accept_error_rate, CallPlan::Accept(accept_error)),
            (behaviour.accept_reset_rate, CallPlan::Accept(Answer::Reset)),
            (behaviour.reset_rate, CallPlan::Ignore),
            (behaviour.busy_rate, CallPlan::Refuse(Refusal::Busy)),
            (behaviour.slow_rate, CallPlan::Accept(Answer::Slow)),
        ];
        let fault = faults.into_iter().find(|(rate, _)| self.falls(*rate));
        fault.map_or(CallPlan::Accept(Answer::Proper), |(_, taking)| taking)
    }
}

/// What `run` made before the house stands.
#[derive(Debug)]
pub(super) struct Setup {
    pub book: CallLog,
    pub disk: Option<Disk>,
    pub courier: WebhookSender,
    pub life: TaskScope,
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
