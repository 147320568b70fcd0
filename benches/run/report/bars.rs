//! Groups of bars: the contents of the picture, made by the sheets of each part and drawn by `picture`.
//!
//! A group is one table; its scale is its own.

use super::Spread;

/// One group of the picture; its bars share a scale.
pub struct Bars {
    pub title: String,
    pub bars: Vec<Bar>,
}

pub struct Bar {
    pub name: String,
    /// `None` where there is only something to say.
    pub spread: Option<Spread>,
    pub words: String,
}
