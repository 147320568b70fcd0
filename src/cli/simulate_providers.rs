//! `postrider simulate-providers`: the simulated Mailgun, Twilio and relay as a process of their own.
//!
//! For the demo, for benches and for trying out a configuration by hand. It prints where it listens
//! and which recipients choose which fault, and ends on Ctrl-C or SIGTERM. See `simulator`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use postrider_provider_simulator::{Behaviour, RecipientFault, Simulator, SimulatorConfig};

/// Run simulated providers: Mailgun, Twilio and an SMTP relay.
#[derive(Debug, clap::Args)]
pub struct SimulateProviders {
    /// Where the simulated Mailgun and Twilio listen.
    #[arg(long, default_value = "127.0.0.1:8025")]
    pub http_listen: SocketAddr,
    /// Where the simulated relay listens (plain text, no TLS).
    #[arg(long, default_value = "127.0.0.1:2525")]
    pub smtp_listen: SocketAddr,
    /// File that every acceptance is written to before it is answered; none keeps them in memory.
    #[arg(long)]
    pub ledger: Option<PathBuf>,
    /// Key that calls to Mailgun must carry.
    #[arg(long, default_value = "simulated-mailgun-api-key")]
    pub mailgun_api_key: String,
    /// Key that Mailgun's webhooks are signed with.
    #[arg(long, default_value = "simulated-mailgun-signing-key")]
    pub mailgun_signing_key: String,
    /// URL that Mailgun's webhooks are posted to; none posts none.
    #[arg(long)]
    pub mailgun_webhook_url: Option<String>,
    /// Token that calls to Twilio must carry and that its webhooks are signed with.
    #[arg(long, default_value = "simulated-twilio-auth-token")]
    pub twilio_auth_token: String,
    /// URL that customers' texts are posted to; none posts none.
    #[arg(long)]
    pub twilio_inbound_url: Option<String>,
    /// User that the relay asks for; needs a password too.
    #[arg(long, requires = "smtp_password")]
    pub smtp_username: Option<String>,
    /// Password that the relay asks for.
    #[arg(long, requires = "smtp_username")]
    pub smtp_password: Option<String>,
    #[command(flatten)]
    pub behaviour: BehaviourArgs,
}

#[derive(Debug, clap::Args)]
pub struct BehaviourArgs {
    /// Least milliseconds that a call takes.
    #[arg(long, default_value_t = 0)]
    pub latency_min_millis: u64,
    /// Most milliseconds that a call takes.
    #[arg(long, default_value_t = 0)]
    pub latency_max_millis: u64,
    /// Milliseconds that a call to a `slow` recipient takes.
    #[arg(long, default_value_t = 2_000)]
    pub slow_millis: u64,
    /// Share of calls (0 to 1) answered 500 and not accepted.
    #[arg(long, default_value_t = 0.0, value_parser = rate)]
    pub error_rate: f64,
    /// Share of calls (0 to 1) accepted and never answered.
    #[arg(long, default_value_t = 0.0, value_parser = rate)]
    pub hang_rate: f64,
    /// Share of receipts (0 to 1) posted twice.
    #[arg(long, default_value_t = 0.0, value_parser = rate)]
    pub duplicate_webhook_rate: f64,
    /// Share of receipts (0 to 1) never posted, though look-ups show them.
    #[arg(long, default_value_t = 0.0, value_parser = rate)]
    pub webhook_loss_rate: f64,
    /// Least milliseconds before a receipt.
    #[arg(long, default_value_t = 50)]
    pub webhook_delay_min_millis: u64,
    /// Most milliseconds before a receipt.
    #[arg(long, default_value_t = 500)]
    pub webhook_delay_max_millis: u64,
    /// Most bytes of a call kept with its acceptance.
    #[arg(long, default_value_t = 16 * 1024)]
    pub raw_bytes_max: usize,
    /// Seed of all chance, so that a run can be repeated.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl SimulateProviders {
    /// Serves until told to end.
    ///
    /// # Errors
    /// When an address cannot be bound or the ledger file cannot be read.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let simulator = Simulator::start(self.into_config()).await.context("start simulated providers")?;
        println!("Mailgun and Twilio  http://{}", simulator.http_addr);
        println!("SMTP relay          {}", simulator.smtp_addr);
        println!("ledger              http://{}/_simulator/ledger", simulator.http_addr);
        println!("\nRecipients that choose what happens (email as word+anything@any.domain):");
        for (word, number, what) in RecipientFault::table() {
            println!("  {word:<14} {number}  {what}");
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
            ledger_path: self.ledger,
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
