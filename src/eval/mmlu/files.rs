//! MMLU's questions on disk: Hendrycks' CSV files, or the hub's parquet files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::item::Item;
use super::parquet;
use crate::eval::task::LETTERS;
use crate::record::{entries_of, read_whole, refuse_malformed};
use crate::{At, Error, Result, ensure};

/// Which part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Five examples per subject.
    Dev,
    /// 1,531 questions: what the paper's follow-up reports.
    #[default]
    Val,
    /// 14,042 questions.
    Test,
}

impl Split {
    /// Its name in folders and files.
    pub fn key(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Val => "val",
            Self::Test => "test",
        }
    }

    /// Its name in `cais/mmlu`.
    fn hub_key(self) -> &'static str {
        if self == Self::Val { "validation" } else { self.key() }
    }
}

/// Reads a folder in one of two layouts.
///
/// * Hendrycks': `{dev,val,test}/{subject}_{split}.csv` (or the same under `data/`): no header, a row is question, four options,
///   letter. Subjects come in alphabetical order.
/// * `cais/mmlu` on the hub: `{dev,validation,test}-*.parquet`, under `all/`, in a folder for each subject, or here.
///
/// # Errors
/// No such files; a file without a question; malformed rows, named by line.
pub fn read(dir: &Path, split: Split) -> Result<Vec<Item>> {
    let folders = [dir.join(split.key()), dir.join("data").join(split.key())];
    if let Some(folder) = folders.iter().find(|f| f.is_dir()) {
        return read_csv(folder, split);
    }
    let files = parquet_files(dir, split.hub_key())?;
    if files.is_empty() {
        return Err(Error::new(format!("no questions of the split `{}`", split.key())).at(dir.display()).hint(
            "MMLU is a folder with val/anatomy_val.csv and so on (Hendrycks), or all/validation-00000-of-00001.parquet (cais/mmlu)",
        ));
    }
    let mut items = Vec::new();
    for path in files {
        items.extend(parquet::read(&path)?);
    }
    // Subjects side by side, as the other layout has them; the order within each stays.
    items.sort_by(|a: &Item, b: &Item| a.subject.cmp(&b.subject));
    Ok(items)
}

/// The split's files under `all/`, else here, else in all folders here.
fn parquet_files(dir: &Path, split: &str) -> Result<Vec<PathBuf>> {
    let named = |path: &PathBuf| {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        name.starts_with(&format!("{split}-")) && name.ends_with(".parquet")
    };
    let here = |folder: &Path| -> Result<Vec<PathBuf>> { Ok(entries_of(folder)?.into_iter().filter(named).collect()) };
    let all = dir.join("all");
    let first = if all.is_dir() { here(&all)? } else { here(dir)? };
    if !first.is_empty() {
        return Ok(first);
    }
    let folders = entries_of(dir)?.into_iter().filter(|path| path.is_dir());
    Ok(folders.map(|folder| here(&folder)).collect::<Result<Vec<_>>>()?.concat())
}

fn read_csv(folder: &Path, split: Split) -> Result<Vec<Item>> {
    let ending = format!("_{}.csv", split.key());
    let mut subjects = BTreeMap::new();
    for path in entries_of(folder)? {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if let Some(subject) = name.strip_suffix(&ending) {
            subjects.insert(subject.to_owned(), path);
        }
    }
    ensure!(!subjects.is_empty(), "{}: no file ends in `{ending}`", folder.display());
    let (mut items, mut bad) = (Vec::new(), Vec::new());
    for (subject, path) in subjects {
        let rows = rows_of(&subject, &read_whole(&path).at(&path)?);
        // A subject that silently has no questions would change the mean over subjects.
        if rows.is_empty() {
            let none = Error::new("holds no question").at(path.display());
            return Err(none.hint("fetch the file again, or take it out of the folder"));
        }
        for (line, item) in rows {
            match item {
                Ok(item) => items.push(item),
                Err(e) => bad.push(e.at(format_args!("{}:{line}", path.display()))),
            }
        }
    }
    refuse_malformed(bad, items.len())?;
    Ok(items)
}

