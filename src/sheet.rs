//! Tables that other programs wrote, CSV or JSONL: read with their places, written back with all that we do not understand.
//!
//! Judged answers, projections and pre-scored files are such tables. CSV cells are text; JSONL rows are any JSON objects.
//! Writing goes through a temporary file, so a half-written table never replaces a whole one.

use std::path::Path;

use serde_json::{Map, Value};

use crate::{At, Error, Result, ensure, record};

/// How a table is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a header (RFC 4180: quotes, line breaks inside cells).
    Csv,
    /// A JSON object per line.
    Jsonl,
}

impl Format {
    /// By the file's ending: `.csv`, or `.jsonl`, `.ndjson`, `.json`.
    ///
    /// # Errors
    /// Any other ending.
    pub fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        match ending.as_str() {
            "csv" => Ok(Self::Csv),
            "jsonl" | "ndjson" | "json" => Ok(Self::Jsonl),
            _ => {
                Err(Error::usage("neither CSV nor JSONL by its name").at(path.display()).hint("name it .csv or .jsonl"))
            }
        }
    }
}

/// One row: its cells in the file's order, and where it stood.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Line {
    /// The line of the file at which the row begins, from 1; 0 for a row made here.
    pub number: usize,
    /// Name and value of each cell; text in a CSV file, any JSON in a JSONL file.
    pub cells: Map<String, Value>,
}

impl Line {
    /// The cell's text; `None` if there is no such cell or it holds something else than text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.cells.get(name)?.as_str()
    }

    /// The cell as a number. An absent or empty cell, `null` and `nan` (what pandas and others write for nothing) are `None`.
    ///
    /// # Errors
    /// Anything else that is no finite number.
    pub fn number_at(&self, name: &str) -> Result<Option<f64>> {
        let number = match self.cells.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => match text.trim() {
                "" | "nan" | "NaN" | "null" | "None" => return Ok(None),
                text => text.parse().ok(),
            },
            Some(_) => None,
        };
        match number.filter(|x: &f64| x.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(Error::new(format!("`{name}` holds {}, which is no number", self.cells[name]))),
        }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// How it was, or is to be, written down.
    pub format: Format,
    /// Its rows.
    pub lines: Vec<Line>,
    /// The names of the columns in order: a CSV file's header, else all keys as they first appear.
    pub columns: Vec<String>,
}

impl Sheet {
    /// An empty table with the given columns.
    pub fn new(format: Format, columns: &[&str]) -> Self {
        Self { format, lines: Vec::new(), columns: columns.iter().map(|&c| c.to_owned()).collect() }
    }

    /// Reads a table and keeps its malformed rows apart, one error `FILE:LINE: reason` for each.
    ///
    /// # Errors
    /// If the file cannot be read, has an unknown ending, or holds no row at all.
    pub fn scan(path: &Path) -> Result<(Self, Vec<Error>)> {
        let format = Format::of(path)?;
        let bytes = std::fs::read(path).at(path)?;
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let (sheet, bad) = match format {
            Format::Csv => scan_csv(bytes),
            Format::Jsonl => Ok(scan_jsonl(bytes)),
        }
        .map_err(|e| e.at(path.display()))?;
        ensure!(!sheet.lines.is_empty() || !bad.is_empty(), "{}: the file holds no row", path.display());
        let name = |(line, e): (usize, Error)| e.at(format_args!("{}:{line}", path.display()));
        Ok((sheet, bad.into_iter().map(name).collect()))
    }

    /// Reads a table and refuses it if any row is malformed.
    ///
    /// # Errors
    /// Those of [`Self::scan`], and malformed rows, named by line.
    pub fn read(path: &Path) -> Result<Self> {
        let (sheet, bad) = Self::scan(path)?;
        refuse(bad, sheet.lines.len())?;
        Ok(sheet)
    }

    /// Puts a value into a row, and its column into the table.
    pub fn put(&mut self, line: usize, column: &str, value: Value) {
        if !self.columns.iter().any(|c| c == column) {
            self.columns.push(column.to_owned());
        }
        self.lines[line].cells.insert(column.to_owned(), value);
    }

    /// Adds a row made here.
    pub fn push(&mut self, cells: Map<String, Value>) {
        for name in cells.keys() {
            if !self.columns.contains(name) {
                self.columns.push(name.clone());
            }
        }
        self.lines.push(Line { number: 0, cells });
    }

    /// Writes the table in its format.
    ///
    /// # Errors
    /// Those of [`record::write_atomic`].
    pub fn write(&self, path: &Path) -> Result<()> {
        record::write_atomic(path, &self.bytes().map_err(|e| e.at(path.display()))?)
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.format {
            Format::Jsonl => {
                for line in &self.lines {
                    serde_json::to_writer(&mut bytes, &line.cells).doing("writing a row")?;
                    bytes.push(b'\n');
                }
            }
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(&mut bytes);
                csv.write_record(&self.columns).doing("writing the header")?;
                for line in &self.lines {
                    let cells = self.columns.iter().map(|name| cell_text(line.cells.get(name)));
                    csv.write_record(cells).doing("writing a row")?;
                }
                csv.flush().doing("writing the table")?;
            }
        }
        Ok(bytes)
    }
}

