//! The simulator's handle: starts the listeners, reads the journal, changes the faults, ends everything.
//!
//! Tests and the demo hold a `Simulator`; the command `simulate-providers` is a thin wrapper around it. No
//! provider's behaviour is decided here: read `call_plan`.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    behaviour::Behaviour,
    connection,
    fault_injector::FaultInjector,
    journal::Journal,
    listener::{self, CONNECTIONS_MAX},
    recipient_fault::RecipientFault,
    records::{Accepted, Call, Provider, ReportedStatus},
    routes, smtp,
    state::{Settings, SimulatorState},
    twilio,
    webhook_sender::{WebhookSender, WebhookUrls},
};

/// Addresses, credentials, webhook URLs and faults of a simulator.
#[derive(Debug, Clone)]
pub struct SimulatorConfig {
    pub http_listen: SocketAddr,
    pub smtp_listen: SocketAddr,
    /// The journal file; `None` keeps the journal in memory only.
    pub journal_path: Option<PathBuf>,
    pub mailgun_api_key: String,
    pub mailgun_signing_key: String,
    /// URL of Mailgun's webhooks; `{label}` stands for the first label of the sending domain.
    pub mailgun_webhook_url: Option<String>,
    /// Signs callbacks; also the Basic password of calls.
    pub twilio_auth_token: String,
    /// URL for customers' texts.
    pub twilio_inbound_url: Option<String>,
    /// The relay requires authentication if both are given.
    pub smtp_username: Option<String>,
    pub smtp_password: Option<String>,
    pub behaviour: Behaviour,
}

impl Default for SimulatorConfig {
    /// Free loopback ports, no file, and published secrets.
    fn default() -> SimulatorConfig {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        SimulatorConfig {
            http_listen: loopback,
            smtp_listen: loopback,
            journal_path: None,
            mailgun_api_key: "simulated-mailgun-api-key".to_owned(),
            mailgun_signing_key: "simulated-mailgun-signing-key".to_owned(),
            mailgun_webhook_url: None,
            twilio_auth_token: "simulated-twilio-auth-token".to_owned(),
            twilio_inbound_url: None,
            smtp_username: None,
            smtp_password: None,
            behaviour: Behaviour::default(),
        }
    }
}

/// Simulated providers that run until `shutdown` or drop.
#[derive(Debug)]
pub struct Simulator {
    /// Address of the simulated Mailgun and Twilio.
    pub http_addr: SocketAddr,
    /// Address of the simulated relay.
    pub smtp_addr: SocketAddr,
    state: Arc<SimulatorState>,
    stop_on_drop: DropGuard,
    journal_writer: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Binds both listeners, reads the journal file, and serves.
    ///
    /// # Errors
    /// When an address cannot be bound, or the journal file cannot be opened or read.
    pub async fn start(config: SimulatorConfig) -> io::Result<Simulator> {
        let http = TcpListener::bind(config.http_listen).await?;
        let relay = TcpListener::bind(config.smtp_listen).await?;
        let (http_addr, smtp_addr) = (http.local_addr()?, relay.local_addr()?);
        let (journal, journal_writer) = Journal::open(config.journal_path.as_deref())?;
        let urls =
            WebhookUrls { mailgun: config.mailgun_webhook_url, twilio_inbound: config.twilio_inbound_url };
        let stop = CancellationToken::new();
        let state = Arc::new(SimulatorState {
            settings: Settings {
                http_addr,
                mailgun_api_key: config.mailgun_api_key,
                mailgun_signing_key: config.mailgun_signing_key,
                twilio_auth_token: config.twilio_auth_token,
                smtp_credentials: config.smtp_username.zip(config.smtp_password),
            },
            faults: FaultInjector::new(config.behaviour),
            journal,
            webhooks: WebhookSender::new(urls).map_err(io::Error::other)?,
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
        });
        let router = routes::router(Arc::clone(&state));
        let serve_http = move |stream, state| connection::serve(stream, router.clone(), state);
        state.tasks.spawn(listener::listen(http, Arc::clone(&state), serve_http));
        state.tasks.spawn(listener::listen(relay, Arc::clone(&state), smtp::serve));
        Ok(Simulator { http_addr, smtp_addr, state, stop_on_drop: stop.drop_guard(), journal_writer })
    }