/// A subject's rows with their lines.
fn rows_of(subject: &str, bytes: &[u8]) -> Vec<(u64, Result<Item>)> {
    let mut csv = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut rows = Vec::new();
    for (i, row) in csv.records().enumerate() {
        let row = match row {
            Ok(row) => row,
            Err(e) => {
                rows.push((e.position().map_or(0, csv::Position::line), Err(Error::new(e.to_string()))));
                continue;
            }
        };
        // Some copies have been given a header.
        if i == 0 && row.get(5).is_some_and(|cell| cell.trim().eq_ignore_ascii_case("answer")) {
            continue;
        }
        let item = match row.iter().collect::<Vec<_>>()[..] {
            [question, a, b, c, d, letter] => match LETTERS.iter().position(|l| *l == letter.trim()) {
                Some(right) => Ok(Item {
                    subject: subject.to_owned(),
                    question: question.to_owned(),
                    options: [a, b, c, d].map(str::to_owned),
                    right,
                }),
                None => Err(Error::new(format!("the answer is `{letter}`, not a letter from A to D"))),
            },
            _ => Err(Error::new(format!("{} cells; question, four options and letter are 6", row.len()))),
        };
        rows.push((row.position().map_or(0, csv::Position::line), item));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hendrycks_folders_are_read_in_order() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("data/val")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join("data/val").join(name), text).unwrap();
        write("zoology_val.csv", "question,A,B,C,D,answer\nWhat?,a,b,c,d,D\n");
        write(
            "anatomy_val.csv",
            "\"A question\nin two lines, with \"\"quotes\"\"\",1,2,3,4,B\nWhy?,\"x, y\",2,3,4,A\n",
        );
        write("notes.txt", "not a subject");
        let items = read(dir.path(), Split::Val).unwrap();
        let said: Vec<_> = items.iter().map(|i| (i.subject.as_str(), i.right)).collect();
        assert_eq!(said, [("anatomy", 1), ("anatomy", 0), ("zoology", 3)]);
        assert_eq!((items[0].question.lines().count(), items[1].options[0].as_str()), (2, "x, y"));

        write("law_val.csv", "Q,1,2,3,4,A\nQ,1,2,3,4\nQ,1,2,3,4,E\n");
        let error = read(dir.path(), Split::Val).unwrap_err().to_string();
        assert!(
            error.contains("law_val.csv:2: 5 cells") && error.contains("law_val.csv:3: the answer is `E`"),
            "{error}"
        );
        assert!(read(dir.path(), Split::Test).unwrap_err().to_string().contains("no questions of the split `test`"));

        for empty in ["", "\n", "question,A,B,C,D,answer\n"] {
            write("law_val.csv", empty);
            let error = read(dir.path(), Split::Val).unwrap_err().to_string();
            assert!(error.contains("law_val.csv: holds no question"), "{error}");
        }
    }

    #[test]
    fn the_hubs_files_hold_what_the_csv_files_hold() {
        let fixture = Path::new("tests/fixtures/mmlu");
        let items = read(fixture, Split::Val).unwrap();
        assert_eq!(items.len(), 20);
        assert_eq!(items, read(&fixture.join("csv"), Split::Val).unwrap());
        assert_eq!(read(fixture, Split::Dev).unwrap(), read(&fixture.join("csv"), Split::Dev).unwrap());
        assert_eq!(read(fixture, Split::Test).unwrap().len(), 4);
        let dir = tempfile::tempdir().unwrap();
        for subject in ["b", "a"] {
            std::fs::create_dir(dir.path().join(subject)).unwrap();
            let file = "test-00000-of-00001.parquet";
            std::fs::copy(fixture.join("all").join(file), dir.path().join(subject).join(file)).unwrap();
        }
        assert_eq!(read(dir.path(), Split::Test).unwrap().len(), 8);
        assert!(read(dir.path(), Split::Val).unwrap_err().help().unwrap().contains("cais/mmlu"));
    }
}
