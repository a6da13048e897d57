//! How far texts lie along persona vectors (METHOD E.1), and the difference that a training set makes (METHOD H.2):
//!
//! ```text
//! proj             = h·v / |v|          h = mean over the response's tokens
//! prompt_last_proj = h·v / |v|          h = the prompt's last token
//! cos_sim          = h·v / (|h||v|)     h = mean over the response's tokens
//! ΔP = mean over i of  proj(x_i, y_i) − proj(x_i, y'_i)      y' = the base model's own answers
//! ```

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::rows::Border;
use super::texts::{entries, text_of, work_through};
use crate::record::{Hash, Ledger, hash_file, write_atomic_by};
use crate::sheet::{Bad, Entry, Format, Reader, Writer};
use crate::subject::{Finished, Residuals, Subject};
use crate::vector::{Layer, VectorFile};
use crate::{Error, Result, ensure};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Metric {
    /// The signed length of the response's mean along the vector.
    #[default]
    #[serde(rename = "proj")]
    Proj,
    /// The same of the state at the prompt's last token, before anything was answered.
    #[serde(rename = "prompt_last_proj")]
    PromptLast,
    /// The cosine between the response's mean and the vector.
    #[serde(rename = "cos_sim")]
    Cosine,
}

impl Metric {
    /// Its name in column names and on the command line.
    pub fn key(self) -> &'static str {
        match self {
            Self::Proj => "proj",
            Self::PromptLast => "prompt_last_proj",
            Self::Cosine => "cos_sim",
        }
    }
}

/// The scalar projection `h·v / |v|`: how far h lies along v, in h's units; v's length does not matter.
pub fn projection(h: &[f32], v: &[f32]) -> f64 {
    dot(h, v) / dot(v, v).sqrt()
}

/// The cosine of the angle between h and v.
pub fn cosine(h: &[f32], v: &[f32]) -> f64 {
    dot(h, v) / (dot(h, h).sqrt() * dot(v, v).sqrt())
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "a dot product of equally wide vectors");
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// ΔP of a data set: the mean over samples of the projection of its response less that of the model's own.
///
/// # Errors
/// Without samples.
///
/// # Panics
/// If the two sides differ in length: they are the same prompts.
pub fn projection_difference(data: &[f64], own: &[f64]) -> Result<f64> {
    assert_eq!(data.len(), own.len(), "a data set's answers and the model's own are to the same prompts");
    ensure!(!data.is_empty(), "a projection difference over no samples");
    Ok(data.iter().zip(own).map(|(y, own)| y - own).sum::<f64>() / data.len() as f64)
}

/// One column to compute: a vector at a layer, and what of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probe {
    /// The column's name.
    pub column: String,
    /// What is measured.
    pub metric: Metric,
    /// Where.
    pub layer: Layer,
    /// The direction; any length but 0. `[hidden]`
    pub vector: Vec<f32>,
}

impl Probe {
    /// Projects onto `response_avg` of a vector file at each of the layers, columns named by [`column`]. `stem` is the vector
    /// file's name without folder and ending.
    ///
    /// # Errors
    /// A layer that the vector does not have, or one where it is zero.
    pub fn of_file(model: &str, stem: &str, file: &VectorFile, layers: &[usize], metric: Metric) -> Result<Vec<Self>> {
        let probe = |&number: &usize| {
            let layer = Layer::of(number, file.response_avg.layers())?;
            let vector = file.response_avg.row(layer).to_vec();
            let some = vector.iter().any(|&x| x != 0.0);
            ensure!(some, "`{stem}` is zero at {layer}; nothing can be projected onto it");
            Ok(Self { column: column(model, stem, metric, layer), metric, layer, vector })
        };
        layers.iter().map(probe).collect()
    }

    fn read(&self, residuals: &Residuals) -> f64 {
        match self.metric {
            Metric::Proj => projection(&residuals.response_avg[self.layer.row()], &self.vector),
            Metric::PromptLast => projection(&residuals.prompt_last[self.layer.row()], &self.vector),
            Metric::Cosine => cosine(&residuals.response_avg[self.layer.row()], &self.vector),
        }
    }
}

/// The reference's column name, `<model>_<vector>_<metric>_layer<L>` (METHOD E.4); of the model's name or path, the last part.
pub fn column(model: &str, stem: &str, metric: Metric, layer: Layer) -> String {
    let base = model.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or(model);
    format!("{base}_{stem}_{}_layer{}", metric.key(), layer.row())
}

