//! The rate of a run's steady part: from a tenth to nine tenths of the counted requests.
//!
//! Start and end of a run are left out, because workers begin and end at different moments.

const STEADY: (f64, f64) = (0.1, 0.9);

/// Requests per second over the steady part of a growing count at growing times; `each`: how much of it one
/// request is. Not a number where all came at one instant.
pub fn steady_rate(points: &[(f64, usize)], each: f64) -> f64 {
    let Some(&(_, end)) = points.last() else { return f64::NAN };
    let (low, high) = (end as f64 * STEADY.0, end as f64 * STEADY.1);
    let time = when(points, high) - when(points, low);
    if time > 0.0 { (high - low) / each / time } else { f64::NAN }
}

/// When the count came to this much, on straight lines between the points.
fn when(points: &[(f64, usize)], much: f64) -> f64 {
    let after = points.partition_point(|(_, count)| (*count as f64) < much);
    let Some(&(later, above)) = points.get(after) else { return f64::NAN };
    let Some(&(sooner, below)) = after.checked_sub(1).and_then(|before| points.get(before)) else {
        return later;
    };
    sooner + (later - sooner) * (much - below as f64) / (above - below) as f64
}
