//! `postrider simulate-providers`: the simulated Mailgun, Twilio and SMTP relay as a process of their own.
//!
//! For benches and for trying out a configuration by hand. The command prints its addresses and the recipients
//! that name a fault, and ends on Ctrl-C or SIGTERM. Next: crate `postrider_provider_simulator`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use postrider_provider_simulator::{Behaviour, RecipientFault, Simulator, SimulatorConfig};

/// Run simulated providers: Mailgun, Twilio and an SMTP relay.
#[derive(Debug, clap::Args)]
pub struct SimulateProviders {
    /// Address of the simulated Mailgun and Twilio.
    #[arg(long, default_value = "127.0.0.1:8025")]
    pub http_listen: SocketAddr,
    /// Address of the simulated relay (plain text, no TLS).
    #[arg(long, default_value = "127.0.0.1:2525")]
    pub smtp_listen: SocketAddr,
    /// Journal file: every accepted message is written to it before the call is answered. Without it the
    /// journal is in memory only.
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// API key that calls to Mailgun must carry.
    #[arg(long, default_value = "simulated-mailgun-api-key")]
    pub mailgun_api_key: String,
    /// Signing key of Mailgun's webhooks.
    #[arg(long, default_value = "simulated-mailgun-signing-key")]
    pub mailgun_signing_key: String,
    /// URL of Mailgun's webhooks; without it none are posted.
    #[arg(long)]
    pub mailgun_webhook_url: Option<String>,
    /// Auth token that calls to Twilio must carry; it also signs Twilio's webhooks.
    #[arg(long, default_value = "simulated-twilio-auth-token")]
    pub twilio_auth_token: String,
    /// URL for customers' texts; without it none are posted.
    #[arg(long)]
    pub twilio_inbound_url: Option<String>,
    /// User name that the relay requires, together with a password.
    #[arg(long, requires = "smtp_password")]
    pub smtp_username: Option<String>,
    /// Password that the relay requires.
    #[arg(long, requires = "smtp_username")]
    pub smtp_password: Option<String>,
    #[command(flatten)]
    pub behaviour: BehaviourArgs,
}

#[derive(Debug, clap::Args)]
pub struct BehaviourArgs {
    /// Shortest latency of a call, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub latency_min_millis: u64,
    /// Longest latency of a call, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub latency_max_millis: u64,
    /// Time before the answer to a call with the fault `slow`, in milliseconds.
    #[arg(long, default_value_t = 2_000)]
    pub slow_millis: u64,
    /// Share of calls (0 to 1) answered 500 and not accepted.
    #[arg(long, default_value_t = 0.0, value_parser = rate)]
    pub error_rate: f64,
    /// Share of calls (0 to 1) accepted and never answered.
    #[arg(long, default_value_t = 0.0, value_parser = rate)]
    pub hang_rate: f64,
    /// Share of webhooks (0 to 1) posted twice.
    #[arg(long, default_value_t = 0.0, value_parser = rate)]
    pub duplicate_webhook_rate: f64,
    /// Share of webhooks (0 to 1) never posted; lookups still show their event.
    #[arg(long, default_value_t = 0.0, value_parser = rate)]
    pub webhook_loss_rate: f64,
    /// Shortest delay of a webhook, in milliseconds.
    #[arg(long, default_value_t = 50)]
    pub webhook_delay_min_millis: u64,
    /// Longest delay of a webhook, in milliseconds.
    #[arg(long, default_value_t = 500)]
    pub webhook_delay_max_millis: u64,
    /// Most bytes of a call's body that are kept in the journal.
    #[arg(long, default_value_t = 16 * 1024)]
    pub raw_bytes_max: usize,
    /// Seed of the random faults and delays, so that a run can be repeated.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl SimulateProviders {
    /// Serves until Ctrl-C or SIGTERM.
    ///
    /// # Errors
    /// When an address cannot be bound or the journal file cannot be read.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let simulator = Simulator::start(self.into_config()).await.context("start simulated providers")?;
        println!("Mailgun and Twilio  http://{}", simulator.http_addr);
        println!("SMTP relay          {}", simulator.smtp_addr);
        println!("journal             http://{}/_simulator/journal", simulator.http_addr);
        println!("\nRecipients that name a fault (email address word+anything@any.domain, or phone number):");
        for (word, number, explanation) in RecipientFault::table() {
            println!("  {word:<14} {number}  {explanation}");
        }
        tokio::select! {
            result = tokio::signal::ctrl_c() => result.context("listen for Ctrl-C")?,
            _ = terminate.recv() => {}
        }
        simulator.shutdown().await;
        Ok(())
    }

    fn into_config(self) -> SimulatorConfig {
        SimulatorConfig {
            http_listen: self.http_listen,
            smtp_listen: self.smtp_listen,
            journal_path: self.journal,
            mailgun_api_key: self.mailgun_api_key,
            mailgun_signing_key: self.mailgun_signing_key,
            mailgun_webhook_url: self.mailgun_webhook_url,
            twilio_auth_token: self.twilio_auth_token,
            twilio_inbound_url: self.twilio_inbound_url,
            smtp_username: self.smtp_username,
            smtp_password: self.smtp_password,
            behaviour: self.behaviour.into_behaviour(),
        }
    }
}

impl BehaviourArgs {
    fn into_behaviour(self) -> Behaviour {
        let millis = Duration::from_millis;
        Behaviour {
            latency: (millis(self.latency_min_millis), millis(self.latency_max_millis)),
            slow: millis(self.slow_millis),
            error_rate: self.error_rate,
            hang_rate: self.hang_rate,
            duplicate_webhook_rate: self.duplicate_webhook_rate,
            webhook_delay: (millis(self.webhook_delay_min_millis), millis(self.webhook_delay_max_millis)),
            webhook_loss_rate: self.webhook_loss_rate,
            look_up_lag: Duration::ZERO,
            raw_bytes_max: self.raw_bytes_max,
            seed: self.seed,
            ..Behaviour::default()
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().map_err(|problem| problem.to_string())?;
    (0.0..=1.0).contains(&rate).then_some(rate).ok_or_else(|| "a rate is between 0 and 1".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        arguments: SimulateProviders,
    }

    #[test]
    fn rates_are_shares_and_defaults_listen_on_loopback() {
        let parsed = Command::try_parse_from(["simulate", "--error-rate", "0.25"]).expect("good arguments");
        let config = parsed.arguments.into_config();
        assert!(config.http_listen.ip().is_loopback() && config.smtp_listen.ip().is_loopback());
        assert!((config.behaviour.error_rate - 0.25).abs() < f64::EPSILON);
        let problem = Command::try_parse_from(["simulate", "--hang-rate", "2"]).expect_err("no share");
        assert!(problem.to_string().contains("between 0 and 1"));
    }
}