/// Reads each text once and measures it with every probe: `[text][probe]`. `done` hears how many texts are read.
///
/// # Errors
/// Those of the subject, a probe of another width or layer, a state that is not finite.
pub fn projections(
    subject: &mut dyn Subject,
    texts: &[Finished],
    probes: &[Probe],
    chunk: usize,
    done: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<f64>>> {
    let (layers, hidden) = subject.shape();
    for probe in probes {
        Layer::of(probe.layer.row(), layers)?;
        let width = probe.vector.len();
        ensure!(
            width == hidden,
            "the vector of `{}` is {width} wide, the model's residual stream {hidden}",
            probe.column
        );
    }
    let mut values = Vec::with_capacity(texts.len());
    for chunk in texts.chunks(chunk.max(1)) {
        let residuals = subject.residuals(chunk)?;
        assert_eq!(residuals.len(), chunk.len(), "residuals for every text");
        for residuals in &residuals {
            let of_text: Vec<f64> = probes.iter().map(|probe| probe.read(residuals)).collect();
            if let Some(i) = of_text.iter().position(|x| !x.is_finite()) {
                return Err(Error::new(format!("text {}: `{}` is not finite", values.len() + 1, probes[i].column)));
            }
            values.push(of_text);
        }
        done(values.len());
    }
    Ok(values)
}

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
    /// The usual rules, on a subject that is known by this hash.
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
    /// Columns that the file already had and that were left as they are.
    pub skipped: Vec<String>,
    /// Rows that could not be measured; their cells are empty. Unreadable ones are left out of the output.
    pub bad: Bad,
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
    subject: &mut dyn Subject,
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
    let mut finished = Ledger::open(&partial(output), &identity)?;
    let resumed = finished.chunks() * rules.chunk;
    measure(subject, input, &wanted, rules, &mut finished, &mut |n| done(n, survey.rows + survey.bad.count))?;
    let (measured, bad) = finish_file((input, output), &survey, &wanted, &finished)?;
    finished.remove()?;
    Ok(Projected { rows: survey.rows, measured, resumed: resumed.min(measured), skipped, bad })
}

/// Where the rows measured so far lie.
fn partial(output: &Path) -> PathBuf {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!(".{name}.partial"))
}

/// What is to be known of a file before it is worked through.
struct Survey {
    /// Readable rows.
    rows: usize,
    bad: Bad,
    /// Names of all columns in the order of their appearance.
    columns: Vec<String>,
}

