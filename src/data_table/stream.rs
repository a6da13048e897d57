//! Tables row by row: one row in memory at a time, however long the table is.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::line::{Format, Line};
use crate::record::{Lines, is_parquet, scan_parquet, skip_bom};
use crate::{At, Error, Result, ensure};

/// One place of a table that is not blank.
#[derive(Debug)]
pub struct Entry {
    /// The line of the file at which it begins, or the row of a Parquet file, from 1.
    pub number: usize,
    /// The line as it stands in a JSONL file, without its line feed, or would stand there; empty for CSV.
    pub raw: Vec<u8>,
    /// The row, or why there is none.
    pub row: Result<Line>,
}

/// Reads a table row by row. A malformed row is an [`Entry`] too; only what makes the file unreadable ends the reading.
pub struct Reader {
    path: PathBuf,
    columns: Vec<String>,
    source: Source,
}

enum Source {
    Csv(Box<csv::Reader<BufReader<File>>>),
    Jsonl(Lines),
    Parquet(std::vec::IntoIter<Entry>),
}

impl Reader {
    /// Opens a table; a CSV file's header is read at once, a Parquet file as a whole, since its rows lie column by column.
    ///
    /// # Errors
    /// If the file cannot be read, has an unknown ending, or names a column twice.
    pub fn open(path: &Path) -> Result<Self> {
        let mut columns = Vec::new();
        if is_parquet(path)? {
            let source = Source::Parquet(entries_of_parquet(path)?.into_iter());
            return Ok(Self { path: path.to_owned(), columns, source });
        }
        let source = match Format::of(path)? {
            Format::Jsonl => Source::Jsonl(Lines::open(path)?),
            Format::Csv => {
                let mut file = BufReader::new(File::open(path).at(path)?);
                skip_bom(&mut file).at(path)?;
                // Flexible, so that a short row costs itself and not the file.
                let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(file);
                columns.extend(csv.headers().at(path)?.iter().map(str::to_owned));
                for (i, name) in columns.iter().enumerate() {
                    ensure!(!columns[..i].contains(name), "{}: the header names `{name}` twice", path.display());
                }
                Source::Csv(Box::new(csv))
            }
        };
        Ok(Self { path: path.to_owned(), columns, source })
    }

    /// How the table is written down.
    pub fn format(&self) -> Format {
        match self.source {
            Source::Csv(_) => Format::Csv,
            // Its rows are objects too.
            Source::Jsonl(_) | Source::Parquet(_) => Format::Jsonl,
        }
    }

    /// A CSV file's header; of a JSONL file nothing is known beforehand.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }
}

impl Iterator for Reader {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.source {
            Source::Csv(csv) => next_record(csv, &self.columns).map_err(|e| e.at(self.path.display())).transpose(),
            Source::Jsonl(lines) => lines.next().map(|line| line.map(entry_of_line)),
            Source::Parquet(entries) => entries.next().map(Ok),
        }
    }
}

fn next_record(csv: &mut csv::Reader<BufReader<File>>, columns: &[String]) -> Result<Option<Entry>> {
    let mut record = csv::ByteRecord::new();
    if !csv.read_byte_record(&mut record).doing("reading a row")? {
        return Ok(None);
    }
    let number = record.position().map_or(0, |p| p.line() as usize);
    let row = || -> Result<Line> {
        ensure!(record.len() == columns.len(), "{} cells, the header has {}", record.len(), columns.len());
        let text = |cell: &[u8]| String::from_utf8(cell.to_vec()).map_err(|_| Error::new("not UTF-8"));
        let values = record.iter().map(|cell| text(cell).map(Value::String));
        let cells = columns.iter().cloned().zip(values.collect::<Result<Vec<_>>>()?).collect();
        Ok(Line { number, cells })
    };
    Ok(Some(Entry { number, raw: Vec::new(), row: row() }))
}

