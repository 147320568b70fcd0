//! Rates and latencies as bars: one group a table, a bar a row, a line over it from the least to the most.
//!
//! No crate: text with a few rectangles. Each group has a scale of its own, its longest bar.

use std::fmt::Write;

use super::{
    LIMIT, POSTRIDER, Parts, Spread,
    bars::{Bar, Bars},
};

const WIDTH: f64 = 760.0;
const NAMES: f64 = 170.0;
const NUMBERS: f64 = 190.0;
const BAR: f64 = 18.0;
const STEP: f64 = 26.0;
const TITLE: f64 = 34.0;

/// The SVG file.
pub fn picture(parts: &Parts) -> String {
    let groups: Vec<Bars> = parts.shown().into_iter().flat_map(|part| part.bars).collect();
    let height: f64 = groups.iter().map(height_of).sum::<f64>() + 16.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let mut top = 0.0;
    for group in &groups {
        draw(&mut svg, group, top);
        top += height_of(group);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Units of the view box.
fn height_of(group: &Bars) -> f64 {
    TITLE + STEP * group.bars.len() as f64
}

fn draw(svg: &mut String, Bars { title, bars }: &Bars, top: f64) {
    text(svg, (8.0, top + 24.0), "font-weight=\"bold\"", title);
    let most = bars.iter().filter_map(|bar| bar.spread).map(|spread| spread.most);
    let scale = (WIDTH - NAMES - NUMBERS) / most.fold(f64::MIN_POSITIVE, f64::max);
    for (number, Bar { name, spread, words }) in bars.iter().enumerate() {
        let y = top + TITLE + STEP * number as f64;
        text(svg, (8.0, y + 14.0), "", name);
        let Some(Spread { median, least, most }) = spread else {
            text(svg, (NAMES, y + 14.0), "", words);
            continue;
        };
        let fill = match name.as_str() {
            LIMIT => "#9aa5b1",
            POSTRIDER => "#2f6fde",
            _ => "#d9822b",
        };
        let width = median * scale;
        put(
            svg,
            &format!("<rect x=\"{NAMES}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{fill}\"/>"),
        );
        let (from, to, middle) = (NAMES + least * scale, NAMES + most * scale, y + BAR / 2.0);
        put(
            svg,
            &format!("<path d=\"M{from:.1} {middle} H{to:.1}\" stroke=\"#1f2933\" stroke-width=\"2\"/>"),
        );
        text(svg, (to.max(NAMES + width) + 6.0, y + 14.0), "", words);
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), more: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    put(svg, &format!("<text x=\"{x:.1}\" y=\"{y}\" fill=\"#1f2933\" {more}>{words}</text>"));
}

fn put(svg: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(svg, "{line}");
}
