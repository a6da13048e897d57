//! How far texts lie along persona vectors (METHOD E.1), and the difference that a training set makes (METHOD H.2):
//!
//! ```text
//! proj             = h·v / |v|          h = mean over the response's tokens
//! prompt_last_proj = h·v / |v|          h = the prompt's last token
//! cos_sim          = h·v / (|h||v|)     h = mean over the response's tokens
//! ΔP = mean over i of  proj(x_i, y_i) − proj(x_i, y'_i)      y' = the base model's own answers
//! ```

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rows::{Border, Ids, Row, finish};
use crate::sheet::{Format, Line, Sheet};
use crate::subject::{Finished, Residuals, Subject};
use crate::text::{Tokenizer, chat_of_row};
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
#[derive(Debug, Clone, PartialEq)]
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
}

impl Default for ProjectRules {
    fn default() -> Self {
        Self { border: Border::Separate, overwrite: false, chunk: 32 }
    }
}

/// What [`project_file`] did.
#[derive(Debug, Default)]
pub struct Projected {
    /// Rows of the file.
    pub rows: usize,
    /// Rows that were measured.
    pub measured: usize,
    /// Columns that the file already had and that were left as they are.
    pub skipped: Vec<String>,
    /// Rows that could not be measured, `FILE:LINE: reason`; their cells are empty. Unreadable ones are left out of the output.
    pub bad: Vec<Error>,
}

/// Measures a file of texts and writes it with a column per probe, all else kept as it is. `done` hears (texts read, texts in
/// all).
///
/// A CSV file has columns `prompt` and `answer`, used verbatim. A JSONL row has `prompt` and `answer` too, or a conversation in
/// any form of [`crate::text::read_chats`] whose last turn is the answer, or what `generate` writes (`prompt_ids` and
/// `token_ids`, or `messages` and `text`). Rows without an answer will do if only [`Metric::PromptLast`] is asked.
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
    let (mut sheet, bad) = Sheet::scan(input)?;
    let same = input == output || matches!((input.canonicalize(), output.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if same && !bad.is_empty() {
        return crate::sheet::refuse(bad, sheet.lines.len()).map(|()| Projected::default());
    }
    let has = |name: &String| !rules.overwrite && sheet.columns.contains(name);
    let (skipped, wanted): (Vec<_>, Vec<_>) = probes.iter().cloned().partition(|probe| has(&probe.column));
    let skipped = skipped.into_iter().map(|probe| probe.column).collect();
    let mut outcome = Projected { rows: sheet.lines.len(), bad, skipped, measured: 0 };

    let prompt_only = wanted.iter().all(|probe| probe.metric == Metric::PromptLast);
    let (mut texts, mut places) = (Vec::new(), Vec::new());
    if !wanted.is_empty() {
        for (i, line) in sheet.lines.iter().enumerate() {
            match text_of(line, subject.tokenizer(), rules.border, prompt_only) {
                Ok(text) => {
                    texts.push(text);
                    places.push(i);
                }
                Err(e) => outcome.bad.push(e.at(format_args!("{}:{}", input.display(), line.number))),
            }
        }
        if texts.is_empty() {
            crate::sheet::refuse(std::mem::take(&mut outcome.bad), 0)?;
        }
    }
    let total = texts.len();
    let values = projections(subject, &texts, &wanted, rules.chunk, &mut |n| done(n, total))?;
    outcome.measured = values.len();
    for (p, probe) in wanted.iter().enumerate() {
        // Every row gets the cell, so that all rows of a table have the same columns.
        for i in 0..sheet.lines.len() {
            sheet.put(i, &probe.column, Value::Null);
        }
        for (&i, values) in places.iter().zip(&values) {
            sheet.put(i, &probe.column, json!(values[p]));
        }
    }
    sheet.format = Format::of(output)?;
    sheet.write(output)?;
    Ok(outcome)
}

/// The row's prompt and answer as tokens.
fn text_of(line: &Line, tokenizer: &Tokenizer, border: Border, prompt_only: bool) -> Result<Finished> {
    let (prompt, answer) = prompt_and_answer(line, tokenizer)?;
    let ids = |name: &str| -> Option<Vec<u32>> { serde_json::from_value(line.cells.get(name)?.clone()).ok() };
    let ids = ids("prompt_ids").zip(ids("token_ids")).map(|(prompt, answer)| Ids { prompt, answer });
    if prompt_only && answer.is_empty() {
        // States at the prompt do not depend on what follows, so any token may stand for the answer.
        let stand_in = vec![tokenizer.eos_ids()[0]];
        let prompt_ids = match ids {
            Some(ids) if !ids.prompt.is_empty() => ids.prompt,
            _ => tokenizer.encode(&prompt)?,
        };
        ensure!(!prompt_ids.is_empty(), "an empty prompt");
        return Ok(Finished { prompt_ids, response_ids: stand_in });
    }
    let text = match ids {
        Some(ids) => Row { prompt, answer, ids: Some(ids), ..Row::default() }.finished(tokenizer, border)?,
        None => finish(tokenizer, &prompt, &answer, border)?,
    };
    text.ok_or_else(|| Error::new("an empty prompt or answer"))
}

fn prompt_and_answer(line: &Line, tokenizer: &Tokenizer) -> Result<(String, String)> {
    let answer = ["answer", "text"].into_iter().find_map(|name| line.text(name)).unwrap_or_default();
    if let (Some(prompt), false) = (line.text("prompt"), line.cells.contains_key("completion")) {
        return Ok((prompt.to_owned(), answer.to_owned()));
    }
    let (mut messages, _) = chat_of_row(line.cells.clone())?;
    let last_is_answer = messages.last().is_some_and(|m| m.role == "assistant");
    let answer = messages.pop_if(|_| last_is_answer).map_or_else(|| answer.to_owned(), |message| message.content);
    ensure!(!messages.is_empty(), "the conversation holds no prompt");
    Ok((tokenizer.chat_text(&messages, true)?, answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{EchoSubject, tiny_tokenizer};
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
        let rules = ProjectRules::default();
        let outcome = project_file(&mut subject, (&input, &output), &probes, &rules, &mut |_, _| {}).unwrap();
        assert_eq!((outcome.rows, outcome.measured, outcome.bad.len()), (6, 4, 3));
        let said: Vec<String> = outcome.bad.iter().map(Error::to_string).collect();
        assert!(
            said.iter().any(|s| s.contains("in.jsonl:4: an empty"))
                && said.iter().any(|s| s.contains("in.jsonl:7: not a JSON")),
            "{said:?}"
        );
        let written = Sheet::read(&output).unwrap();
        let cells = |i: usize| [0, 1].map(|p: usize| written.lines[i].cells[&probes[p].column].as_f64());
        assert!(cells(0)[0].is_some() && cells(0) == cells(1) && cells(1) == cells(2) && cells(2) == cells(5));
        assert_eq!(cells(3), [None, None]);
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
    fn a_csv_keeps_its_columns_and_gains_ours() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("evil.csv");
        std::fs::write(&path, "question,prompt,answer,question_id,evil,coherence\nq,Why?,\"So, it\nis\",evil_0,3,99\n")
            .unwrap();
        let mut subject = EchoSubject::new(|_, _| String::new());
        let probes = [probe(Metric::Cosine, 3)];
        project_file(&mut subject, (&path, &path), &probes, &ProjectRules::default(), &mut |_, _| {}).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("question,prompt,answer,question_id,evil,coherence,Echo_bold_response_avg_cos_sim_layer3\nq,Why?,\"So, it\nis\",evil_0,3,99,"), "{text}");
    }
}
