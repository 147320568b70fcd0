//! Logs and metrics.
//!
//! Every metric name is in `names`; logs are JSON lines without addresses, names, bodies or links.
//! `http` serves what Prometheus and Kubernetes ask for.

pub mod http;
pub mod log;
pub mod names;
