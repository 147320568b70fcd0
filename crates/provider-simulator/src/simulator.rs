//! The simulator's handle: starts the listeners, answers questions about the ledger, ends it all.
//!
//! Tests hold one of these; the `simulate-providers` command is a thin wrap around it. No provider's
//! behaviour is here: see `plan`.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};

use super::{
    behaviour::Behaviour,
    call_log::CallLog,
    connection,
    journal_file::Disk,
    recipient_fault::RecipientFault,
    records::{Accepted, Call, Provider, Receipt},
    routes, smtp,
    state::{Fixed, Setup, SimulatorState, TaskScope, WebhookUrls},
    webhook_sender::WebhookSender,
};

#[derive(Debug, Clone)]
pub struct SimulatorConfig {
    pub http_listen: SocketAddr,
    pub smtp_listen: SocketAddr,
    /// None: the ledger lives in memory only.
    pub ledger_path: Option<PathBuf>,
    pub mailgun_api_key: String,
    pub mailgun_signing_key: String,
    /// Where Mailgun's webhooks go; `{label}` stands for the first label of the sending domain.
    pub mailgun_webhook_url: Option<String>,
    /// Signs callbacks; also the Basic password of calls.
    pub twilio_auth_token: String,
    /// Where texts of customers go.
    pub twilio_inbound_url: Option<String>,
    /// The relay asks for these when both are given.
    pub smtp_username: Option<String>,
    pub smtp_password: Option<String>,
    pub behaviour: Behaviour,
}

impl Default for SimulatorConfig {
    /// Free loopback ports, no file, and secrets that everybody may know.
    fn default() -> SimulatorConfig {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        SimulatorConfig {
            http_listen: loopback,
            smtp_listen: loopback,
            ledger_path: None,
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
    pub http_addr: SocketAddr,
    pub smtp_addr: SocketAddr,
    house: Arc<SimulatorState>,
    stopping: watch::Sender<bool>,
    all_ended: mpsc::Receiver<std::convert::Infallible>,
    writer: Option<std::thread::JoinHandle<()>>,
}

impl Simulator {
    /// Binds both listeners, reads the ledger file back, and serves.
    pub async fn start(config: SimulatorConfig) -> io::Result<Simulator> {
        let http = TcpListener::bind(config.http_listen).await?;
        let relay = TcpListener::bind(config.smtp_listen).await?;
        let (http_addr, smtp_addr) = (http.local_addr()?, relay.local_addr()?);
        let (stopping, stop) = watch::channel(false);
        let (alive, all_ended) = mpsc::channel(1);
        let (book, disk, writer) = open_ledger(config.ledger_path.as_deref())?;
        let fixed = Fixed {
            http_addr,
            mailgun_api_key: config.mailgun_api_key,
            mailgun_signing_key: config.mailgun_signing_key,
            twilio_auth_token: config.twilio_auth_token,
            smtp_credentials: config.smtp_username.zip(config.smtp_password),
        };
        let urls =
            WebhookUrls { mailgun: config.mailgun_webhook_url, twilio_inbound: config.twilio_inbound_url };
        let courier = WebhookSender::new().map_err(io::Error::other)?;
        let held = Setup { book, disk, courier, life: TaskScope { stopping: stop, alive } };
        let house = Arc::new(SimulatorState::new(fixed, config.behaviour, urls, held));
        tokio::spawn(connection::listen(http, routes::router(Arc::clone(&house)), Arc::clone(&house)));
        tokio::spawn(smtp::listen(relay, Arc::clone(&house)));
        Ok(Simulator { http_addr, smtp_addr, house, stopping, all_ended, writer })
    }

    /// Everything accepted so far, by all providers, oldest first.
    #[must_use]
    pub fn accepted(&self) -> Vec<Accepted> {
        self.house.book().accepted().to_vec()
    }

    /// Every call that named a recipient, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.house.book().calls().to_vec()
    }

    /// Every status told of an acceptance so far.
    #[must_use]
    pub fn receipts(&self) -> Vec<Receipt> {
        self.house.book().receipts().collect()
    }

    /// Looks at what is accepted after every change; false when the deadline came first. `what` runs
    /// under the ledger's lock: it must not ask the simulator anything.
    pub async fn wait_until(&self, what: impl Fn(&[Accepted]) -> bool, deadline: Duration) -> bool {
        let mut changes = self.house.changes();
        let held = async {
            while !what(self.house.book().accepted()) {
                if changes.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(deadline, held).await.unwrap_or(false)
    }

    /// As `wait_until`, over the calls: for calls that were never accepted.
    pub async fn wait_until_calls(&self, what: impl Fn(&[Call]) -> bool, deadline: Duration) -> bool {
        let mut changes = self.house.changes();
        let held = async {
            while !what(self.house.book().calls()) {
                if changes.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(deadline, held).await.unwrap_or(false)
    }

    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.house.set_behaviour(behaviour);
    }

    /// While on, every call and look-up is answered 503 (SMTP: 421) and its connection closed.
    pub fn set_outage(&self, on: bool) {
        Provider::ALL.into_iter().for_each(|provider| self.house.set_outage(provider, on));
    }

    /// As `set_outage`, of one provider alone.
    pub fn set_outage_of(&self, provider: Provider, on: bool) {
        self.house.set_outage(provider, on);
    }

    /// While off, Mailgun's Logs API answers 404, as where an account does not have it.
    pub fn set_logs_offered(&self, offered: bool) {
        self.house.set_logs_offered(offered);
    }

    /// The same for its Events API, which is deprecated.
    pub fn set_events_offered(&self, offered: bool) {
        self.house.set_events_offered(offered);
    }

    /// Makes this recipient behave as the word says, whatever its address.
    ///
    /// # Panics
    /// On a word that is not in `RecipientFault::table`.
    pub fn set_magic(&self, recipient: &str, magic: &str) {
        let magic = RecipientFault::parse(magic).expect("a word of Magic::table");
        self.house.choose(recipient, magic);
    }

    /// Posts a customer's text, signed, and returns the HTTP status; None when nothing answered or no
    /// inbound URL is set.
    pub async fn inbound_sms(
        &self,
        from: &str,
        to: &str,
        body: &str,
        opt_out_type: Option<&str>,
    ) -> Option<u16> {
        self.house.inbound_text(from, to, body, opt_out_type).await
    }

    /// Lets go every call that hangs now; each is then answered properly.
    pub fn release_hung(&self) {
        self.house.release();
    }

    pub fn set_webhook_urls(&self, mailgun: Option<String>, twilio_inbound: Option<String>) {
        self.house.set_urls(WebhookUrls { mailgun, twilio_inbound });
    }

    /// Returns when no receipt is due or being posted, retries included.
    pub async fn webhooks_settled(&self) {
        self.house.courier.settled().await;
    }

    /// Ends every task and connection, and writes the ledger file out.
    pub async fn shutdown(self) {
        let Simulator { house, stopping, mut all_ended, writer, .. } = self;
        stopping.send_replace(true);
        drop(house);
        // The house holds the last sender; it falls with the last task.
        let _ = all_ended.recv().await;
        if let Some(writer) = writer {
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
    }
}

type Opened = (CallLog, Option<Disk>, Option<std::thread::JoinHandle<()>>);

fn open_ledger(path: Option<&std::path::Path>) -> io::Result<Opened> {
    let mut book = CallLog::default();
    let Some(path) = path else { return Ok((book, None, None)) };
    let (disk, writer, lines) = Disk::open(path)?;
    lines.into_iter().for_each(|line| book.restore(line));
    Ok((book, Some(disk), Some(writer)))
}
