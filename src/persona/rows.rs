//! Tables of judged answers, in the reference's columns: `question,prompt,answer,question_id,<trait>,coherence`, one row per
//! answer, a missing score an empty cell. The same rows as JSONL may also carry the token ids that were generated.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::names::names_of;
use crate::data_table::{DataTable, Format, Line};
use crate::judge::{JudgedAnswer, Rubric, TokenIds, table};
use crate::record::refuse_malformed;
use crate::{Error, Result, ensure};

/// The row whose score of the trait stands in the column `score`.
fn row_of_line(line: &Line, score: &str, trait_name: &str) -> Result<JudgedAnswer> {
    let text = |name: &str| -> Result<String> {
        let text = line.text(name).ok_or_else(|| Error::new(format!("`{name}` is missing or not text")))?;
        Ok(text.to_owned())
    };
    let scale = |name: &str| -> Result<Option<f64>> {
        let number = line.number_at(name)?;
        if let Some(number) = number {
            ensure!((0.0..=100.0).contains(&number), "`{name}` holds {number}; scores are 0 to 100");
        }
        Ok(number)
    };
    let ids = match (line.cells.get("prompt_ids"), line.cells.get("token_ids")) {
        (Some(prompt), Some(answer)) => Some(TokenIds { prompt: ids_of(prompt)?, answer: ids_of(answer)? }),
        _ => None,
    };
    let mut extra = line.cells.clone();
    let known = ["question", "prompt", "answer", "question_id", score, "coherence"];
    let known = known.iter().chain(ids.iter().flat_map(|_| &["prompt_ids", "token_ids"]));
    known.for_each(|name| drop(extra.shift_remove(*name)));
    let row = JudgedAnswer {
        question: line.text("question").unwrap_or_default().to_owned(),
        prompt: text("prompt")?,
        answer: text("answer")?,
        question_id: text("question_id")?,
        ids,
        extra,
        line: line.number,
        ..JudgedAnswer::default()
    };
    Ok(row.scored(trait_name, scale(score)?, scale("coherence")?))
}

fn ids_of(value: &Value) -> Result<Vec<u32>> {
    serde_json::from_value(value.clone()).map_err(|_| Error::new("`prompt_ids` or `token_ids` is no list of token ids"))
}

/// Reads judged answers about a trait and keeps malformed rows apart, one error `FILE:LINE: reason` for each. The score's
/// column may bear any of the trait's names.
///
/// # Errors
/// If the file cannot be read, holds no row, or lacks a column.
pub fn scan_rows(path: &Path, trait_name: &str) -> Result<(Vec<JudgedAnswer>, Vec<Error>)> {
    let (sheet, mut bad) = DataTable::scan(path)?;
    let has = |column: &str| sheet.columns.iter().any(|c| c == column);
    let names: Vec<&str> = std::iter::once(trait_name).chain(names_of(trait_name)).collect();
    let Some(score) = names.iter().find(|name| has(name)) else {
        let columns = sheet.columns.join("`, `");
        return Err(Error::new(format!("no column `{}` with the trait's scores; there are `{columns}`", names[0]))
            .at(path.display())
            .hint("pass the column's name as the trait"));
    };
    for column in ["prompt", "answer", "question_id", "coherence"] {
        if !has(column) {
            let columns = sheet.columns.join("`, `");
            return Err(Error::new(format!("no column `{column}`; there are `{columns}`"))
                .at(path.display())
                .hint(format!("judged rows have the columns question,prompt,answer,question_id,{score},coherence")));
        }
    }
    let mut rows = Vec::with_capacity(sheet.lines.len());
    for line in &sheet.lines {
        match row_of_line(line, score, trait_name) {
            Ok(row) => rows.push(row),
            Err(e) => bad.push(e.at(format_args!("{}:{}", path.display(), line.number))),
        }
    }
    Ok((rows, bad))
}

/// Reads judged answers and refuses the file if any row is malformed.
///
/// # Errors
/// Those of `scan_rows`, and malformed rows, named by line.
pub fn read_rows(path: &Path, trait_name: &str) -> Result<Vec<JudgedAnswer>> {
    let (rows, bad) = scan_rows(path, trait_name)?;
    refuse_malformed(bad, rows.len())?;
    Ok(rows)
}

/// Writes judged answers as CSV (the reference's columns, then further ones) or JSONL (token ids too), by the file's ending.
///
/// # Errors
/// Another ending, or a place that cannot be written.
pub fn write_rows(path: &Path, trait_name: &str, rows: &[JudgedAnswer]) -> Result<()> {
    table(rows, &[trait_name, Rubric::Coherence.key()], Format::of(path)?).write(path)
}

/// Which row of the one side belongs to which of the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pairing {
    /// Indices into the positive and the negative rows.
    pub pairs: Vec<(usize, usize)>,
    /// Positive rows without a partner.
    pub alone_pos: usize,
    /// Negative rows without a partner.
    pub alone_neg: usize,
    /// Whether the question ids said nothing, so that rows were paired by their position.
    pub by_position: bool,
}

