//! Rows of JSON objects, however a file holds them: JSONL, one JSON list, or Parquet.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::foreign::without_mark;
use super::lines::scan_jsonl;
use super::parquet::{is_parquet, scan_parquet};
use crate::{At, Error, Result, ensure};

/// Reads every row of a file, `make` giving what a row stands for out of its number and its keys; a JSONL row counts as its line, the
/// others from 1. Malformed rows are kept apart, one error `FILE:LINE: reason` for each.
///
/// # Errors
/// If the file cannot be read, is a damaged Parquet file, or holds no row at all.
pub fn scan_objects<T: Send>(
    path: &Path,
    mut make: impl FnMut(usize, Map<String, Value>) -> Result<T> + Send,
) -> Result<(Vec<T>, Vec<Error>)> {
    if is_parquet(path)? {
        return scan_parquet(path, make);
    }
    let Some(list) = list_of(path)? else { return scan_jsonl(path, make) };
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    for (i, row) in list.into_iter().enumerate() {
        let made = match row {
            Value::Object(row) => make(i + 1, row),
            _ => Err(Error::new("not a JSON object")),
        };
        match made {
            Ok(row) => rows.push(row),
            Err(e) => bad.push(e.at(format_args!("{}:{}", path.display(), i + 1))),
        }
    }
    ensure!(!rows.is_empty() || !bad.is_empty(), "{}: the file holds no row", path.display());
    Ok((rows, bad))
}

/// The items of a file that is one JSON list. A pipe can be read only once, and is taken for JSONL.
fn list_of(path: &Path) -> Result<Option<Vec<Value>>> {
    if !std::fs::metadata(path).at(path)?.is_file() {
        return Ok(None);
    }
    let mut head = Vec::new();
    File::open(path).at(path)?.take(4096).read_to_end(&mut head).at(path)?;
    if !without_mark(&head).trim_ascii_start().starts_with(b"[") {
        return Ok(None);
    }
    let bytes = std::fs::read(path).at(path)?;
    // Where it is no list, JSONL's errors name the line.
    Ok(serde_json::from_slice(without_mark(&bytes)).ok())
}
