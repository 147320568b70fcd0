//! The configuration: defaults, then the file of `--config`, then the environment; an unknown key is an error.
//!
//! The embedded `default.toml` documents every key; this file declares their types and checks their bounds. Secrets are
//! `SecretString`s, which no log or error prints. Imports no room: each room takes plain values or types of its own.

use std::{net::SocketAddr, num::NonZeroU32, path::Path, time::Duration};

use anyhow::{Context, bail};
use config::{Environment, File, FileFormat};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use postrider_domain::lifecycle::{PollTimes, RetrySchedule, StatusPollPlan};
use postrider_providers::Timeouts;

/// The defaults, with a comment for each key, as `postrider config` prints them.
pub const DEFAULT: &str = include_str!("default.toml");

/// Bound of `secret`, below which a worker does not start.
const SECRET_CHARS_MIN: usize = 32;

/// The whole configuration: one field for each section of `default.toml`, which says units and meanings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub secret: SecretString,
    pub database: Database,
    pub amqp: Amqp,
    pub dispatch: Dispatch,
    pub retry: Retry,
    pub unknown: LookTimes,
    pub receipts: LookTimes,
    pub breaker: BreakerSettings,
    pub companies: Companies,
    pub recipes: ConnectorLimits,
    pub web: Web,
    pub api: Api,
    pub roles: Roles,
    pub shutdown: Shutdown,
    pub log: Log,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: SecretString,
    pub intake_connections: u32,
    pub dispatch_connections: u32,
    pub web_connections: u32,
    pub reads_connections: u32,
    pub acquire_timeout_secs: u64,
    pub statement_timeout_secs: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amqp {
    pub url: SecretString,
    pub name: String,
    pub batch_max: usize,
    pub batch_wait_ms: u64,
    pub prefetch: u16,
    pub heartbeat_secs: u16,
    pub connect_timeout_secs: u64,
    #[serde(default)]
    pub trust_routing_key: Option<bool>,
    pub database_patience_secs: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dispatch {
    pub connect_timeout_secs: f64,
    pub http_timeout_secs: f64,
    pub smtp_timeout_secs: f64,
    pub lease_margin_secs: f64,
    pub call_margin_secs: f64,
    pub claim_interval_ms: u64,
    pub lane_queue: usize,
    pub sweep_interval_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    pub delays_secs: Vec<f64>,
    pub jitter: f64,
    pub tries_max: u16,
    pub give_up_after_secs: f64,
    pub hint_max_secs: f64,
    pub lane_delay_secs: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookTimes {
    pub email_looks_secs: Vec<f64>,
    pub sms_looks_secs: Vec<f64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerSettings {
    pub failures: u32,
    pub open_secs: f64,
    pub open_max_secs: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Companies {
    pub refresh_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorLimits {
    pub poll_interval_ms: u64,
    pub look_up_timeout_secs: f64,
    pub delays_secs: Vec<f64>,
    pub give_up_secs: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Web {
    pub listen: SocketAddr,
    pub private_listen: SocketAddr,
    pub public_base_url: String,
    pub connections_max: usize,
    pub head_timeout_secs: f64,
    pub body_timeout_secs: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    pub calls_per_sec: NonZeroU32,
    pub calls_burst: NonZeroU32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    pub intake: bool,
    pub dispatch: bool,
    pub web: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    pub deadline_secs: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Json,
    Text,
}

impl Config {
    /// Reads all layers, with the environment of this process.
    ///
    /// # Errors
    /// The file cannot be read, a key is unknown or missing, or a value is out of bounds; the error names the key.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Config> {
        let mut layers = config::Config::builder().add_source(File::from_str(DEFAULT, FileFormat::Toml));
        if let Some(file) = file {
            layers = layers.add_source(File::from(file).format(FileFormat::Toml));
        }
        let environment = Environment::with_prefix("POSTRIDER")
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true)
            .list_separator(",")
            .with_list_parse_key("retry.delays_secs")
            .with_list_parse_key("unknown.email_looks_secs")
            .with_list_parse_key("unknown.sms_looks_secs")
            .with_list_parse_key("receipts.email_looks_secs")
            .with_list_parse_key("receipts.sms_looks_secs");
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let merged = layers
            .add_source(environment)
            .set_override_option("database.url", variable("DATABASE_URL"))?
            .set_override_option("amqp.url", variable("AMQP_URL"))?
            .set_override_option("secret", variable("POSTRIDER_SECRET"))?
            .build()
            .context("read configuration")?;
        let config: Config = merged.try_deserialize().context("configuration is not valid")?;
        config.check()?;
        Ok(config)
    }

    /// The defaults with further layers of TOML and without the environment, for tests and the demo.
    ///
    /// # Errors
    /// As `load`.
    pub fn from_layers(overrides: &[&str]) -> anyhow::Result<Config> {
        let mut layers = config::Config::builder().add_source(File::from_str(DEFAULT, FileFormat::Toml));
        for layer in overrides {
            layers = layers.add_source(File::from_str(layer, FileFormat::Toml));
        }
        let config: Config = layers.build()?.try_deserialize().context("configuration is not valid")?;
        config.check()?;
        Ok(config)
    }

    /// Checks bounds and dependencies between keys. URLs are checked by the rooms that use them, because not every
    /// command needs all of them.
    fn check(&self) -> anyhow::Result<()> {
        let bounds = [
            ("amqp.batch_max", self.amqp.batch_max as f64, 1.0, 10_000.0),
            ("amqp.prefetch", f64::from(self.amqp.prefetch), 1.0, 20_000.0),
            ("dispatch.connect_timeout_secs", self.dispatch.connect_timeout_secs, 0.05, 60.0),
            ("dispatch.http_timeout_secs", self.dispatch.http_timeout_secs, 0.1, 600.0),
            ("dispatch.smtp_timeout_secs", self.dispatch.smtp_timeout_secs, 0.1, 900.0),
            ("dispatch.lease_margin_secs", self.dispatch.lease_margin_secs, 0.1, 600.0),
            ("dispatch.call_margin_secs", self.dispatch.call_margin_secs, 0.01, 600.0),
            ("dispatch.lane_queue", self.dispatch.lane_queue as f64, 1.0, 100_000.0),
            ("retry.jitter", self.retry.jitter, 0.0, 1.0),
            ("retry.tries_max", f64::from(self.retry.tries_max), 1.0, 100.0),
            ("recipes.look_up_timeout_secs", self.recipes.look_up_timeout_secs, 0.1, 60.0),
            ("recipes.poll_interval_ms", self.recipes.poll_interval_ms as f64, 10.0, 3_600_000.0),
            ("recipes.give_up_secs", self.recipes.give_up_secs, 0.0, 1e7),
            ("web.connections_max", self.web.connections_max as f64, 1.0, 100_000.0),
        ];
        for (key, value, least, most) in bounds {
            if !(least..=most).contains(&value) {
                bail!("{key} is {value}; set it to a value between {least} and {most}");
            }
        }
        if self.dispatch.call_margin_secs >= self.dispatch.lease_margin_secs {
            bail!(
                "dispatch.call_margin_secs must be less than dispatch.lease_margin_secs, or no call could start"
            );
        }
        for (key, secs) in [
            ("retry.delays_secs", &self.retry.delays_secs),
            ("recipes.delays_secs", &self.recipes.delays_secs),
        ] {
            if secs.is_empty() || secs.iter().any(|secs| !(0.0..=1e7).contains(secs)) {
                bail!("{key} needs at least one wait, each between 0 and 10000000 seconds");
            }
        }
        for (section, times) in [("unknown", &self.unknown), ("receipts", &self.receipts)] {
            times.check(section)?;
        }
        Ok(())
    }

    /// The installation's secret.
    ///
    /// # Errors
    /// It is missing or shorter than 32 characters.
    pub fn checked_secret(&self) -> anyhow::Result<&SecretString> {
        if self.secret.expose_secret().chars().count() < SECRET_CHARS_MIN {
            bail!("secret needs at least {SECRET_CHARS_MIN} characters; set POSTRIDER_SECRET");
        }
        Ok(&self.secret)
    }

    /// The waits between attempts, from section `[retry]`.
    #[must_use]
    pub fn schedule(&self) -> RetrySchedule {
        let secs = Duration::from_secs_f64;
        RetrySchedule {
            delays: self.retry.delays_secs.iter().copied().map(secs).collect(),
            jitter: self.retry.jitter,
            tries_max: self.retry.tries_max,
            give_up_after: secs(self.retry.give_up_after_secs),
            hint_max: secs(self.retry.hint_max_secs),
            lane_delay: secs(self.retry.lane_delay_secs),
        }
    }

    /// The timeouts of calls to providers, from section `[dispatch]`.
    #[must_use]
    pub fn timeouts(&self) -> Timeouts {
        Timeouts {
            connect: Duration::from_secs_f64(self.dispatch.connect_timeout_secs),
            http: Duration::from_secs_f64(self.dispatch.http_timeout_secs),
            smtp: Duration::from_secs_f64(self.dispatch.smtp_timeout_secs),
        }
    }

    /// The duration of a lease: the longest call and `dispatch.lease_margin_secs`.
    #[must_use]
    pub fn lease(&self) -> Duration {
        let longest = self.dispatch.http_timeout_secs.max(self.dispatch.smtp_timeout_secs);
        Duration::from_secs_f64(longest + self.dispatch.lease_margin_secs)
    }
}

impl LookTimes {
    #[must_use]
    pub fn plan(&self) -> StatusPollPlan {
        let looks =
            |secs: &[f64]| PollTimes(secs.iter().copied().map(Duration::from_secs_f64).collect::<Vec<_>>());
        StatusPollPlan { email: looks(&self.email_looks_secs), sms: looks(&self.sms_looks_secs) }
    }

    fn check(&self, section: &str) -> anyhow::Result<()> {
        for (key, secs) in
            [("email_looks_secs", &self.email_looks_secs), ("sms_looks_secs", &self.sms_looks_secs)]
        {
            let ascending = secs.windows(2).all(|pair| pair[0] < pair[1]);
            let bounded = secs.iter().all(|secs| (0.0..=1e7).contains(secs));
            if secs.is_empty() || !ascending || !bounded {
                bail!(
                    "{section}.{key} needs at least one time, each later than the one before, between 0 and 10000000 seconds"
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_default_is_complete_and_valid() {
        let layers = config::Config::builder().add_source(File::from_str(DEFAULT, FileFormat::Toml));
        let config: Config = layers.build().expect("builds").try_deserialize().expect("is complete");
        config.check().expect("is within its own bounds");
        assert_eq!(
            config.schedule(),
            RetrySchedule::default(),
            "default.toml and `RetrySchedule::default` agree"
        );
    }

    #[test]
    fn look_up_times_must_ascend() {
        for wrong in ["[]", "[60.0, 5.0]", "[1.0, 1.0]", "[-1.0]", "[1e9]"] {
            let layer = format!("unknown.sms_looks_secs = {wrong}");
            let error = Config::from_layers(&[&layer]).expect_err("is refused").to_string();
            assert!(error.contains("unknown.sms_looks_secs"), "{wrong}: {error}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let layers = config::Config::builder()
            .add_source(File::from_str(DEFAULT, FileFormat::Toml))
            .add_source(File::from_str("[amqp]\nprefetsch = 1", FileFormat::Toml));
        let error = layers.build().expect("builds").try_deserialize::<Config>().expect_err("is refused");
        assert!(error.to_string().contains("prefetsch"), "{error}");
    }
}