fn entries_of_parquet(path: &Path) -> Result<Vec<Entry>> {
    let entry = |number, cells| {
        let raw = serde_json::to_vec(&cells).doing("a row")?;
        Ok(Entry { number, raw, row: Ok(Line { number, cells }) })
    };
    scan_parquet(path, entry).map(|(entries, _)| entries)
}

fn entry_of_line((number, raw): (usize, Vec<u8>)) -> Entry {
    let cells = serde_json::from_slice::<Map<String, Value>>(&raw);
    let row = cells.map(|cells| Line { number, cells }).map_err(|e| Error::new(format!("not a JSON object: {e}")));
    Entry { number, raw, row }
}

/// Writes a table row by row.
pub struct Writer<W: Write> {
    columns: Vec<String>,
    out: Out<W>,
}

enum Out<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Jsonl(W),
}

impl<W: Write> Writer<W> {
    /// Begins a table; a CSV file's header is written at once.
    pub fn new(out: W, format: Format, columns: &[String]) -> Result<Self> {
        let out = match format {
            Format::Jsonl => Out::Jsonl(out),
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(out);
                csv.write_record(columns).doing("writing the header")?;
                Out::Csv(Box::new(csv))
            }
        };
        Ok(Self { columns: columns.to_vec(), out })
    }

    /// Whether rows may be given as they are ([`Self::write_raw`]).
    pub fn is_jsonl(&self) -> bool {
        matches!(self.out, Out::Jsonl(_))
    }

    /// Writes a row; in CSV the cells of the table's columns.
    pub fn write(&mut self, cells: &Map<String, Value>) -> Result<()> {
        match &mut self.out {
            Out::Csv(csv) => {
                csv.write_record(self.columns.iter().map(|name| cell_text(cells.get(name)))).doing("writing a row")
            }
            Out::Jsonl(out) => {
                serde_json::to_writer(&mut *out, cells).doing("writing a row")?;
                out.write_all(b"\n").doing("writing a row")
            }
        }
    }

    /// Writes a JSONL row as it is given.
    ///
    /// # Panics
    /// If the table is CSV.
    pub fn write_raw(&mut self, line: &[u8]) -> Result<()> {
        let Out::Jsonl(out) = &mut self.out else { panic!("a raw line is JSON") };
        out.write_all(line).and_then(|()| out.write_all(b"\n")).doing("writing a row")
    }

    /// Ends the table.
    pub fn finish(self) -> Result<()> {
        match self.out {
            Out::Csv(mut csv) => csv.flush().doing("writing the table"),
            Out::Jsonl(mut out) => out.flush().doing("writing the table"),
        }
    }
}

/// A number as Rust prints it, which reads back to the same bits; nothing as nothing; anything else as JSON.
fn cell_text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_bytes_and_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        std::fs::write(&path, b"\xef\xbb\xbf{\"a\": 1e5 }\r\n\n[]\n{\"b\":2}").unwrap();
        let entries: Vec<Entry> = Reader::open(&path).unwrap().map(Result::unwrap).collect();
        let raw: Vec<&[u8]> = entries.iter().map(|e| e.raw.as_slice()).collect();
        assert_eq!(raw, [&b"{\"a\": 1e5 }\r"[..], b"[]", b"{\"b\":2}"]);
        assert_eq!(entries.iter().map(|e| e.number).collect::<Vec<_>>(), [1, 3, 4]);
        assert!(entries[0].row.is_ok() && entries[1].row.is_err() && entries[2].row.is_ok());
    }

    #[test]
    fn parquet_is_read_by_its_contents() {
        let reader = Reader::open(Path::new("tests/fixtures/chats.parquet")).unwrap();
        assert_eq!(reader.format(), Format::Jsonl);
        let entries: Vec<Entry> = reader.map(Result::unwrap).collect();
        assert_eq!(entries.iter().map(|e| e.number).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(entries[2].raw, br#"{"id":3,"prompt":"Hi","completion":"Hello."}"#);
    }
}
