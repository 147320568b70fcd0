//! All parts of the benchmark, each as it was last measured: what benches/results.json holds.
//!
//! A run hands in what it measured and replaces those parts as a whole; the others stay as they were. Invariant:
//! nothing here or in the sheets compares figures of two parts, for they may be of different runs.

use serde::{Deserialize, Serialize};

use super::{
    Bloat, Claims, Drain, Entrance, Latency, Origin, Part, Rate, Sheet, Tried, Waiting, bars::Bars, bloat,
    claims, ingress, latency, rates, sweep, waiting,
};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms: Option<Part<Vec<Rate>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Part<Vec<Rate>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Part<Vec<Latency>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrance: Option<Part<Vec<Entrance>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Part<Vec<Waiting>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<Part<Vec<Claims>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<Part<Vec<Drain>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bloat: Option<Part<Vec<Bloat>>>,
    /// How the peers were tuned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Part<Vec<Tried>>>,
}

/// The sheets and bars of one part, on the page and in the picture.
pub struct Shown {
    pub origin: Origin,
    /// Peers that had another setting than the sweep that is shown kept.
    pub peers: Vec<String>,
    pub troubles: Vec<String>,
    pub sheets: Vec<Sheet>,
    pub bars: Vec<Bars>,
}

impl Parts {
    /// Whatever the other has replaces what is here.
    pub fn take(&mut self, other: Parts) {
        let Parts { sms, email, latency, entrance, waiting, claims, drain, bloat, sweep } = other;
        replace(&mut self.sms, sms);
        replace(&mut self.email, email);
        replace(&mut self.latency, latency);
        replace(&mut self.entrance, entrance);
        replace(&mut self.waiting, waiting);
        replace(&mut self.claims, claims);
        replace(&mut self.drain, drain);
        replace(&mut self.bloat, bloat);
        replace(&mut self.sweep, sweep);
    }

    /// In the order of the page.
    pub fn shown(&self) -> Vec<Shown> {
        let plain = |sheets: Vec<Sheet>| (sheets, Vec::new());
        let parts = [
            shown(&self.sms, |runs| rates::tables(runs).into_iter().unzip()),
            shown(&self.email, |runs| rates::tables(runs).into_iter().unzip()),
            shown(&self.latency, |runs| latency::tables(runs).into_iter().unzip()),
            shown(&self.entrance, |runs| plain(vec![ingress::sheet(runs)])),
            shown(&self.waiting, |runs| plain(waiting::sheets(runs))),
            shown(&self.claims, |runs| plain(vec![claims::sheet(runs)])),
            shown(&self.drain, |runs| plain(vec![waiting::drained(runs)])),
            shown(&self.bloat, |runs| plain(bloat::sheets(runs))),
            shown(&self.sweep, |runs| plain(vec![sweep::sheet(runs)])),
        ];
        let kept = self.sweep.as_ref().map_or(&[][..], |sweep| &sweep.peers);
        let mut parts: Vec<Shown> = parts.into_iter().flatten().collect();
        for part in &mut parts {
            part.peers.retain(|peer| !kept.contains(peer));
        }
        parts
    }
}

fn replace<T>(part: &mut Option<Part<T>>, by: Option<Part<T>>) {
    if by.is_some() {
        *part = by;
    }
}

fn shown<T: Clone>(
    part: &Option<Part<Vec<T>>>,
    show: impl Fn(&[T]) -> (Vec<Sheet>, Vec<Bars>),
) -> Option<Shown> {
    let Part { origin, peers, troubles, runs } = part.as_ref()?.clone();
    let (sheets, bars) = show(&runs);
    Some(Shown { origin, peers, troubles, sheets, bars })
}
