//! A plain table with a title: what every part of a run hands in.
//!
//! No I/O. Its first line is the head; the terminal and RESULTS.md show the same cells.

#[derive(Debug, Clone)]
pub struct Sheet {
    pub title: String,
    /// The text before the table.
    pub words: String,
    pub lines: Vec<Vec<String>>,
}

impl Sheet {
    pub fn new(title: &str, words: &str, head: &[&str]) -> Sheet {
        let head = head.iter().map(|&word| word.to_owned()).collect();
        Sheet { title: title.to_owned(), words: words.to_owned(), lines: vec![head] }
    }

    /// Drops columns without any measured value.
    pub fn without_empty_columns(mut self) -> Sheet {
        let columns = self.lines.first().map_or(0, Vec::len);
        let empty = |column: &usize| self.lines.iter().skip(1).all(|line| line[*column].is_empty());
        let dropped: Vec<usize> = (0..columns).filter(empty).collect();
        for line in &mut self.lines {
            let mut column = 0..;
            line.retain(|_| column.next().is_some_and(|column| !dropped.contains(&column)));
        }
        self
    }

    /// In columns, for a terminal.
    pub fn aligned(&self) -> String {
        let columns = self.lines.first().map_or(0, Vec::len);
        let cell = |line: &[String], column: usize| line[column].chars().count();
        let width = |column| self.lines.iter().map(|line| cell(line, column)).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = format!("{}\n", self.title);
        for line in &self.lines {
            for (word, width) in line.iter().zip(&widths) {
                text.push_str(&format!("  {word:<width$}"));
            }
            text.push('\n');
        }
        text
    }

    pub fn markdown(&self) -> String {
        let mut text = format!("\n## {}\n\n", self.title);
        if !self.words.is_empty() {
            text.push_str(&format!("{}\n\n", self.words));
        }
        for (number, line) in self.lines.iter().enumerate() {
            text.push_str(&format!("| {} |\n", line.join(" | ")));
            if number == 0 {
                text.push_str(&format!("|{}\n", "---|".repeat(line.len())));
            }
        }
        text
    }
}
