//! Reads the files of commands, and words the problems of their contents.
//!
//! Every command that takes a file reads it here: the same limits, `-` for standard input, one list of problems.

use std::{io::Read, path::Path};

use anyhow::{Context, ensure};

use crate::{cli::output, csv_rows::BYTES_MAX as CSV_BYTES_MAX};
use postrider_domain::document::Problem;

const INPUT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The bytes of a file, or of standard input for `-`; at most 256 MiB.
pub(super) fn read_file(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut take =
        |source: &mut dyn Read| source.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes).map(|_| ());
    if file.as_os_str() == "-" {
        take(&mut std::io::stdin().lock()).context("read standard input")?;
    } else {
        let mut opened = std::fs::File::open(file).with_context(|| format!("open {}", file.display()))?;
        take(&mut opened).with_context(|| format!("read {}", file.display()))?;
    }
    ensure!(
        bytes.len() as u64 <= INPUT_BYTES_MAX,
        "the input is larger than {INPUT_BYTES_MAX} bytes; split it"
    );
    Ok(bytes)
}

/// The bytes of a CSV file, or of standard input for `-`; at most `csv_rows::BYTES_MAX`.
pub(super) fn read_csv(file: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = read_file(file)?;
    ensure!(bytes.len() <= CSV_BYTES_MAX, "the file is larger than {CSV_BYTES_MAX} bytes; split it");
    Ok(bytes)
}

/// An error of a heading and one line per problem, with its field.
pub(super) fn problems(heading: &str, problems: &[Problem]) -> anyhow::Error {
    let line = |problem: &Problem| match problem.path.as_str() {
        "" => format!("  {}", output::clean(&problem.message)),
        path => format!("  {}: {}", output::clean(path), output::clean(&problem.message)),
    };
    let lines: Vec<String> = problems.iter().map(line).collect();
    anyhow::anyhow!("{heading}:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_of_a_file_is_a_line() {
        let found = [Problem::new("line 3.address", "bad_address", "give one"), Problem::new("", "x", "y")];
        assert_eq!(
            problems("nothing was changed", &found).to_string(),
            "nothing was changed:\n  line 3.address: give one\n  y"
        );
    }
}
