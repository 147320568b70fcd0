//! Shared parts of the integration tests.
//!
//! `env` is one test's database, broker prefix and simulator, `company` its policies, `job` its jobs, `wait`
//! the only place that waits.

pub mod api;
pub mod audit;
pub mod broker;
pub mod claims;
pub mod clock;
pub mod company;
pub mod eight_by_eight;
pub mod env;
pub mod fake_pgbouncer;
pub mod inspect;
pub mod job;
pub mod kustomer;
pub mod load;
pub mod mock_http;
pub mod paths;
pub mod process;
pub mod proxy;
pub mod sql;
pub mod stack;
pub mod static_server;
pub mod wait;
pub mod webhook;

pub use env::TestEnv;

use std::sync::LazyLock;

/// The tests' own HTTP client. It keeps no connection: each test has a runtime of its own.
pub fn http() -> &'static reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client")
    });
    &CLIENT
}
