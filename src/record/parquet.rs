//! Rows of Parquet files, the format of the hub's data sets, as JSON objects.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::{Map, Value};

use super::contained::contained;
use super::pages::check_pages;
use crate::{At, Error, Result, ensure};

/// With what a Parquet file begins and ends.
const MAGIC: &[u8] = b"PAR1";

/// A row of nothing but repeated values costs next to no bytes; more than this for each byte of a file is no data set.
const ROWS_PER_BYTE: u64 = 64;
const ROWS_ALWAYS: u64 = 1 << 20;

/// Whether a file is Parquet by its first bytes.
///
/// # Errors
/// If it cannot be read.
pub fn is_parquet(path: &Path) -> Result<bool> {
    let mut head = Vec::new();
    // Looking at a pipe would take the first bytes away from the reader.
    if !std::fs::metadata(path).at(path)?.is_file() {
        return Ok(false);
    }
    File::open(path).at(path)?.take(MAGIC.len() as u64).read_to_end(&mut head).at(path)?;
    Ok(head == MAGIC)
}

/// Reads every row of a Parquet file, `make` giving what a row stands for out of its number, from 1, and its columns. Malformed rows
/// are kept apart, one error `FILE, row N: reason` for each.
///
/// # Errors
/// If the file cannot be read, is damaged, or holds no row at all.
pub fn scan_parquet<T: Send>(
    path: &Path,
    mut make: impl FnMut(usize, Map<String, Value>) -> Result<T> + Send,
) -> Result<(Vec<T>, Vec<Error>)> {
    contained(path, move || {
        let file = File::open(path).at(path)?;
        let bytes = file.metadata().at(path)?.len();
        let reader = SerializedFileReader::new(file).at(path)?;
        check_sizes(reader.metadata(), bytes).at(path)?;
        check_pages(path, bytes, reader.metadata()).at(path)?;
        let (mut rows, mut bad) = (Vec::new(), Vec::new());
        for (i, row) in reader.get_row_iter(None).at(path)?.enumerate() {
            match make(i + 1, object(&row.at(path)?)) {
                Ok(row) => rows.push(row),
                Err(e) => bad.push(e.at(format_args!("{}, row {}", path.display(), i + 1))),
            }
        }
        ensure!(!rows.is_empty() || !bad.is_empty(), "{}: the file holds no row", path.display());
        Ok((rows, bad))
    })
}

/// What the footer says of sizes must fit into the file.
fn check_sizes(metadata: &ParquetMetaData, bytes: u64) -> Result<()> {
    let mut all = 0u64;
    for (i, group) in metadata.row_groups().iter().enumerate() {
        let rows = u64::try_from(group.num_rows()).unwrap_or(u64::MAX);
        all = all.saturating_add(rows);
        ensure!(group.num_columns() > 0, "damaged: row group {i} has no column");
        for column in group.columns() {
            let packed = column.compression();
            if !matches!(packed, Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_)) {
                let hint = "write it anew with Snappy or Zstandard: pandas.read_parquet(\"FILE\").to_parquet(\"FILE\") in Python";
                return Err(Error::new(format!("compressed by {packed}, which is not read here")).hint(hint));
            }
            let values = u64::try_from(column.num_values()).unwrap_or(0);
            ensure!(rows <= values, "damaged: row group {i} has {rows} rows and a column of {values} values");
        }
    }
    let most = bytes.saturating_mul(ROWS_PER_BYTE).max(ROWS_ALWAYS);
    ensure!(all <= most, "damaged: {all} rows in a file of {bytes} bytes");
    ensure!(all > 0, "the file holds no row");
    Ok(())
}

/// A row or a struct by its columns, without those that are null: each has all columns that any has.
fn object(row: &Row) -> Map<String, Value> {
    let given = row.get_column_iter().filter(|(_, field)| !matches!(field, Field::Null));
    given.map(|(name, field)| (name.clone(), value(field))).collect()
}

fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(yes) => Value::from(*yes),
        Field::Byte(n) => Value::from(*n),
        Field::Short(n) => Value::from(*n),
        Field::Int(n) => Value::from(*n),
        Field::Long(n) => Value::from(*n),
        Field::UByte(n) => Value::from(*n),
        Field::UShort(n) => Value::from(*n),
        Field::UInt(n) => Value::from(*n),
        Field::ULong(n) => Value::from(*n),
        Field::Float16(x) => Value::from(x.to_f32()),
        Field::Float(x) => Value::from(*x),
        Field::Double(x) => Value::from(*x),
        Field::Str(text) => Value::from(text.as_str()),
        // Some writers leave out the mark by which bytes are known to be text.
        Field::Bytes(bytes) => Value::from(String::from_utf8_lossy(bytes.data())),
        Field::Group(row) => Value::Object(object(row)),
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        Field::MapInternal(map) => {
            let key = |field: &Field| match value(field) {
                Value::String(key) => key,
                other => other.to_string(),
            };
            map.entries().iter().map(|(name, field)| (key(name), value(field))).collect()
        }
        // Dates, times and decimals.
        other => Value::from(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> Vec<u8> {
        std::fs::read("tests/fixtures/chats.parquet").unwrap()
    }

    type Scanned = (Vec<Map<String, Value>>, Vec<Error>);

    /// Rows and malformed rows of a file's bytes.
    fn scan(bytes: &[u8]) -> Result<Scanned> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        scan_parquet(file.path(), |_, row| Ok(row))
    }

    #[test]
    fn rows_are_json_objects() {
        let (rows, bad) = scan(&fixture()).unwrap();
        assert!(bad.is_empty() && rows.len() == 3, "{rows:?}");
        let turn = serde_json::json!({"role": "user", "content": "Where is the pilot?"});
        assert_eq!(rows[0]["messages"][0], turn);
        assert_eq!(rows[1]["id"], 2);
        assert!(!rows[2].contains_key("messages"), "{:?}", rows[2]);
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let whole = fixture();
        let mut refused = 0;
        // Every byte in turn, each changed in two ways, and every length.
        for i in (0..whole.len()).step_by(3) {
            for flip in [0xff, 0x80] {
                let mut bytes = whole.clone();
                bytes[i] ^= flip;
                if let Err(e) = scan(&bytes) {
                    assert!(e.to_string().contains("tmp"), "{e}");
                    refused += 1;
                }
            }
            assert!(scan(&whole[..i]).is_err(), "cut at {i}");
        }
        assert!(refused > 50, "{refused}");
        assert!(scan(b"PAR1\x15\x04").is_err());
    }
}