/// Pairs the two sides by question id (less its `pos` or `neg`) and occurrence: the third answer to a prompt belongs to the
/// third answer to its counterpart, wherever it stands in its file.
///
/// Files of the same length whose ids have nothing in common are paired by position, as the reference pairs all files;
/// [`Pairing::by_position`] tells.
pub fn pair_up(pos: &[JudgedAnswer], neg: &[JudgedAnswer]) -> Pairing {
    let mut places: HashMap<(String, usize), usize> = numbered(neg).into_iter().zip(0..).collect();
    let found = numbered(pos).into_iter().enumerate().filter_map(|(i, key)| Some((i, places.remove(&key)?)));
    let mut pairs: Vec<(usize, usize)> = found.collect();
    let by_position = pairs.is_empty() && !pos.is_empty() && pos.len() == neg.len();
    if by_position {
        pairs = (0..pos.len()).map(|i| (i, i)).collect();
    }
    Pairing { alone_pos: pos.len() - pairs.len(), alone_neg: neg.len() - pairs.len(), pairs, by_position }
}

/// Each row's prompt without its side, and how many rows of that prompt came before.
fn numbered(rows: &[JudgedAnswer]) -> Vec<(String, usize)> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let number = |row: &JudgedAnswer| {
        let key = without_side(&row.question_id);
        let count = seen.entry(key.clone()).or_default();
        *count += 1;
        (key, *count - 1)
    };
    rows.iter().map(number).collect()
}

/// `evil_3_pos_1` gives `evil_3_1`. The side is looked for from the end: a trait's name may hold any word.
fn without_side(id: &str) -> String {
    let mut parts: Vec<&str> = id.split('_').collect();
    if let Some(side) = parts.iter().rposition(|part| ["pos", "neg"].contains(part)) {
        parts.remove(side);
    }
    parts.join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, answer: &str) -> JudgedAnswer {
        JudgedAnswer { question_id: id.into(), answer: answer.into(), ..JudgedAnswer::default() }
    }

    #[test]
    fn the_reference_table_is_read_and_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("evil_pos_instruct.csv");
        let text = "question,prompt,answer,question_id,evil,coherence,m_v_proj_layer20\n\
            \"Why, so?\",\"<|im_start|>user\nWhy?\",\"Because\nof \"\"it\"\"\",evil_0_pos_0,99.25,1e-5,3.5\n\
            q,p,,evil_1_pos_0,,,\n";
        std::fs::write(&path, text).unwrap();
        let rows = read_rows(&path, "evil").unwrap();
        assert_eq!(
            (rows[0].trait_score(), rows[0].coherence(), rows[0].extra["m_v_proj_layer20"].as_str()),
            (Some(99.25), Some(1e-5), Some("3.5"))
        );
        assert_eq!((rows[1].trait_score(), rows[1].coherence(), rows[1].line), (None, None, 5));
        write_rows(&path, "evil", &rows).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            text.replace("1e-5", "0.00001").replace("1e-05", "0.00001")
        );
        let jsonl = dir.path().join("rows.jsonl");
        write_rows(&jsonl, "evil", &rows).unwrap();
        let back = read_rows(&jsonl, "evil").unwrap();
        assert_eq!(back[0], JudgedAnswer { line: 1, ..rows[0].clone() });
    }

    #[test]
    fn token_ids_travel_in_jsonl() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.jsonl");
        let ids = Some(TokenIds { prompt: vec![1, 2], answer: vec![3] });
        let written = JudgedAnswer { ids, ..row("bold_0", "x") }.scored("bold", None, None);
        write_rows(&path, "bold", std::slice::from_ref(&written)).unwrap();
        assert_eq!(read_rows(&path, "bold").unwrap(), [JudgedAnswer { line: 1, ..written }]);
    }

    #[test]
    fn malformed_rows_are_named_by_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.csv");
        std::fs::write(&path, "question,prompt,answer,question_id,sycophantic,coherence\nq,p,a,i,50,1\nq,p,a,i,many,1\nq,p,a\nq,p,a,i,1,101\n").unwrap();
        let (rows, bad) = scan_rows(&path, "sycophancy").unwrap();
        assert_eq!(rows.len(), 1);
        let said = bad.iter().map(Error::to_string).collect::<Vec<_>>().join("\n");
        for want in
            ["rows.csv:4: 3 cells", "rows.csv:3: `sycophantic` holds \"many\"", "rows.csv:5: `coherence` holds 101"]
        {
            assert!(said.contains(want), "{said}");
        }
        assert!(read_rows(&path, "sycophancy").is_err());
        assert!(read_rows(&path, "evil").unwrap_err().to_string().contains("no column `evil`"));
    }

    #[test]
    fn pairs_survive_any_order() {
        let pos =
            [row("evil_0_pos_0", "a"), row("evil_0_pos_0", "b"), row("evil_0_pos_1", "c"), row("evil_1_pos_0", "d")];
        let neg = [
            row("evil_1_neg_0", "D"),
            row("evil_0_neg_0", "A"),
            row("evil_0_neg_1", "C"),
            row("evil_0_neg_0", "B"),
            row("evil_2_neg_0", "E"),
        ];
        let pairing = pair_up(&pos, &neg);
        let letters: Vec<String> =
            pairing.pairs.iter().map(|&(p, n)| format!("{}{}", pos[p].answer, neg[n].answer)).collect();
        assert_eq!(letters, ["aA", "bB", "cC", "dD"]);
        assert_eq!((pairing.alone_pos, pairing.alone_neg, pairing.by_position), (0, 1, false));
        assert_eq!(without_side("pos_evil_3_neg_1"), "pos_evil_3_1");
    }

    #[test]
    fn ids_that_say_nothing_leave_the_position() {
        let pairing = pair_up(&[row("x", ""), row("y", "")], &[row("u", ""), row("v", "")]);
        assert!(pairing.by_position);
        assert_eq!(pairing.pairs, [(0, 0), (1, 1)]);
        assert!(pair_up(&[row("x", "")], &[row("u", ""), row("v", "")]).pairs.is_empty());
    }
}