/// Fails if there are malformed rows, naming the first ten of them.
///
/// # Errors
/// If `bad` is not empty.
pub fn refuse(bad: Vec<Error>, good: usize) -> Result<()> {
    const NAMED_MAX: usize = 10;
    if bad.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = bad.iter().take(NAMED_MAX).map(Error::to_string).collect();
    let more = bad.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    Err(Error::new(format!("{} of {} rows are malformed: {}{more}", bad.len(), bad.len() + good, named.join("; "))))
}

/// A number as Rust prints it, which reads back to the same bits; nothing as nothing; anything else as JSON.
fn cell_text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

type Scanned = (Sheet, Vec<(usize, Error)>);

fn scan_csv(bytes: &[u8]) -> Result<Scanned> {
    // Flexible, so that a short row costs itself and not the file.
    let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let columns: Vec<String> = csv.headers().doing("reading the header")?.iter().map(str::to_owned).collect();
    for (i, name) in columns.iter().enumerate() {
        ensure!(!columns[..i].contains(name), "the header names `{name}` twice");
    }
    let (mut lines, mut bad) = (Vec::new(), Vec::new());
    for row in csv.byte_records() {
        let row = row.doing("reading a row")?;
        let number = row.position().map_or(0, |p| p.line() as usize);
        if row.len() != columns.len() {
            bad.push((number, Error::new(format!("{} cells, the header has {}", row.len(), columns.len()))));
            continue;
        }
        let texts = row.iter().map(|cell| String::from_utf8(cell.to_vec()));
        match texts.collect::<std::result::Result<Vec<_>, _>>() {
            Ok(texts) => {
                let cells = columns.iter().cloned().zip(texts.into_iter().map(Value::String)).collect();
                lines.push(Line { number, cells });
            }
            Err(_) => bad.push((number, Error::new("not UTF-8"))),
        }
    }
    Ok((Sheet { format: Format::Csv, lines, columns }, bad))
}

fn scan_jsonl(bytes: &[u8]) -> Scanned {
    let mut sheet = Sheet::new(Format::Jsonl, &[]);
    let mut bad = Vec::new();
    for (i, line) in bytes.split(|&b| b == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(cells) => {
                sheet.push(cells);
                if let Some(line) = sheet.lines.last_mut() {
                    line.number = i + 1;
                }
            }
            Err(e) => bad.push((i + 1, Error::new(format!("not a JSON object: {e}")))),
        }
    }
    (sheet, bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn a_table_comes_back_byte_for_byte() {
        for (name, text) in [
            ("a.csv", "question,answer,evil\nwhat?,\"one, two\nand \"\"three\"\"\",1.4e-5\nwhy?,because,\n"),
            ("a.jsonl", "{\"z\":1,\"messages\":[{\"role\":\"user\"}],\"a\":null}\n{\"a\":0.1}\n"),
        ] {
            let (_dir, path) = file(name, text.as_bytes());
            let sheet = Sheet::read(&path).unwrap();
            assert_eq!(sheet.lines.len(), 2);
            sheet.write(&path).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn malformed_rows_are_named_and_the_others_kept() {
        let (_dir, path) = file("a.csv", b"\xef\xbb\xbfa,b\n1,\"x\ny\"\n2\n3,\xff\n4,z\n");
        let (sheet, bad) = Sheet::scan(&path).unwrap();
        assert_eq!(sheet.columns, ["a", "b"]);
        assert_eq!(sheet.lines.iter().map(|l| l.number).collect::<Vec<_>>(), [2, 6]);
        let said: Vec<String> = bad.iter().map(Error::to_string).collect();
        assert!(said[0].contains("a.csv:4: 1 cells, the header has 2"), "{said:?}");
        assert!(said[1].contains("a.csv:5: not UTF-8"), "{said:?}");
        assert!(Sheet::read(&path).unwrap_err().to_string().starts_with("2 of 4 rows are malformed"));

        let (_dir, path) = file("a.jsonl", b"{\"a\":1}\n\n[1]\n{\"a\":\n");
        let (sheet, bad) = Sheet::scan(&path).unwrap();
        assert_eq!((sheet.lines.len(), bad.len()), (1, 2));
        assert!(bad[0].to_string().contains("a.jsonl:3: not a JSON object"), "{}", bad[0]);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for (name, text) in
            [("a.csv", ""), ("a.csv", "a,b\n"), ("a.jsonl", "\n\n"), ("a.txt", "a"), ("a.csv", "a,a\n1,2\n")]
        {
            let (_dir, path) = file(name, text.as_bytes());
            let error = Sheet::read(&path).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        assert!(Sheet::read(Path::new("missing.csv")).unwrap_err().to_string().contains("missing.csv"));
    }

    #[test]
    fn nothing_is_not_zero() {
        let (_dir, path) = file("a.csv", b"a,b,c,d,e\n,nan,0,7.5,x\n");
        let line = Sheet::read(&path).unwrap().lines.remove(0);
        assert_eq!(line.number_at("a").unwrap(), None);
        assert_eq!(line.number_at("b").unwrap(), None);
        assert_eq!(line.number_at("c").unwrap(), Some(0.0));
        assert_eq!(line.number_at("d").unwrap(), Some(7.5));
        assert!(line.number_at("e").unwrap_err().to_string().contains("`e` holds \"x\""));
        assert_eq!(line.number_at("f").unwrap(), None);
    }
}
