//! Questions in parquet, as `cais/mmlu` has them: columns `question`, `subject`, `choices` (four texts), `answer` (0 to 3).

use std::path::Path;

use serde_json::{Map, Value};

use super::item::Item;
use crate::record::{refuse_malformed, scan_parquet};
use crate::{Error, Result, bail};

/// Reads a file's questions.
///
/// # Errors
/// If it is no parquet file, or holds no row; malformed rows, named by number.
pub(super) fn read(path: &Path) -> Result<Vec<Item>> {
    let (items, bad) = scan_parquet(path, |_, row| item(&row))?;
    refuse_malformed(bad, items.len())?;
    Ok(items)
}

fn item(row: &Map<String, Value>) -> Result<Item> {
    let cell = |name: &str| row.get(name).ok_or_else(|| Error::new(format!("no column `{name}`")));
    let text = |name: &str, cell: &Value| match cell {
        Value::String(text) => Ok(text.clone()),
        other => Err(Error::new(format!("`{name}` holds {other}, not a text"))),
    };
    let Value::Array(choices) = cell("choices")? else { bail!("`choices` is no list") };
    let choices: Vec<String> = choices.iter().map(|choice| text("choices", choice)).collect::<Result<_>>()?;
    let [a, b, c, d] = &choices[..] else { bail!("{} choices, expected 4", choices.len()) };
    let answer = cell("answer")?;
    let Some(right) = answer.as_u64().filter(|n| *n < 4) else { bail!("`answer` is {answer}, expected 0 to 3") };
    Ok(Item {
        subject: text("subject", cell("subject")?)?,
        question: text("question", cell("question")?)?,
        options: [a, b, c, d].map(Clone::clone),
        right: right as usize,
    })
}
