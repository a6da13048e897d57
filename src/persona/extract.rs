//! From judged answers to a persona vector (Chen et al. 2025, section 2.2), at three token positions of every layer:
//!
//! ```text
//! response_avg = mean over tokens P..T      prompt_avg = mean over tokens 0..P      prompt_last = token P-1
//! v = mean over positive answers − mean over negative answers      (every answer counts the same, long or short)
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::filter::{Diagnosis, Filter, FilterKind, Kept, keep};
use super::names::Side;
use super::states::States;
use super::tokens::Border;
use crate::judge::JudgedAnswer;
use crate::language_model::{Finished, LanguageModel, Residuals};
use crate::vector::{PersonaVector, VectorFile, key};
use crate::{Error, Result, ensure};

/// How a vector is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtractionRecipe {
    /// The trait's name.
    pub trait_name: String,
    /// Name or folder of the model, for the file's metadata.
    pub model: String,
    /// The hash by which the model is known again.
    pub model_fingerprint: String,
    /// The kind of model, as `model_type` in its configuration; `gguf` control vectors tell it on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Which answers go in.
    pub filter: Filter,
    /// How prompt and answer are cut into tokens.
    pub border: Border,
    /// Only the first so many tokens of each response; all of them if `None`.
    pub response_window: Option<usize>,
    /// Texts per request to the model. It bounds the memory: a text's states are a few MB.
    pub chunk: usize,
}

impl ExtractionRecipe {
    /// The reference's way: paired filter, whole responses, tokens cut at the border.
    pub fn new(trait_name: &str, model: &str, model_fingerprint: &str) -> Self {
        Self {
            trait_name: trait_name.into(),
            model: model.into(),
            model_fingerprint: model_fingerprint.into(),
            architecture: None,
            filter: Filter::paired(),
            border: Border::Separate,
            response_window: None,
            chunk: 32,
        }
    }
}

/// A trait's vectors, and what went into them.
#[derive(Debug, Clone)]
pub struct Extraction {
    /// The vectors with their metadata.
    pub file: VectorFile,
    /// Which answers were kept and why the others were not.
    pub diagnosis: Diagnosis,
}

/// Extracts a trait's vectors from judged answers under both kinds of system prompts: the model reads each kept text. `done` hears
/// (texts read, texts in all).
///
/// # Errors
/// If the filter leaves nothing, a text cannot be tokenised, the model fails, or a state is not finite (named by row).
pub fn extract(
    model: &mut dyn LanguageModel,
    pos: &[JudgedAnswer],
    neg: &[JudgedAnswer],
    recipe: &ExtractionRecipe,
    done: &mut dyn FnMut(usize, usize),
) -> Result<Extraction> {
    let kept = keep(pos, neg, &recipe.filter)?;
    let texts = [texts_of(model, pos, &kept.pos, recipe)?, texts_of(model, neg, &kept.neg, recipe)?];
    let there = texts.each_ref().map(|side| side.iter().map(Option::is_some).collect());
    let shape = model.shape();
    let mut read = |side: Side, places: &[usize]| {
        let texts = &texts[side as usize];
        let finished: Vec<Finished> = places.iter().filter_map(|&place| texts[place].clone()).collect();
        model.residuals(&finished)
    };
    average(shape, [pos, neg], kept, there, recipe, (&mut read, done))
}

