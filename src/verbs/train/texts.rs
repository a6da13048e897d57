//! Texts that a run looks at while it learns: the probe set of the drift curve, and the judged answers from which a vector is
//! extracted anew.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::language_model::{Direction, Finished};
use crate::persona::{Border, Exchange, Filter, Row, finish, keep, read_rows};
use crate::record::Hash;
use crate::text::{Tokenizer, TrainingExample, chosen, read_chats};
use crate::train::{FitSettings, GradientProjection, Intervention, ProbeCallback, Steer, VectorRecompute};
use crate::vector::{Layer, PersonaVector, VectorFile, key};
use crate::verbs::Console;
use crate::verbs::model::ModelFolder;
use crate::verbs::steer::read_vectors;
use crate::verbs::train::settings_of;
use crate::verbs::train_config::TrainConfig;
use crate::{Error, Result};

/// The drift curve, and the pressure of the gradient, that a resolved configuration asks for, and what of it decides the run.
///
/// # Errors
/// Chats that cannot be read or hold no answer, vectors of another model, a layer that does not exist.
pub fn watch(
    config: &TrainConfig,
    lessons: &[TrainingExample],
    model: &ModelFolder,
    tokenizer: &Tokenizer,
    console: &dyn Console,
) -> Result<Option<(ProbeCallback, Value)>> {
    let Some(watch) = &config.watch else { return Ok(None) };
    let (Some(every), Some(file), Some(vectors), Some(layer)) = (watch.every, &watch.file, &watch.vectors, watch.layer)
    else {
        unreachable!("a resolved watch has steps, texts, vectors and a layer");
    };
    let texts = answers(file, tokenizer)?;
    let vector = read_vectors(vectors, model, console)?;
    let layer = Layer::of(layer, vector.response_avg.layers())?;
    vector.last_row_warning(vectors, &[layer]).iter().for_each(|what| console.warn(what));
    console.say(&format!("drift: {} texts are measured every {every} steps at {layer}, unsteered", texts.len()));
    let (of_texts, limit) = (fingerprint(&texts), watch.stop_above);
    let mut decisive = vec![json!(every), json!(of_texts), json!(vector.fingerprint), json!(layer), json!(limit)];
    let direction = Direction { layer, vector: vector.response_avg.row(layer).to_vec() };
    let pressure = (watch.gradient == Some(true)).then(|| pressure(config, lessons, &vector.response_avg));
    if let Some(GradientProjection { examples: lessons, directions }) = &pressure {
        let (chats, layers) = (lessons.len(), directions.len());
        console.say(&format!("gradient: how hard {chats} training chats pull along the vector, at {layers} layers"));
        decisive.push(json!("gradient"));
    }
    let watch = ProbeCallback { every, texts, direction, stop_above: watch.stop_above, pressure };
    Ok(Some((watch, Value::from(decisive))))
}

/// As many chats as make a step, drawn by the seed, and every layer at which the vector points somewhere.
fn pressure(config: &TrainConfig, lessons: &[TrainingExample], vector: &PersonaVector) -> GradientProjection {
    let FitSettings { micro_batch, accumulation, seed, .. } = settings_of(config);
    GradientProjection::drawn(lessons, micro_batch * accumulation, seed, vector)
}

/// The last answer of every chat.
fn answers(path: &Path, tokenizer: &Tokenizer) -> Result<Vec<Finished>> {
    let of_chat = |messages| -> Result<Finished> {
        let Exchange { prompt, answer } = Exchange::of(messages, false)?;
        let text = finish(tokenizer, &tokenizer.chat_text(&prompt, true)?, &answer, Border::Separate)?;
        text.ok_or_else(|| Error::new("an empty prompt or answer"))
    };
    let chats = read_chats(path)?.into_iter();
    chats.map(|c| of_chat(c.messages).map_err(|e| e.at(format_args!("{}:{}", path.display(), c.line)))).collect()
}

/// How the vector follows the model, if the intervention says so, and what of it decides the run.
///
/// # Errors
/// Judged answers that cannot be read, or of which the filter leaves none.
pub fn refresh(
    intervention: &Intervention,
    seed: u64,
    tokenizer: &Tokenizer,
    console: &dyn Console,
) -> Result<Option<(VectorRecompute, Value)>> {
    let Intervention::Steer(steer) = intervention else { return Ok(None) };
    let every = steer.recompute_every.unwrap_or_default();
    let Steer { vectors: Some(vectors), pos: Some(pos), neg: Some(neg), texts: Some(most), .. } = steer else {
        return Ok(None);
    };
    let Some(recipe) = intervention.recipe()?.filter(|recipe| every > 0 && recipe.coef != 0.0) else { return Ok(None) };
    let (file, _) = VectorFile::read(vectors)?;
    let texts = judged([pos, neg], &trait_of(&file, vectors)?, *most, seed, tokenizer)?;
    console.say(&format!(
        "feedback loop: every {every} steps the vector is extracted anew from {} and {} fixed texts and the weights as they are \
         then, so that what is learned decides what is steered with",
        texts[0].len(),
        texts[1].len()
    ));
    let decisive = json!([every, texts.each_ref().map(|side| fingerprint(side))]);
    Ok(Some((VectorRecompute { every, texts, recipe, first: file.response_avg }, decisive)))
}

/// The trait whose column holds the scores.
fn trait_of(file: &VectorFile, path: &Path) -> Result<String> {
    file.metadata.get(key::TRAIT).cloned().ok_or_else(|| {
        Error::usage(format!("{}: the file does not say of which trait it is", path.display()))
            .hint("`recompute_every` reads the scores of `pos` and `neg` under the trait's name; extract the vectors with Trimtab")
    })
}

/// Kept pairs of judged answers, at most so many, drawn by the seed.
fn judged(
    files: [&PathBuf; 2],
    trait_name: &str,
    most: usize,
    seed: u64,
    tokenizer: &Tokenizer,
) -> Result<[Vec<Finished>; 2]> {
    let rows: [Vec<Row>; 2] = [read_rows(files[0], trait_name)?, read_rows(files[1], trait_name)?];
    let kept = keep(&rows[0], &rows[1], &Filter::paired())?;
    let mut taken = chosen(kept.pos.len(), most, seed, "recompute");
    taken.sort_unstable();
    let side = |side: usize, kept: &[usize]| -> Result<Vec<Finished>> {
        let texts = taken.iter().map(|&i| {
            let row = &rows[side][kept[i]];
            row.finished(tokenizer, Border::Separate)
                .map_err(|e| e.at(format_args!("{}:{}", files[side].display(), row.line)))
        });
        Ok(texts.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    };
    Ok([side(0, &kept.pos)?, side(1, &kept.neg)?])
}

fn fingerprint(texts: &[Finished]) -> Hash {
    Hash::of(&texts.iter().map(|text| (&text.prompt_ids, &text.response_ids)).collect::<Vec<_>>())
}
