//! Logs and metrics of the process.
//!
//! `names` lists every metric, `log` writes log lines without ever delaying the work, `http` serves both kinds of
//! state to Prometheus and Kubernetes. Never here: addresses, names, bodies, links.

pub mod http;
pub mod log;
pub mod names;
