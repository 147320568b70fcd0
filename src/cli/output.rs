//! Output of commands: tables, name-value lines, JSON, and times.
//!
//! People get aligned columns, programs get JSON (`--json`). Names, addresses and codes come from outside: `clean` keeps
//! their control characters from the terminal. A reader that closes the pipe early (`| head`) is no error.

use std::{
    fmt::Write as _,
    io::{ErrorKind, IsTerminal, Write as _},
};

use anyhow::Context;
use serde::Serialize;

pub use crate::requests::views::format_time::{moment, relative, time};

/// Widest cell in columns; the last cell of a row has no limit.
const CELL_WIDTH_MAX: usize = 48;
const GAP: &str = "  ";

/// A table of `N` columns.
#[derive(Debug, Clone)]
pub struct Table<const N: usize> {
    heads: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// An empty table with its headings.
    #[must_use]
    pub fn new(heads: [&'static str; N]) -> Table<N> {
        Table { heads, rows: Vec::new() }
    }

    /// Adds a row; an empty cell is printed as `-`.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// The table as text. Columns of nothing but numbers are aligned to the right.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let rows: Vec<[String; N]> = self.rows.iter().map(printable).collect();
        let widths: [usize; N] = std::array::from_fn(|column| {
            rows.iter().map(|row| width(&row[column])).chain([self.heads[column].len()]).max().unwrap_or(0)
        });
        let numeric: [bool; N] = std::array::from_fn(|column| {
            let number = |row: &[String; N]| row[column].bytes().all(|byte| byte.is_ascii_digit());
            !rows.is_empty() && rows.iter().all(number)
        });
        let mut text = String::new();
        let heads = line(&self.heads.map(str::to_owned), &widths, &numeric);
        if colour {
            let _ = writeln!(text, "\u{1b}[1m{heads}\u{1b}[0m");
        } else {
            let _ = writeln!(text, "{heads}");
        }
        for row in &rows {
            let _ = writeln!(text, "{}", line(row, &widths, &numeric));
        }
        text
    }

    /// Prints the table to standard output.
    pub fn print(&self) -> anyhow::Result<()> {
        put(&self.render(colour()))
    }
}

/// Aligned `name  value` lines; a pair with an empty value is left out.
#[must_use]
pub fn fields(pairs: &[(&str, String)]) -> String {
    let names =
        pairs.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{name:names$}{GAP}{}", clean(value));
    }
    text
}

/// Prints JSON and a line end to standard output.
pub fn json<T: Serialize + ?Sized>(value: &T) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value).context("write json")?;
    text.push('\n');
    put(&text)
}

/// Prints text to standard output.
pub fn put(text: &str) -> anyhow::Result<()> {
    put_bytes(text.as_bytes())
}

/// Prints bytes unchanged to standard output.
pub fn put_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("write to standard output"),
    }
}

/// Text that is safe for a terminal: control characters and marks that change the writing direction become `?`.
#[must_use]
pub fn clean(text: &str) -> String {
    let is_unsafe = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if is_unsafe(letter) { '?' } else { letter }).collect()
}

/// Whether standard output is a terminal and colour is not disabled by `NO_COLOR`.
#[must_use]
pub fn colour() -> bool {
    let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    std::io::stdout().is_terminal() && unset("NO_COLOR")
}

fn printable<const N: usize>(row: &[String; N]) -> [String; N] {
    std::array::from_fn(|column| {
        let cell = clean(&row[column]);
        match cell.as_str() {
            "" => "-".to_owned(),
            _ if column + 1 == N => cell,
            _ => cut(cell),
        }
    })
}

fn cut(cell: String) -> String {
    if width(&cell) <= CELL_WIDTH_MAX {
        return cell;
    }
    let mut taken = 0;
    let fits = |letter: &char| {
        taken += letter_width(*letter);
        taken < CELL_WIDTH_MAX
    };
    let mut short: String = cell.chars().take_while(fits).collect();
    short.push('…');
    short
}

fn line<const N: usize>(cells: &[String; N], widths: &[usize; N], numeric: &[bool; N]) -> String {
    let mut text = String::new();
    for (column, cell) in cells.iter().enumerate() {
        let padding = " ".repeat(widths[column].saturating_sub(width(cell)));
        if numeric[column] {
            let _ = write!(text, "{padding}{cell}{GAP}");
        } else {
            let _ = write!(text, "{cell}{padding}{GAP}");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

fn width(text: &str) -> usize {
    text.chars().map(letter_width).sum()
}

/// Columns of a letter on a terminal, approximated for names: marks take none, wide scripts two.
fn letter_width(letter: char) -> usize {
    match u32::from(letter) {
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_are_aligned_numbers_to_the_right_and_nothing_is_a_dash() {
        let mut table = Table::new(["Sent to", "Retries", "Status"]);
        table.row(["Jane".into(), "0".into(), "sent".into()]);
        table.row(["王小明".into(), "12".into(), String::new()]);
        assert_eq!(
            table.render(false),
            "Sent to  Retries  Status\n\
             Jane           0  sent\n\
             王小明        12  -\n"
        );
    }

    #[test]
    fn colour_is_for_the_heads_alone() {
        let mut table = Table::new(["A"]);
        table.row(["x".into()]);
        assert_eq!(table.render(true), "\u{1b}[1mA\u{1b}[0m\nx\n");
    }

    #[test]
    fn a_long_cell_says_that_it_is_cut_and_the_last_one_is_whole() {
        let mut table = Table::new(["A", "B"]);
        table.row(["x".repeat(100), "y".repeat(100)]);
        let row = table.render(false).lines().nth(1).expect("a row").to_owned();
        assert!(row.starts_with(&format!("{}…  ", "x".repeat(CELL_WIDTH_MAX - 1))), "{row}");
        assert!(row.ends_with(&"y".repeat(100)), "{row}");
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(clean("Jane\u{1b}[2J\r\n\u{202e}Doe\u{9b}"), "Jane?[2J???Doe?");
        assert_eq!(clean("Zoë 王小明"), "Zoë 王小明");
    }

    #[test]
    fn fields_are_aligned_and_empty_ones_are_left_out() {
        let text = fields(&[("a", "1".into()), ("very long", String::new()), ("name", "2".into())]);
        assert_eq!(text, "a     1\nname  2\n");
    }

    proptest! {
        #[test]
        fn a_table_has_one_line_per_row_whatever_the_cells_hold(cells in proptest::collection::vec(any::<String>(), 0..5)) {
            let mut table = Table::new(["A", "B"]);
            for cell in &cells {
                table.row([cell.clone(), cell.clone()]);
            }
            prop_assert_eq!(table.render(false).split('\n').count(), cells.len() + 2);
        }
    }
}
