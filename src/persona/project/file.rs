//! Projections of the texts of a file, row by row, whatever its length.

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::probe::{Metric, Probe, projections};
use crate::data_table::{Entry, Format, Reader, Writer};
use crate::language_model::{Finished, LanguageModel};
use crate::persona::texts::{entries, text_of};
use crate::persona::tokens::Border;
use crate::record::{Hash, Ledger, Malformed, hash_file, write_atomic_by};
use crate::{Result, ensure};

/// How a file is projected.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectRules {
    /// How prompt and answer are cut into tokens.
    pub border: Border,
    /// Compute columns anew that the file already has; otherwise they are left as they are.
    pub overwrite: bool,
    /// Texts per request to the model.
    pub chunk: usize,
    /// Stands for the model, its adapter and the machine: what was measured with another one is not gone on with.
    pub subject: Hash,
}

impl ProjectRules {
    /// The usual rules, on a model that is known by this hash.
    pub fn new(subject: Hash) -> Self {
        Self { border: Border::Separate, overwrite: false, chunk: 32, subject }
    }
}

/// What [`project_file`] did.
#[derive(Debug, Default)]
pub struct Projected {
    /// Rows of the file.
    pub rows: usize,
    /// Rows that were measured.
    pub measured: usize,
    /// Of these, measured by an earlier run that was cut short.
    pub resumed: usize,
    /// What was wrong with the file of an earlier run that was cut short.
    pub damage: Option<String>,
    /// Columns that the file already had and that were left as they are.
    pub skipped: Vec<String>,
    /// Rows that could not be measured; their cells are empty. Unreadable ones are left out of the output.
    pub bad: Malformed,
}

/// What is kept of a row while a file is worked through.
#[derive(Serialize, Deserialize)]
struct Measured {
    values: Option<Vec<f64>>,
    bad: Option<String>,
}

