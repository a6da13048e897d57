//! Tables that other programs wrote, CSV or JSONL: read with their line numbers, written back with the columns that we do not know.
//!
//! Judged answers, projections and pre-scored files are such tables. CSV cells are text; JSONL rows are any JSON objects.
//! Writing goes through a temporary file, so a half-written table never replaces a whole one. A [`DataTable`] is a table in memory;
//! [`Reader`] and [`Writer`] take one row at a time, so that memory does not depend on the table's size.

mod line;
mod stream;

use std::path::Path;

use serde_json::{Map, Value};

use crate::record::{refuse_malformed, write_atomic};
use crate::{Error, Result, ensure};

pub use line::{Format, Line};
pub use stream::{Entry, Reader, Writer};

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub struct DataTable {
    /// How it was, or is to be, written down.
    pub format: Format,
    /// Its rows.
    pub lines: Vec<Line>,
    /// The names of the columns in order: a CSV file's header, else all keys as they first appear.
    pub columns: Vec<String>,
}

impl DataTable {
    /// An empty table with the given columns.
    pub fn new(format: Format, columns: &[&str]) -> Self {
        Self { format, lines: Vec::new(), columns: columns.iter().map(|&c| c.to_owned()).collect() }
    }

    /// Reads a table and keeps its malformed rows apart, one error `FILE:LINE: reason` for each.
    ///
    /// # Errors
    /// If the file cannot be read, has an unknown ending, or holds no row at all.
    pub fn scan(path: &Path) -> Result<(Self, Vec<Error>)> {
        let reader = Reader::open(path)?;
        let columns: Vec<&str> = reader.columns().iter().map(String::as_str).collect();
        let mut sheet = Self::new(reader.format(), &columns);
        let mut bad = Vec::new();
        for entry in reader {
            let Entry { number, row, .. } = entry?;
            match row {
                Ok(line) => {
                    sheet.push(line.cells);
                    sheet.lines.last_mut().expect("a row was pushed").number = number;
                }
                Err(e) => bad.push(e.at(format_args!("{}:{number}", path.display()))),
            }
        }
        ensure!(!sheet.lines.is_empty() || !bad.is_empty(), "{}: the file holds no row", path.display());
        Ok((sheet, bad))
    }

    /// Reads a table and refuses it if any row is malformed.
    ///
    /// # Errors
    /// Those of [`Self::scan`], and malformed rows, named by line.
    pub fn read(path: &Path) -> Result<Self> {
        let (sheet, bad) = Self::scan(path)?;
        refuse_malformed(bad, sheet.lines.len())?;
        Ok(sheet)
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
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomic(path, &self.bytes().map_err(|e| e.at(path.display()))?)
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, self.format, &self.columns)?;
        self.lines.iter().try_for_each(|line| writer.write(&line.cells))?;
        writer.finish()?;
        Ok(bytes)
    }
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
            let sheet = DataTable::read(&path).unwrap();
            assert_eq!(sheet.lines.len(), 2);
            sheet.write(&path).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn malformed_rows_are_named_and_the_others_kept() {
        let (_dir, path) = file("a.csv", b"\xef\xbb\xbfa,b\n1,\"x\ny\"\n2\n3,\xff\n4,z\n");
        let (sheet, bad) = DataTable::scan(&path).unwrap();
        assert_eq!(sheet.columns, ["a", "b"]);
        assert_eq!(sheet.lines.iter().map(|l| l.number).collect::<Vec<_>>(), [2, 6]);
        let said: Vec<String> = bad.iter().map(Error::to_string).collect();
        assert!(said[0].contains("a.csv:4: 1 cells, the header has 2"), "{said:?}");
        assert!(said[1].contains("a.csv:5: not UTF-8"), "{said:?}");
        assert!(DataTable::read(&path).unwrap_err().to_string().starts_with("2 of 4 rows are malformed"));

        let (_dir, path) = file("a.jsonl", b"{\"a\":1}\n\n[1]\n{\"a\":\n");
        let (sheet, bad) = DataTable::scan(&path).unwrap();
        assert_eq!((sheet.lines.len(), bad.len()), (1, 2));
        assert!(bad[0].to_string().contains("a.jsonl:3: not a JSON object"), "{}", bad[0]);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for (name, text) in
            [("a.csv", ""), ("a.csv", "a,b\n"), ("a.jsonl", "\n\n"), ("a.txt", "a"), ("a.csv", "a,a\n1,2\n")]
        {
            let (_dir, path) = file(name, text.as_bytes());
            let error = DataTable::read(&path).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        assert!(DataTable::read(Path::new("missing.csv")).unwrap_err().to_string().contains("missing.csv"));
    }

    #[test]
    fn nothing_is_not_zero() {
        let (_dir, path) = file("a.csv", b"a,b,c,d,e\n,nan,0,7.5,x\n");
        let line = DataTable::read(&path).unwrap().lines.remove(0);
        assert_eq!(line.number_at("a").unwrap(), None);
        assert_eq!(line.number_at("b").unwrap(), None);
        assert_eq!(line.number_at("c").unwrap(), Some(0.0));
        assert_eq!(line.number_at("d").unwrap(), Some(7.5));
        assert!(line.number_at("e").unwrap_err().to_string().contains("`e` holds \"x\""));
        assert_eq!(line.number_at("f").unwrap(), None);
    }
}
