//! A job's place in its company: brand and channel, from the policy alone.
//!
//! Comes before the facts, because the facts to gather depend on it (a reservation may be per brand). A job that
//! cannot be placed is rejected.

use crate::{
    company::{Brand, Channel, Policy},
    document::Problem,
    job::{Job, JobOrigin},
};

/// A job's place: both name entries of the policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The named brand, else the default one.
    pub brand: Brand,
    /// The named channel.
    pub channel: Channel,
}

/// Places a job of `origin` by its brand and channel.
///
/// # Errors
/// The problem with the brand, with the channel, or both.
pub fn place(job: &Job, policy: &Policy, origin: JobOrigin) -> Result<Placed, Vec<Problem>> {
    match (brand(job, policy), channel(job, policy, origin)) {
        (Ok(brand), Ok(channel)) => Ok(Placed { brand: brand.clone(), channel: channel.clone() }),
        (brand, channel) => Err([brand.err(), channel.err()].into_iter().flatten().collect()),
    }
}

fn brand<'a>(job: &Job, policy: &'a Policy) -> Result<&'a Brand, Problem> {
    let known = || policy.brands.iter().map(|brand| brand.label.as_str()).collect::<Vec<_>>().join(", ");
    match (&job.brand, &policy.default_brand, policy.brands.as_slice()) {
        (Some(label), _, _) => policy.brand(label).ok_or_else(|| {
            Problem::new("brand", "unknown_brand", format!("no such brand; this company has: {}", known()))
        }),
        (None, Some(label), _) => policy.brand(label).ok_or_else(|| {
            Problem::new("brand", "unknown_brand", "the company's default_brand is not one of its brands")
        }),
        (None, None, [only]) => Ok(only),
        (None, None, _) => {
            let message = format!("name a brand, one of: {}; or set the company's default_brand", known());
            Err(Problem::new("brand", "missing", message))
        }
    }
}

fn channel<'a>(job: &Job, policy: &'a Policy, origin: JobOrigin) -> Result<&'a Channel, Problem> {
    let known = || policy.channels.iter().map(|channel| channel.name.as_str()).collect::<Vec<_>>().join(", ");
    let Some(name) = &job.channel else {
        return Err(Problem::new("channel", "missing", format!("name a channel, one of: {}", known())));
    };
    let Some(channel) = policy.channel(name) else {
        let message = format!("no such channel; this company has integrated: {}", known());
        return Err(Problem::new("channel", "unknown_channel", message));
    };
    let (on, kind) = match origin {
        JobOrigin::Automatic => (channel.automatic, "automatic"),
        JobOrigin::Manual => (channel.manual, "manual"),
    };
    if on {
        return Ok(channel);
    }
    let message =
        format!("channel is switched off for {kind} requests; set `{kind} = true` in the company's file");
    Err(Problem::new("channel", "channel_off", message))
}