    /// Every accepted message of all providers, oldest first.
    #[must_use]
    pub fn accepted(&self) -> Vec<Accepted> {
        self.state.journal.read().accepted().to_vec()
    }

    /// Every call that named a recipient, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.state.journal.read().calls().to_vec()
    }

    /// Every status event of all accepted messages, oldest acceptance first.
    #[must_use]
    pub fn receipts(&self) -> Vec<ReportedStatus> {
        self.state.journal.read().receipts().collect()
    }

    /// Tests the accepted messages after every change of the journal; false if `deadline` passes first. The
    /// condition runs under the journal's lock: it must not call the simulator.
    pub async fn wait_until(&self, condition: impl Fn(&[Accepted]) -> bool, deadline: Duration) -> bool {
        let mut changes = self.state.journal.changes();
        let waiting = async {
            while !condition(self.state.journal.read().accepted()) {
                if changes.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(deadline, waiting).await.unwrap_or(false)
    }

    /// Replaces the latencies and fault rates, and reseeds the random numbers.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.state.faults.set_behaviour(behaviour);
    }

    /// While on, every call and lookup is answered 503 (SMTP: 421) and its connection closed.
    pub fn set_outage(&self, on: bool) {
        Provider::ALL.into_iter().for_each(|provider| self.set_outage_of(provider, on));
    }

    /// As `set_outage`, for one provider.
    pub fn set_outage_of(&self, provider: Provider, on: bool) {
        self.state.faults.set_outage(provider, on);
    }

    /// While off, Mailgun's Logs API answers 404, as for an account without it.
    pub fn set_logs_offered(&self, offered: bool) {
        self.state.faults.logs_offered.store(offered, Ordering::SeqCst);
    }

    /// While off, Mailgun's deprecated Events API answers 404.
    pub fn set_events_offered(&self, offered: bool) {
        self.state.faults.events_offered.store(offered, Ordering::SeqCst);
    }

    /// Gives this recipient a fault by its word, whatever its address names.
    ///
    /// # Panics
    /// On a word that is not in `RecipientFault::table`.
    pub fn set_recipient_fault(&self, recipient: &str, word: &str) {
        let fault = RecipientFault::parse(word).expect("a word of RecipientFault::table");
        self.state.faults.set_recipient_fault(recipient, fault);
    }

    /// Posts a customer's text, signed, and returns the HTTP status; `None` without an answer or without an
    /// inbound URL. STOP and START change whether later messages to the customer are refused.
    pub async fn inbound_sms(
        &self,
        from: &str,
        to: &str,
        body: &str,
        opt_out_type: Option<&str>,
    ) -> Option<u16> {
        twilio::post_inbound_sms(&self.state, from, to, body, opt_out_type).await
    }

    /// Ends the wait of every call that hangs now; each is then answered properly.
    pub fn release_hung(&self) {
        self.state.faults.release_hung();
    }

    /// Replaces the URLs of Mailgun's webhooks and of customers' texts.
    pub fn set_webhook_urls(&self, mailgun: Option<String>, twilio_inbound: Option<String>) {
        self.state.webhooks.set_urls(WebhookUrls { mailgun, twilio_inbound });
    }

    /// Returns when no webhook is due or being posted, retries included.
    pub async fn webhooks_settled(&self) {
        self.state.webhooks.settled().await;
    }

    /// Ends every task and connection, and writes the journal file to its end.
    pub async fn shutdown(self) {
        let Simulator { state, stop_on_drop, journal_writer, .. } = self;
        drop(stop_on_drop);
        state.tasks.close();
        state.tasks.wait().await;
        // The journal falls with the last owner of the state, and its writer thread ends.
        drop(state);
        if let Some(writer) = journal_writer {
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
    }
}
