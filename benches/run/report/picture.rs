//! The rates as bars: one group a table, a bar a row, a line over it from the least to the most.
//!
//! No I/O and no crate: text with a few rectangles. Each group has a scale of its own, its longest bar.

use std::fmt::Write;

use super::Table;

const WIDTH: f64 = 760.0;
const NAMES: f64 = 170.0;
const NUMBERS: f64 = 190.0;
const BAR: f64 = 18.0;
const STEP: f64 = 26.0;
const TITLE: f64 = 34.0;

pub fn bars(tables: &[Table]) -> String {
    let height: f64 = tables.iter().map(|table| TITLE + STEP * table.rates.len() as f64).sum::<f64>() + 16.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let mut top = 0.0;
    for table in tables {
        group(&mut svg, table, top);
        top += TITLE + STEP * table.rates.len() as f64;
    }
    svg.push_str("</svg>\n");
    svg
}

fn group(svg: &mut String, table: &Table, top: f64) {
    let title = format!("{}: requests/s", table.sheet.title.replace('*', ""));
    text(svg, (8.0, top + 24.0), "font-weight=\"bold\"", &title);
    let most = table.rates.iter().map(|(_, rate, _)| rate.most).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - NAMES - NUMBERS) / most;
    for (number, (name, rate, share)) in table.rates.iter().enumerate() {
        let y = top + TITLE + STEP * number as f64;
        let fill = match name.as_str() {
            "limit" => "#9aa5b1",
            "postrider" => "#2f6fde",
            _ => "#d9822b",
        };
        text(svg, (8.0, y + 14.0), "", name);
        let width = rate.median * scale;
        put(
            svg,
            &format!("<rect x=\"{NAMES}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{fill}\"/>"),
        );
        let (from, to) = (NAMES + rate.least * scale, NAMES + rate.most * scale);
        let middle = y + BAR / 2.0;
        put(
            svg,
            &format!("<path d=\"M{from:.1} {middle} H{to:.1}\" stroke=\"#1f2933\" stroke-width=\"2\"/>"),
        );
        let share = share.map_or_else(String::new, |share| format!(" ({share:.2} of the limit)"));
        text(svg, (to.max(NAMES + width) + 6.0, y + 14.0), "", &format!("{:.0}{share}", rate.median));
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
