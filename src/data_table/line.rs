//! How a table is written down, and one row of it.

use std::path::Path;

use serde_json::{Map, Value};

use crate::{Error, Result};

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
            None => Err(Error::new(format!("`{name}` holds {}, which is not a number", self.cells[name]))),
        }
    }
}