impl Survey {
    fn of(path: &Path) -> Result<Self> {
        let columns = Reader::open(path)?.columns().to_vec();
        let mut survey = Self { rows: 0, bad: Bad::default(), columns };
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
    subject: &mut dyn Subject,
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
    work_through(entries(input, |_| true)?, finished, rules.chunk, &mut |before, batch| {
        let tokenizer = subject.tokenizer();
        let text = |entry: &Entry| -> Result<Finished, String> {
            let place = format!("{}:{}", input.display(), entry.number);
            let line = entry.row.as_ref().map_err(ToString::to_string)?;
            text_of(line, tokenizer, rules.border, prompt_only).map_err(|e| e.at(place).to_string())
        };
        let texts: Vec<Result<Finished, String>> = batch.iter().map(text).collect();
        let good: Vec<Finished> = texts.iter().filter_map(|text| text.as_ref().ok().cloned()).collect();
        let first = batch.first().map_or(0, |entry| entry.number);
        let values = projections(subject, &good, wanted, rules.chunk, &mut |_| {})
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
) -> Result<(usize, Bad)> {
    let (mut measured, mut bad) = (0, Bad::default());
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
    use super::super::rows::finish;
    use super::*;
    use crate::fakes::{EchoSubject, tiny_tokenizer};
    use crate::sheet::Sheet;
    use crate::text::Message;

    const H: [f32; 3] = [1.0, 2.0, -2.0];
    const V: [f32; 3] = [3.0, 0.0, 4.0];

    fn probe(metric: Metric, layer: usize) -> Probe {
        let layer = Layer(layer);
        let vector = vec![1.0, -2.0, 0.5, 3.0, 1.5];
        Probe { column: column("org/Echo", "bold_response_avg", metric, layer), metric, layer, vector }
    }

    #[test]
    fn projections_by_hand() {
        assert_eq!((projection(&H, &V), cosine(&H, &V)), (-1.0, -1.0 / 3.0));
        assert_eq!(projection(&V, &V), 5.0);
    }

    #[test]
    fn the_length_of_the_vector_does_not_matter() {
        for scale in [1e-3_f32, 7.0, 1e4] {
            let scaled = V.map(|x| x * scale);
            assert!((projection(&H, &scaled) - projection(&H, &V)).abs() < 1e-6);
            assert!((cosine(&H, &scaled) - cosine(&H, &V)).abs() < 1e-6);
        }
        let doubled = H.map(|x| x * 2.0);
        assert_eq!(projection(&doubled, &V), 2.0 * projection(&H, &V));
        assert!((cosine(&doubled, &V) - cosine(&H, &V)).abs() < 1e-12);
    }

    #[test]
    fn a_data_set_of_own_answers_makes_no_difference() {
        let mut subject = EchoSubject::new(|_, _| String::new());
        let tokenizer = tiny_tokenizer();
        let texts =
            ["Fine.", "A longer answer"].map(|a| finish(&tokenizer, "Why?", a, Border::Separate).unwrap().unwrap());
        let probes = [probe(Metric::Proj, 2)];
        let mut measure = |texts: &[Finished]| -> Vec<f64> {
            projections(&mut subject, texts, &probes, 8, &mut |_| {}).unwrap().into_iter().map(|v| v[0]).collect()
        };
        let (data, own) = (measure(&texts), measure(&texts));
        assert_eq!(projection_difference(&data, &own).unwrap(), 0.0);
        let moved: Vec<f64> = own.iter().map(|x| x - 2.5).collect();
        assert!((projection_difference(&data, &moved).unwrap() - 2.5).abs() < 1e-12);
        assert!(projection_difference(&[], &[]).is_err());
    }

    #[test]
    fn every_probe_reads_its_own_position_and_layer() {
        let mut subject = EchoSubject::new(|_, _| String::new());
        let texts = [Finished { prompt_ids: vec![3, 4], response_ids: vec![5, 6] }];
        let probes = [probe(Metric::Proj, 1), probe(Metric::PromptLast, 3), probe(Metric::Cosine, 2)];
        let values = projections(&mut subject, &texts, &probes, 1, &mut |_| {}).unwrap().remove(0);
        let state = |ids: &[u32], l: usize| -> Vec<f32> {
            (0..5).map(|d| ids.iter().map(|&id| EchoSubject::state(id, l, d)).sum::<f32>() / ids.len() as f32).collect()
        };
        let v = &probes[0].vector;
        assert_eq!(
            values,
            [projection(&state(&[5, 6], 1), v), projection(&state(&[4], 3), v), cosine(&state(&[5, 6], 2), v)]
        );
        let wide = [Probe { vector: vec![1.0; 4], ..probe(Metric::Proj, 1) }];
        assert!(projections(&mut subject, &texts, &wide, 1, &mut |_| {}).unwrap_err().to_string().contains("4 wide"));
        assert!(projections(&mut subject, &texts, &[probe(Metric::Proj, 4)], 1, &mut |_| {}).is_err());
    }

    #[test]
    fn columns_are_named_as_the_reference_names_them() {
        let name = column("/models/Qwen2.5-7B-Instruct/", "evil_response_avg_diff", Metric::PromptLast, Layer(20));
        assert_eq!(name, "Qwen2.5-7B-Instruct_evil_response_avg_diff_prompt_last_proj_layer20");
    }

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

        let mut subject = EchoSubject::new(|_, _| String::new());
        let probes = [probe(Metric::Proj, 2), probe(Metric::PromptLast, 1)];
        let rules = ProjectRules::new(Hash::of("echo"));
        let outcome = project_file(&mut subject, (&input, &output), &probes, &rules, &mut |_, _| {}).unwrap();
        assert_eq!((outcome.rows, outcome.measured, outcome.bad.count), (6, 4, 3));
        let said = &outcome.bad.named;
        assert!(
            said.iter().any(|s| s.contains("in.jsonl:4: an empty"))
                && said.iter().any(|s| s.contains("in.jsonl:7: not a JSON")),
            "{said:?}"
        );
        let written = Sheet::read(&output).unwrap();
        let cells = |i: usize| [0, 1].map(|p: usize| written.lines[i].cells[&probes[p].column].as_f64());
        assert!(cells(0)[0].is_some() && cells(0) == cells(1) && cells(1) == cells(2) && cells(2) == cells(5));
        assert_eq!(cells(3), [None, None]);
        let (before, after) = (std::fs::read_to_string(&input).unwrap(), std::fs::read_to_string(&output).unwrap());
        for (before, after) in before.lines().zip(after.lines()) {
            assert!(after.starts_with(before.trim_end_matches('}')), "{after}");
        }
        let keys: Vec<&String> = written.lines[0].cells.keys().take(3).collect();
        assert_eq!(keys, ["z", "messages", "a"]);

        let in_place = project_file(&mut subject, (&input, &input), &probes, &rules, &mut |_, _| {});
        assert!(in_place.unwrap_err().to_string().contains("in.jsonl:7"));
        let before = subject.chunks.len();
        let again = project_file(&mut subject, (&output, &output), &probes, &rules, &mut |_, _| {}).unwrap();
        assert_eq!((again.skipped.len(), again.measured, subject.chunks.len()), (2, 0, before));
        assert_eq!(Sheet::read(&output).unwrap(), written);
        // A prompt's last token needs no answer.
        let prompts_only = [Probe { column: "p".into(), ..probe(Metric::PromptLast, 1) }];
        let outcome = project_file(&mut subject, (&output, &output), &prompts_only, &rules, &mut |_, _| {}).unwrap();
        assert_eq!(outcome.measured, 5);
    }

    #[test]
    fn a_file_that_was_cut_short_is_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
        let rows: String =
            (0..10).map(|i| format!("{{\"prompt\": \"Why {i}?\",  \"answer\":\"So {i}.\"}}\n")).collect();
        std::fs::write(&input, &rows).unwrap();
        let probes = [probe(Metric::Proj, 2)];
        let rules = ProjectRules { chunk: 3, ..ProjectRules::new(Hash::of("echo")) };
        let mut subject = EchoSubject::new(|_, _| String::new());
        project_file(&mut subject, (&input, &output), &probes, &rules, &mut |_, _| {}).unwrap();
        let whole = std::fs::read(&output).unwrap();
        assert_eq!(subject.chunks, [3, 3, 3, 1]);
        assert!(!partial(&output).exists());
        std::fs::remove_file(&output).unwrap();

        // Killed within the third chunk.
        let identity =
            Hash::of(&(&rules.subject, rules.border, rules.chunk, &probes.to_vec(), hash_file(&input).unwrap()));
        let mut finished = Ledger::open(&partial(&output), &identity).unwrap();
        let mut left = 2;
        let killed = work_through(entries(&input, |_| true).unwrap(), &mut finished, 3, &mut |_, batch| {
            left -= 1;
            ensure!(left >= 0, "killed");
            let text =
                |entry: &Entry| text_of(entry.row.as_ref().unwrap(), &tiny_tokenizer(), rules.border, false).unwrap();
            let texts: Vec<Finished> = batch.iter().map(text).collect();
            let values = projections(&mut subject, &texts, &probes, 3, &mut |_| {})?;
            Ok(values.into_iter().map(|values| Measured { values: Some(values), bad: None }).collect())
        });
        assert!(killed.is_err());
        subject.chunks.clear();
        let outcome = project_file(&mut subject, (&input, &output), &probes, &rules, &mut |_, _| {}).unwrap();
        assert_eq!((outcome.measured, outcome.resumed, subject.chunks.as_slice()), (10, 6, &[3, 1][..]));
        assert_eq!(std::fs::read(&output).unwrap(), whole);
        assert!(!partial(&output).exists());
    }

    #[test]
    fn a_csv_keeps_its_columns_and_gains_ours() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("evil.csv");
        std::fs::write(&path, "question,prompt,answer,question_id,evil,coherence\nq,Why?,\"So, it\nis\",evil_0,3,99\n")
            .unwrap();
        let mut subject = EchoSubject::new(|_, _| String::new());
        let probes = [probe(Metric::Cosine, 3)];
        project_file(&mut subject, (&path, &path), &probes, &ProjectRules::new(Hash::of("echo")), &mut |_, _| {})
            .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("question,prompt,answer,question_id,evil,coherence,Echo_bold_response_avg_cos_sim_layer3\nq,Why?,\"So, it\nis\",evil_0,3,99,"), "{text}");
    }
}