/// Measures a file of texts and writes it with a column per probe, all else kept as it is. `done` hears (rows read, rows in
/// all). Memory does not depend on the file's length; what is measured lies in `.OUT.partial` beside the output until that is
/// whole, and the same call goes on there after a kill.
///
/// A CSV file has columns `prompt` and `answer`, used verbatim. A JSONL row has `prompt` and `answer` too, or a conversation in
/// any form of [`crate::text::read_chats`] whose last turn is the answer, or what `generate` writes (`prompt_ids` and
/// `token_ids`, or `messages` and `text`). Rows without an answer will do if only [`Metric::PromptLast`] is asked. JSONL rows
/// gain our keys at their end and keep every byte before them.
///
/// # Errors
/// Unreadable files, no measurable row at all; malformed rows if input and output are the same file, since they would be
/// lost; those of [`projections`].
pub fn project_file(
    model: &mut dyn LanguageModel,
    (input, output): (&Path, &Path),
    probes: &[Probe],
    rules: &ProjectRules,
    done: &mut dyn FnMut(usize, usize),
) -> Result<Projected> {
    Format::of(output)?;
    let survey = Survey::of(input)?;
    let same = input == output || matches!((input.canonicalize(), output.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if same {
        survey.bad.refuse(survey.rows)?;
    }
    let has = |name: &String| !rules.overwrite && survey.columns.contains(name);
    let (skipped, wanted): (Vec<_>, Vec<_>) = probes.iter().cloned().partition(|probe| has(&probe.column));
    let skipped = skipped.into_iter().map(|probe| probe.column).collect();
    let identity = Hash::of(&(&rules.subject, rules.border, rules.chunk, &wanted, hash_file(input)?));
    let mut finished = Ledger::beside(output, &identity)?;
    let (resumed, damage) = (finished.chunks() * rules.chunk, finished.damage().map(str::to_owned));
    measure(model, input, &wanted, rules, &mut finished, &mut |n| done(n, survey.rows + survey.bad.count))?;
    let (measured, bad) = finish_file((input, output), &survey, &wanted, &finished)?;
    finished.remove()?;
    Ok(Projected { rows: survey.rows, measured, resumed: resumed.min(measured), damage, skipped, bad })
}

/// What is to be known of a file before it is worked through.
struct Survey {
    /// Readable rows.
    rows: usize,
    bad: Malformed,
    /// Names of all columns in the order of their appearance.
    columns: Vec<String>,
}

impl Survey {
    fn of(path: &Path) -> Result<Self> {
        let columns = Reader::open(path)?.columns().to_vec();
        let mut survey = Self { rows: 0, bad: Malformed::default(), columns };
        for entry in entries(path, |_| true)? {
            match entry?.row {
                Ok(line) => {
                    survey.rows += 1;
                    let new = line.cells.keys().filter(|name| !survey.columns.contains(name));
                    let new: Vec<String> = new.cloned().collect();
                    survey.columns.extend(new);
                }
                Err(e) => survey.bad.push(e),
            }
        }
        ensure!(survey.rows + survey.bad.count > 0, "{}: the file holds no row", path.display());
        Ok(survey)
    }
}

/// Measures the rows that are not finished yet.
fn measure(
    model: &mut dyn LanguageModel,
    input: &Path,
    wanted: &[Probe],
    rules: &ProjectRules,
    finished: &mut Ledger,
    done: &mut dyn FnMut(usize),
) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let prompt_only = wanted.iter().all(|probe| probe.metric == Metric::PromptLast);
    finished.work(entries(input, |_| true)?, rules.chunk, &mut |before, batch| {
        let tokenizer = model.tokenizer();
        let text = |entry: &Entry| -> Result<Finished, String> {
            let place = format!("{}:{}", input.display(), entry.number);
            let line = entry.row.as_ref().map_err(ToString::to_string)?;
            text_of(line, tokenizer, rules.border, prompt_only).map_err(|e| e.at(place).to_string())
        };
        let texts: Vec<Result<Finished, String>> = batch.iter().map(text).collect();
        let good: Vec<Finished> = texts.iter().filter_map(|text| text.as_ref().ok().cloned()).collect();
        let first = batch.first().map_or(0, |entry| entry.number);
        let values = projections(model, &good, wanted, rules.chunk, &mut |_| {})
            .map_err(|e| e.at(format_args!("{}, from line {first}", input.display())))?;
        done(before + batch.len());
        let mut values = values.into_iter();
        let row = |text: Result<Finished, String>| Measured {
            values: text.is_ok().then(|| values.next()).flatten(),
            bad: text.err(),
        };
        Ok(texts.into_iter().map(row).collect())
    })
}

/// Writes the output row by row; says how many rows have values, and which have none.
fn finish_file(
    (input, output): (&Path, &Path),
    survey: &Survey,
    wanted: &[Probe],
    finished: &Ledger,
) -> Result<(usize, Malformed)> {
    let (mut measured, mut bad) = (0, Malformed::default());
    for row in finished.rows::<Measured>()? {
        let Measured { values, bad: reason } = row?;
        measured += usize::from(values.is_some());
        reason.into_iter().for_each(|reason| bad.push(reason));
    }
    if wanted.is_empty() {
        bad = survey.bad.clone();
    } else if measured == 0 {
        bad.refuse(0)?;
    }
    let mut columns = survey.columns.clone();
    columns.extend(wanted.iter().map(|probe| probe.column.clone()).filter(|name| !survey.columns.contains(name)));
    write_atomic_by(output, |w| {
        let mut writer = Writer::new(w, Format::of(output)?, &columns)?;
        let mut rows = finished.rows::<Measured>()?;
        for entry in entries(input, |_| true)? {
            let (entry, values) = (entry?, rows.next().transpose()?.and_then(|row| row.values));
            write_row(&mut writer, entry, wanted, values.as_deref())?;
        }
        writer.finish()
    })?;
    Ok((measured, bad))
}

/// A readable row with its new cells; every row gets them, so that all rows of a table have the same columns.
fn write_row<W: Write>(writer: &mut Writer<W>, entry: Entry, wanted: &[Probe], values: Option<&[f64]>) -> Result<()> {
    let Ok(mut line) = entry.row else { return Ok(()) };
    let value = |p: usize| values.map_or(Value::Null, |values| json!(values[p]));
    let new: Map<String, Value> =
        wanted.iter().enumerate().map(|(p, probe)| (probe.column.clone(), value(p))).collect();
    let plain = writer.is_jsonl() && !entry.raw.is_empty() && new.keys().all(|name| !line.cells.contains_key(name));
    if !plain {
        line.cells.extend(new);
        return writer.write(&line.cells);
    }
    let mut raw = entry.raw;
    if !new.is_empty() {
        // The object's closing brace gives way to our keys.
        raw.truncate(raw.trim_ascii_end().len() - 1);
        raw.truncate(raw.trim_ascii_end().len());
        let ours = Value::Object(new).to_string();
        raw.extend_from_slice(if line.cells.is_empty() { b"" } else { b"," });
        raw.extend_from_slice(&ours.as_bytes()[1..]);
    }
    writer.write_raw(&raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_table::DataTable;
    use crate::fakes::{EchoModel, tiny_tokenizer};
    use crate::text::Message;

    #[test]
    fn all_ways_to_write_a_text_measure_the_same_and_unknown_keys_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
        let tokenizer = tiny_tokenizer();
        let asked = vec![Message::user("Why?")];
        let prompt = tokenizer.chat_text(&asked, true).unwrap();
        let ids = (
            tokenizer.encode(&prompt).unwrap(),
            [tokenizer.encode("So.").unwrap(), tokenizer.eos_ids().to_vec()].concat(),
        );
        let rows = [
            json!({"z": 1, "messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}], "a": [2]}),
            json!({"prompt": prompt, "answer": "So."}),
            json!({"id": "x", "messages": asked, "prompt_ids": ids.0, "token_ids": ids.1, "text": "So."}),
            json!({"prompt": prompt, "answer": ""}),
            json!({"question": "?"}),
            json!({"prompt": "Why?", "completion": "So."}),
        ];
        let text: Vec<String> = rows.iter().map(Value::to_string).collect();
        std::fs::write(&input, format!("{}\nbroken\n", text.join("\n"))).unwrap();

        let mut model = EchoModel::new(|_, _| String::new());
        let probes = [Probe::made_up(Metric::Proj, 2), Probe::made_up(Metric::PromptLast, 1)];
        let rules = ProjectRules::new(Hash::of("echo"));
        let outcome = project_file(&mut model, (&input, &output), &probes, &rules, &mut |_, _| {}).unwrap();
        assert_eq!((outcome.rows, outcome.measured, outcome.bad.count), (6, 4, 3));
        let said = &outcome.bad.named;
        assert!(
            said.iter().any(|s| s.contains("in.jsonl:4: an empty"))
                && said.iter().any(|s| s.contains("in.jsonl:7: not a JSON")),
            "{said:?}"
        );
        let written = DataTable::read(&output).unwrap();
        let cells = |i: usize| [0, 1].map(|p: usize| written.lines[i].cells[&probes[p].column].as_f64());
        assert!(cells(0)[0].is_some() && cells(0) == cells(1) && cells(1) == cells(2) && cells(2) == cells(5));
        assert_eq!(cells(3), [None, None]);
        let (before, after) = (std::fs::read_to_string(&input).unwrap(), std::fs::read_to_string(&output).unwrap());
        for (before, after) in before.lines().zip(after.lines()) {
            assert!(after.starts_with(before.trim_end_matches('}')), "{after}");
        }
        let keys: Vec<&String> = written.lines[0].cells.keys().take(3).collect();
        assert_eq!(keys, ["z", "messages", "a"]);

        let in_place = project_file(&mut model, (&input, &input), &probes, &rules, &mut |_, _| {});
        assert!(in_place.unwrap_err().to_string().contains("in.jsonl:7"));
        let before = model.chunks.len();
        let again = project_file(&mut model, (&output, &output), &probes, &rules, &mut |_, _| {}).unwrap();
        assert_eq!((again.skipped.len(), again.measured, model.chunks.len()), (2, 0, before));
        assert_eq!(DataTable::read(&output).unwrap(), written);
        // A prompt's last token needs no answer.
        let prompts_only = [Probe { column: "p".into(), ..Probe::made_up(Metric::PromptLast, 1) }];
        let outcome = project_file(&mut model, (&output, &output), &prompts_only, &rules, &mut |_, _| {}).unwrap();
        assert_eq!(outcome.measured, 5);
    }

    #[test]
    fn a_file_that_was_cut_short_is_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
        let rows: String =
            (0..10).map(|i| format!("{{\"prompt\": \"Why {i}?\",  \"answer\":\"So {i}.\"}}\n")).collect();
        std::fs::write(&input, &rows).unwrap();
        let probes = [Probe::made_up(Metric::Proj, 2)];
        let rules = ProjectRules { chunk: 3, ..ProjectRules::new(Hash::of("echo")) };
        let mut model = EchoModel::new(|_, _| String::new());
        project_file(&mut model, (&input, &output), &probes, &rules, &mut |_, _| {}).unwrap();
        let whole = std::fs::read(&output).unwrap();
        assert_eq!(model.chunks, [3, 3, 3, 1]);
        assert!(!dir.path().join(".out.jsonl.partial").exists());
        std::fs::remove_file(&output).unwrap();

        // Killed within the third chunk.
        let identity =
            Hash::of(&(&rules.subject, rules.border, rules.chunk, &probes.to_vec(), hash_file(&input).unwrap()));
        let mut finished = Ledger::beside(&output, &identity).unwrap();
        let mut left = 2;
        let killed = finished.work(entries(&input, |_| true).unwrap(), 3, &mut |_, batch| {
            left -= 1;
            ensure!(left >= 0, "killed");
            let text =
                |entry: &Entry| text_of(entry.row.as_ref().unwrap(), &tiny_tokenizer(), rules.border, false).unwrap();
            let texts: Vec<Finished> = batch.iter().map(text).collect();
            let values = projections(&mut model, &texts, &probes, 3, &mut |_| {})?;
            Ok(values.into_iter().map(|values| Measured { values: Some(values), bad: None }).collect())
        });
        assert!(killed.is_err());
        // A process that is gone holds nothing.
        drop(finished);
        model.chunks.clear();
        let outcome = project_file(&mut model, (&input, &output), &probes, &rules, &mut |_, _| {}).unwrap();
        assert_eq!((outcome.measured, outcome.resumed, model.chunks.as_slice()), (10, 6, &[3, 1][..]));
        assert_eq!(std::fs::read(&output).unwrap(), whole);
        assert!(!dir.path().join(".out.jsonl.partial").exists());
    }

    #[test]
    fn a_csv_keeps_its_columns_and_gains_ours() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("evil.csv");
        std::fs::write(&path, "question,prompt,answer,question_id,evil,coherence\nq,Why?,\"So, it\nis\",evil_0,3,99\n")
            .unwrap();
        let mut model = EchoModel::new(|_, _| String::new());
        let probes = [Probe::made_up(Metric::Cosine, 3)];
        project_file(&mut model, (&path, &path), &probes, &ProjectRules::new(Hash::of("echo")), &mut |_, _| {})
            .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("question,prompt,answer,question_id,evil,coherence,Echo_bold_response_avg_cos_sim_layer3\nq,Why?,\"So, it\nis\",evil_0,3,99,"), "{text}");
    }
}