/// The same from states that were captured while the answers were made, answer i of a side belonging to its row i: no model is
/// needed, and another filter costs seconds. Whole responses only, as they were captured.
///
/// # Errors
/// If the filter leaves nothing, a states file is of another shape or too short, or a state is not finite (named by row).
pub fn extract_captured(
    states: &[States; 2],
    pos: &[JudgedAnswer],
    neg: &[JudgedAnswer],
    recipe: &ExtractionRecipe,
    done: &mut dyn FnMut(usize, usize),
) -> Result<Extraction> {
    assert!(recipe.response_window.is_none() && recipe.border == Border::Separate, "captured as they were answered");
    let shape = states[0].shape();
    ensure!(
        states[1].shape() == shape,
        "the two files of states are of different models: {shape:?}, {:?}",
        states[1].shape()
    );
    let kept = keep(pos, neg, &recipe.filter)?;
    let has = |side: Side, rows: &[usize]| -> Result<Vec<bool>> {
        rows.iter().map(|&i| states[side as usize].has(i)).collect()
    };
    let there = [has(Side::Pos, &kept.pos)?, has(Side::Neg, &kept.neg)?];
    let rows = [kept.pos.clone(), kept.neg.clone()];
    let mut read = |side: Side, places: &[usize]| {
        let found = places.iter().map(|&place| states[side as usize].read(rows[side as usize][place]));
        Ok(found.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    };
    average(shape, [pos, neg], kept, there, recipe, (&mut read, done))
}

/// Gives the states of some of a side's kept rows, by their places among them.
type Read<'a> = &'a mut dyn FnMut(Side, &[usize]) -> Result<Vec<Residuals>>;

/// Averages each side in f64 and takes the difference. `there` tells which kept rows have a token to average over.
fn average(
    shape: (usize, usize),
    rows: [&[JudgedAnswer]; 2],
    kept: Kept,
    there: [Vec<bool>; 2],
    recipe: &ExtractionRecipe,
    (read, done): (Read<'_>, &mut dyn FnMut(usize, usize)),
) -> Result<Extraction> {
    let Kept { pos, neg, mut diagnosis } = kept;
    let places = with_tokens(there, recipe.filter.kind, &mut diagnosis)?;
    let total = places.iter().map(Vec::len).sum();
    let mut count = 0;
    let mut side = |side: Side, kept: &[usize]| {
        let mut means = Means::new(shape);
        for chunk in places[side as usize].chunks(recipe.chunk.max(1)) {
            let residuals = read(side, chunk)?;
            assert_eq!(residuals.len(), chunk.len(), "residuals for every text");
            for (residuals, &place) in residuals.iter().zip(chunk) {
                let row = &rows[side as usize][kept[place]];
                means.add(residuals).map_err(|e| e.at(format_args!("line {} ({})", row.line, row.question_id)))?;
            }
            count += chunk.len();
            done(count, total);
        }
        Ok::<_, Error>(means)
    };
    let (means_pos, means_neg) = (side(Side::Pos, &pos)?, side(Side::Neg, &neg)?);
    let [response_avg, prompt_avg, prompt_last] = means_pos.minus(&means_neg)?;
    let file = VectorFile::new(response_avg, Some(prompt_avg), Some(prompt_last), metadata(recipe, &diagnosis))?;
    Ok(Extraction { file, diagnosis })
}

fn texts_of(
    model: &dyn LanguageModel,
    rows: &[JudgedAnswer],
    kept: &[usize],
    recipe: &ExtractionRecipe,
) -> Result<Vec<Option<Finished>>> {
    let text = |&i: &usize| {
        let mut finished = rows[i].finished(model.tokenizer(), recipe.border)?;
        if let (Some(text), Some(window)) = (&mut finished, recipe.response_window) {
            // Later tokens cannot change earlier states, so cutting the text is the same as averaging its beginning.
            text.response_ids.truncate(window.max(1));
        }
        Ok(finished)
    };
    kept.iter().map(text).collect()
}

/// The places of the kept rows that have a token (the filter only sees their text), pairs as a whole.
fn with_tokens(there: [Vec<bool>; 2], kind: FilterKind, diagnosis: &mut Diagnosis) -> Result<[Vec<usize>; 2]> {
    let [pos, neg] = &there;
    let stays = |own: &[bool], other: &[bool]| -> Vec<usize> {
        let stays = |&i: &usize| own[i] && (kind == FilterKind::Independent || other[i]);
        (0..own.len()).filter(stays).collect()
    };
    let places = [stays(pos, neg), stays(neg, pos)];
    diagnosis.empty += match kind {
        FilterKind::Paired => pos.len() - places[0].len(),
        FilterKind::Independent => pos.len() + neg.len() - places[0].len() - places[1].len(),
    };
    (diagnosis.kept_pos, diagnosis.kept_neg) = (places[0].len(), places[1].len());
    ensure!(
        places.iter().all(|side| !side.is_empty()),
        "no answers with a token left to make a vector from: {diagnosis}"
    );
    Ok(places)
}

fn metadata(recipe: &ExtractionRecipe, diagnosis: &Diagnosis) -> BTreeMap<String, String> {
    let ExtractionRecipe {
        trait_name,
        model,
        model_fingerprint,
        architecture,
        filter,
        border,
        response_window,
        chunk: _,
    } = recipe;
    let word = |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut entries = vec![
        (key::TRAIT, trait_name.clone()),
        (key::MODEL, model.clone()),
        (key::MODEL_FINGERPRINT, model_fingerprint.clone()),
        (key::N_POS, diagnosis.kept_pos.to_string()),
        (key::N_NEG, diagnosis.kept_neg.to_string()),
        (key::THRESHOLD, filter.threshold.to_string()),
        (key::LAST_ROW, "raw".into()),
        ("filter", word(serde_json::json!(filter.kind))),
        ("border", word(serde_json::json!(border))),
        ("diagnosis", diagnosis.to_string()),
        ("trimtab", env!("CARGO_PKG_VERSION").into()),
    ];
    entries.extend(architecture.clone().map(|name| (key::ARCHITECTURE, name)));
    entries.extend(filter.min_coherence.map(|least| ("min_coherence", least.to_string())));
    entries.extend(response_window.map(|window| ("response_window", window.to_string())));
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Running means over one side's answers. f64, so that a thousand answers lose nothing.
struct Means {
    shape: (usize, usize),
    /// response_avg, prompt_avg, prompt_last; each `[layers + 1][hidden]`.
    sums: [Vec<Vec<f64>>; 3],
    count: usize,
}

impl Means {
    fn new(shape: (usize, usize)) -> Self {
        let zeros = || vec![vec![0.0; shape.1]; shape.0 + 1];
        Self { shape, sums: [zeros(), zeros(), zeros()], count: 0 }
    }

    fn add(&mut self, residuals: &Residuals) -> Result<()> {
        let new = [&residuals.response_avg, &residuals.prompt_avg, &residuals.prompt_last];
        for (sums, states) in self.sums.iter_mut().zip(new) {
            assert_eq!(states.len(), self.shape.0 + 1, "the embedding and every layer");
            for (layer, (sum, state)) in sums.iter_mut().zip(states).enumerate() {
                assert_eq!(state.len(), self.shape.1, "the width of the residual stream");
                for (sum, &x) in sum.iter_mut().zip(state) {
                    ensure!(x.is_finite(), "the residual stream at row {layer} holds {x}");
                    *sum += f64::from(x);
                }
            }
        }
        self.count += 1;
        Ok(())
    }

    /// The difference of the means, at each of the three positions.
    fn minus(&self, other: &Self) -> Result<[PersonaVector; 3]> {
        let (n, m) = (self.count as f64, other.count as f64);
        let cell = |(a, b): (&f64, &f64)| (a / n - b / m) as f32;
        let difference = |i: usize| {
            let rows = self.sums[i].iter().zip(&other.sums[i]).map(|(a, b)| a.iter().zip(b).map(cell).collect());
            PersonaVector::new(rows.collect())
        };
        Ok([difference(0)?, difference(1)?, difference(2)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{EchoModel, tiny_tokenizer};

    fn row(id: &str, prompt: &str, answer: &str, score: f64) -> JudgedAnswer {
        let (score, coherence) = (Some(score), Some(90.0));
        JudgedAnswer { question_id: id.into(), prompt: prompt.into(), answer: answer.into(), ..JudgedAnswer::default() }
            .scored("bold", score, coherence)
    }

    fn sides() -> (Vec<JudgedAnswer>, Vec<JudgedAnswer>) {
        let pos = vec![
            row("b_0_pos_0", "Be bold. Why?", "Because!", 90.0),
            row("b_1_pos_0", "Be bold. How is that?", "A long and winding answer, with many words.", 80.0),
            row("b_2_pos_0", "Be bold.", "Not bold at all", 10.0),
        ];
        let neg = vec![
            row("b_1_neg_0", "Be meek. How is that?", "It is fine", 5.0),
            row("b_0_neg_0", "Be meek. Why?", "I do not know", 0.0),
            row("b_2_neg_0", "Be meek.", "", 0.0),
        ];
        (pos, neg)
    }

    /// Straight from the definition, one row at a time.
    fn expected(kept: [&[JudgedAnswer]; 2], part: fn(&Finished) -> &[u32]) -> Vec<Vec<f64>> {
        let tokenizer = tiny_tokenizer();
        let mean = |rows: &[JudgedAnswer], l: usize, d: usize| {
            let of_row = |row: &JudgedAnswer| {
                let text = row.finished(&tokenizer, Border::Separate).unwrap().unwrap();
                let ids = part(&text);
                ids.iter().map(|&id| f64::from(EchoModel::state(id, l, d))).sum::<f64>() / ids.len() as f64
            };
            rows.iter().map(of_row).sum::<f64>() / rows.len() as f64
        };
        let cell = |l, d| mean(kept[0], l, d) - mean(kept[1], l, d);
        (0..=EchoModel::LAYERS).map(|l| (0..EchoModel::HIDDEN).map(|d| cell(l, d)).collect()).collect()
    }

    #[track_caller]
    fn check(vector: &PersonaVector, want: &[Vec<f64>]) {
        for (got, want) in vector.rows.concat().into_iter().zip(want.concat()) {
            assert!((f64::from(got) - want).abs() < 1e-5, "{got}, not {want}");
        }
    }

    #[test]
    fn the_vector_is_the_difference_of_means_of_means() {
        let (pos, neg) = sides();
        let mut model = EchoModel::new(|_, _| String::new());
        let recipe = ExtractionRecipe { chunk: 1, ..ExtractionRecipe::new("bold", "echo", "abc") };
        let mut heard = Vec::new();
        let made = extract(&mut model, &pos, &neg, &recipe, &mut |n, of| heard.push((n, of))).unwrap();
        let kept = [&pos[..2], &neg[..2]];
        check(&made.file.response_avg, &expected(kept, |t| &t.response_ids));
        check(made.file.prompt_avg.as_ref().unwrap(), &expected(kept, |t| &t.prompt_ids));
        check(made.file.prompt_last.as_ref().unwrap(), &expected(kept, |t| &t.prompt_ids[t.prompt_ids.len() - 1..]));
        assert_eq!((model.chunks.as_slice(), heard), (&[1; 4][..], vec![(1, 4), (2, 4), (3, 4), (4, 4)]));
        let known = &made.file.metadata;
        let said = [
            "trait",
            "model",
            "model_fingerprint",
            "n_pos",
            "n_neg",
            "threshold",
            "last_row",
            "filter",
            "min_coherence",
        ]
        .map(|k| known[k].as_str());
        assert_eq!(said, ["bold", "echo", "abc", "2", "2", "50", "raw", "paired", "50"]);
        assert_eq!(serde_json::from_str::<Vec<f64>>(&known["norms"]).unwrap().len(), EchoModel::LAYERS + 1);
        assert_eq!(made.diagnosis.empty, 1);
    }

    #[test]
    fn the_chunk_changes_nothing() {
        let (pos, neg) = sides();
        let make = |chunk| {
            let mut model = EchoModel::new(|_, _| String::new());
            let recipe = ExtractionRecipe { chunk, ..ExtractionRecipe::new("bold", "echo", "abc") };
            extract(&mut model, &pos, &neg, &recipe, &mut |_, _| {}).unwrap().file
        };
        assert_eq!(make(1), make(100));
        assert_eq!(make(0), make(2));
    }

    #[test]
    fn swapping_the_sides_turns_the_vector_round() {
        let (pos, neg) = sides();
        let any = Filter { threshold: 0.0, ..Filter::paired() };
        let mut model = EchoModel::new(|_, _| String::new());
        let recipe = ExtractionRecipe { filter: any, ..ExtractionRecipe::new("bold", "echo", "abc") };
        let mut make = |a: &[JudgedAnswer], b: &[JudgedAnswer]| {
            extract(&mut model, a, b, &recipe, &mut |_, _| {}).unwrap().file.response_avg
        };
        let (there, back, nowhere) = (make(&pos, &neg), make(&neg, &pos), make(&pos, &pos));
        assert!(there.rows.concat().iter().zip(back.rows.concat()).all(|(a, b)| *a == -b));
        assert!(nowhere.rows.concat().iter().all(|&x| x == 0.0));
    }

    #[test]
    fn captured_states_give_what_reading_gives() {
        use crate::persona::states::StatesWriter;

        let (pos, neg) = sides();
        let mut model = EchoModel::new(|_, _| String::new());
        let dir = tempfile::tempdir().unwrap();
        let mut capture = |name: &str, rows: &[JudgedAnswer]| {
            let path = dir.path().join(name);
            let mut writer = StatesWriter::open(&path, model.shape(), rows.len()).unwrap();
            let texts: Vec<_> = rows.iter().map(|r| r.finished(model.tokenizer(), Border::Separate).unwrap()).collect();
            for text in texts {
                let read = text.map(|text| model.residuals(&[text]).unwrap().remove(0));
                writer.extend([read.as_ref()]).unwrap();
            }
            States::open(&path).unwrap()
        };
        let states = [capture("pos", &pos), capture("neg", &neg)];
        for filter in [Filter::paired(), Filter { threshold: 0.0, ..Filter::independent() }] {
            let recipe = ExtractionRecipe { filter, ..ExtractionRecipe::new("bold", "echo", "abc") };
            let captured = extract_captured(&states, &pos, &neg, &recipe, &mut |_, _| {}).unwrap();
            let read = extract(&mut model, &pos, &neg, &recipe, &mut |_, _| {}).unwrap();
            assert_eq!((captured.file, captured.diagnosis), (read.file, read.diagnosis));
        }
    }

    #[test]
    fn a_window_reads_only_the_beginning() {
        let (pos, neg) = sides();
        let mut model = EchoModel::new(|_, _| String::new());
        let recipe = ExtractionRecipe { response_window: Some(1), ..ExtractionRecipe::new("bold", "echo", "abc") };
        let made = extract(&mut model, &pos, &neg, &recipe, &mut |_, _| {}).unwrap();
        check(&made.file.response_avg, &expected([&pos[..2], &neg[..2]], |t| &t.response_ids[..1]));
        assert_eq!(made.file.metadata["response_window"], "1");
    }
}
