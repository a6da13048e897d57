//! Questions in parquet, as `cais/mmlu` has them: columns `question`, `subject`, `choices` (four texts), `answer` (0 to 3).

use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};

use super::item::Item;
use crate::record::refuse_malformed;
use crate::{At, Error, Result, bail, guarded};

/// Reads a file's questions.
///
/// # Errors
/// If it is no parquet file; malformed rows, named by number.
pub(super) fn read(path: &Path) -> Result<Vec<Item>> {
    guarded(|| read_rows(path)).map_err(|e| e.at(format_args!("{}: corrupt parquet", path.display()))).flatten()
}

fn read_rows(path: &Path) -> Result<Vec<Item>> {
    let reader = SerializedFileReader::new(File::open(path).at(path)?).at(path)?;
    let (mut items, mut bad) = (Vec::new(), Vec::new());
    for (i, row) in reader.get_row_iter(None).at(path)?.enumerate() {
        match item(&row.at(path)?) {
            Ok(item) => items.push(item),
            Err(e) => bad.push(e.at(format_args!("{}, row {}", path.display(), i + 1))),
        }
    }
    refuse_malformed(bad, items.len())?;
    Ok(items)
}

fn item(row: &Row) -> Result<Item> {
    let cell = |name: &str| {
        let found = row.get_column_iter().find(|(column, _)| *column == name);
        found.map(|(_, field)| field).ok_or_else(|| Error::new(format!("no column `{name}`")))
    };
    let text = |name: &str| match cell(name)? {
        Field::Str(text) => Ok(text.clone()),
        other => Err(Error::new(format!("`{name}` holds {other}, not a text"))),
    };
    let Field::ListInternal(choices) = cell("choices")? else { bail!("`choices` is no list") };
    let choices: Vec<&str> = choices
        .elements()
        .iter()
        .map(|choice| match choice {
            Field::Str(text) => Ok(text.as_str()),
            other => Err(Error::new(format!("`choices` holds {other}, not a text"))),
        })
        .collect::<Result<_>>()?;
    let &[a, b, c, d] = &choices[..] else { bail!("{} choices, expected 4", choices.len()) };
    let right = match cell("answer")? {
        Field::Long(n) if (0..4).contains(n) => *n as usize,
        Field::Int(n) if (0..4).contains(n) => *n as usize,
        other => bail!("`answer` is {other}, expected 0 to 3"),
    };
    Ok(Item { subject: text("subject")?, question: text("question")?, options: [a, b, c, d].map(str::to_owned), right })
}
