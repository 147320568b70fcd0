//! CSV files of people: rows by their heading, problems by their line.
//!
//! No I/O; `blocks::bulk` and `cli::customers` interpret the rows. A cell that a spreadsheet would evaluate as a formula
//! is escaped in exports and unescaped in imports, so that an export can be imported. No problem quotes the file.

use postrider_domain::document::fields::Problems;

/// Bound of the rows of one file.
pub const ROWS_MAX: usize = 10_000;
/// Bound of a file, in bytes.
pub const BYTES_MAX: usize = 4 * 1024 * 1024;

/// First characters of a spreadsheet's formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];
/// Bound of an unknown heading in its problem.
const SHOWN_CHARS_MAX: usize = 40;

/// The columns of one kind of file.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    /// Columns that are read, by `Row::cell`.
    pub read: &'static [&'static str],
    /// At least one of these columns is required.
    pub required: &'static [&'static str],
    /// Export-only columns, ignored on import.
    pub ignored: &'static [&'static str],
}

/// One row of a file.
#[derive(Debug)]
pub struct Row<'r> {
    /// Place of the row in problems, such as `line 7`.
    pub place: String,
    cells: &'r csv::StringRecord,
    /// Index of the cell for each of `Columns::read`.
    at: &'r [Option<usize>],
}

impl Row<'_> {
    /// The cell of a column, by its index in `Columns::read`; `None` if it is empty.
    #[must_use]
    pub fn cell(&self, column: usize) -> Option<&str> {
        let place = self.at.get(column).copied().flatten()?;
        self.cells.get(place).map(unescape_formula).filter(|cell| !cell.is_empty())
    }
}

/// Calls `read` for each row and collects problems by line. A file without a valid heading has no rows.
pub fn each_row(
    bytes: &[u8],
    columns: &Columns,
    problems: &mut Problems,
    mut read: impl FnMut(&Row<'_>, &mut Problems),
) {
    // Spreadsheets write a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let at = match reader.headers() {
        Ok(headings) => places(headings, columns, problems),
        Err(error) => {
            problems.add("line 1", "not_csv", describe(&error));
            None
        }
    };
    let Some(at) = at else { return };
    for (count, row) in reader.records().enumerate() {
        if count >= ROWS_MAX {
            let message = format!("at most {ROWS_MAX} rows are taken at once; split the file");
            problems.add("", "too_many", message);
            break;
        }
        match row {
            Ok(cells) => {
                let line = cells.position().map_or(0, csv::Position::line);
                read(&Row { place: format!("line {line}"), cells: &cells, at: &at }, problems);
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                problems.add(format!("line {line}"), "not_csv", describe(&error));
            }
        }
    }
}

/// A cell for an export: a formula, or a cell with a leading quote, is prefixed with a quote.
#[must_use]
pub fn escape_formula(text: &str) -> String {
    match text.starts_with(FORMULA) || text.starts_with('\'') {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

/// The cell before `escape_formula`.
fn unescape_formula(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if rest.starts_with(FORMULA) || rest.starts_with('\'') => rest,
        _ => text,
    }
}

fn places(
    headings: &csv::StringRecord,
    columns: &Columns,
    problems: &mut Problems,
) -> Option<Vec<Option<usize>>> {
    let position = |wanted: &str| {
        let named = headings.iter().enumerate();
        let mut places = named.filter(|(_, heading)| heading.eq_ignore_ascii_case(wanted));
        (places.next().map(|(place, _)| place), places.next().is_some())
    };
    let mut known = columns.read.iter().chain(columns.ignored);
    for heading in headings.iter() {
        if !known.clone().any(|known| known.eq_ignore_ascii_case(heading)) {
            let letters = heading.chars().filter(|letter| letter.is_alphanumeric());
            let shown: String = letters.take(SHOWN_CHARS_MAX).collect();
            let known = columns.read.join(", ");
            let message = format!("the column {shown:?} is unknown, known are {known}");
            problems.add("line 1", "unknown_field", message);
        }
    }
    if let Some(twice) = known.find(|known| position(known).1) {
        let message = format!("the column {twice} is there twice, keep one");
        problems.add("line 1", "duplicate_field", message);
    }
    if columns.required.iter().all(|required| position(required).0.is_none()) {
        let message = format!("the heading must name the column {}", columns.required.join(" or "));
        problems.add("line 1", "missing", message);
        return None;
    }
    Some(columns.read.iter().map(|wanted| position(wanted).0).collect())
}

/// The kind of an error, without the text of the file.
fn describe(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "the line is not UTF-8; save the file as UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the line has {len} cells, its heading {expected_len}; quote cells that hold a comma")
        }
        _ => "the line is not CSV".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COLUMNS: Columns = Columns { read: &["a", "b"], required: &["a"], ignored: &["id"] };

    type Cells = (Option<String>, Option<String>);

    fn rows(text: &str) -> Result<Vec<Cells>, Vec<(String, String)>> {
        let (mut problems, mut rows) = (Problems::default(), Vec::new());
        each_row(text.as_bytes(), &COLUMNS, &mut problems, |row, _| {
            rows.push((row.cell(0).map(str::to_owned), row.cell(1).map(str::to_owned)));
        });
        let found = |problems: Vec<postrider_domain::document::Problem>| {
            problems.into_iter().map(|problem| (problem.path, problem.code)).collect()
        };
        problems.settle(Some(rows)).map_err(found)
    }

    fn codes(text: &str) -> Vec<String> {
        rows(text).expect_err("is refused").into_iter().map(|(_, code)| code).collect()
    }

    #[test]
    fn rows_are_read_by_their_heading_in_any_order() {
        let found = rows("\u{feff}ID,B,A\r\n1, x ,\"y,\"\"z\"\r\n\r\n2,,w\r\n").expect("is valid");
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(found, [(text("y,\"z"), text("x")), (text("w"), None)]);
    }

    #[test]
    fn a_heading_that_says_too_little_or_too_much_is_refused() {
        assert_eq!(codes("b\nx\n"), ["missing"]);
        assert_eq!(codes("a,colour\nx,y\n"), ["unknown_field"]);
        assert_eq!(codes("a,b,A\nx,y,z\n"), ["duplicate_field"]);
        assert_eq!(codes(""), ["missing"]);
    }

    #[test]
    fn more_rows_than_the_bound_are_refused() {
        let text: String = (0..=ROWS_MAX).map(|number| format!("{number}\n")).collect();
        assert_eq!(codes(&format!("a\n{text}")), ["too_many"]);
    }

    #[test]
    fn no_cell_goes_out_as_a_formula() {
        for text in ["=1+1", "+1", "-1", "@x", "\t=1"] {
            assert_eq!(escape_formula(text), format!("'{text}"));
        }
        assert_eq!(escape_formula("plain = text"), "plain = text");
    }

    proptest! {
        #[test]
        fn what_goes_out_comes_in_as_it_was(text in "['=+@x-]{0,4}") {
            let out = escape_formula(&text);
            prop_assert_eq!(unescape_formula(&out), text);
            prop_assert!(!out.starts_with(FORMULA));
        }
    }
}
