//! Layer selection (Chen et al. 2025, appendix B.4): steer every layer by itself at several strengths, score the answers, choose.
//!
//! ```text
//! grid (layer x coefficient, coefficient 0 once) ─▶ answers ─▶ judge ─▶ cells ─┬─▶ the paper's rule
//!                                                                              ├─▶ the coherence-constrained winner
//!        norms of the residual stream ─▶ coefficients as fractions of it ──────┴─▶ range · token positions · report
//! ```
//!
//! All settings share one set of weights: the plan has a part for each layer, and a row of a batch says which of them acts and
//! how strongly. Answers lie in the run's folder as they come in, so a run goes on where it was, and a larger grid asks only
//! what is new.

mod answers;
mod norms;
mod outcome;
mod positions;
mod range;
mod report;
mod rules;
mod settings;
mod words;
mod work;

use std::path::Path;

pub use outcome::LayersReport;
pub use positions::Compared;
pub use range::{Range, Tried, next_coef};
pub use rules::{Cell, Choice, Rule, constrained, paper, published};
pub use settings::{Compare, Inputs, LayersConfig, Norms, Split};
pub use work::Tell;

use self::answers::Answers;
use self::work::Work;
use crate::judge::Judge;
use crate::record::{Hash, Lock, RunDir};
use crate::report::Study;
use crate::{Result, ensure};

/// Runs the grid and all that hangs on it in the folder `out`, or as much of it as is not there yet.
///
/// # Errors
/// Those of the runtime and the judge; vectors of another shape; a folder that holds other answers. What was answered stays.
pub fn run<'a>(
    inputs: &'a Inputs<'a>,
    judge: &'a mut dyn Judge,
    out: &Path,
    tell: &'a mut Tell<'a>,
) -> Result<LayersReport> {
    let config = inputs.config;
    ensure!(!config.layers.is_empty() && !config.coefs.is_empty(), "a grid needs layers and coefficients");
    let folder = RunDir::open(out)?;
    let lock = lock(inputs, judge.name())?;
    let answers = Answers::open(&folder, &lock, inputs.overwrite)?;
    folder.write_lock(&lock)?;
    folder.write_config(config)?;
    let key = Hash::of(&(answers::deciding(&lock), &lock.device));
    let mut work = Work { inputs, judge, tell, run: &folder, answers, key };

    let mut subject = work.language_model(work.grid_plan())?;
    let points = work.grid_points();
    let rows = work.ask(&mut *subject, config.split, "grid", &points)?;
    let cells = rules::cells(&rows, &inputs.trait_.name, config.sampling.seed);
    let norms = work.norms(&mut *subject, &rows)?;
    let choices = [Rule::Paper, Rule::Coherent].map(|rule| (rule, work.choose(rule, &cells)));
    let chosen = choices.iter().find(|(rule, _)| *rule == config.choose).and_then(|(_, choice)| choice.clone());
    let chosen = chosen.or_else(|| choices[0].1.clone());
    let examples = report::examples(&rows, &choices, &inputs.trait_.name);
    let confirmed = work.confirm(&mut *subject, &choices)?;
    let layer = chosen.as_ref().map(|choice| choice.cell.layer.expect("a choice has a layer"));
    let range = match (config.range_steps, layer) {
        (Some(steps), Some(layer)) => Some(work.range(&mut *subject, layer, &cells, steps)?),
        _ => None,
    };
    drop(subject);
    let compared = match (&config.compare, layer) {
        (Some(compare), Some(layer)) => Some(work.compare(layer, compare, &norms)?),
        _ => None,
    };
    work.answers.finish()?;

    let mut report = LayersReport {
        cells,
        norms,
        choices: choices.to_vec(),
        published: published(&config.model, &inputs.trait_.name),
        confirmed,
        range,
        compared,
        examples,
        verdict: Vec::new(),
        study: Study::default(),
        files: Vec::new(),
        damage: folder.take_damage(),
    };
    report::write(inputs, &lock, &folder, &mut report)?;
    Ok(report)
}

/// What the answers depend on. The grid itself is not in it: another grid adds to what is there.
fn lock(inputs: &Inputs<'_>, judge: &str) -> Result<Lock> {
    let config = inputs.config;
    let mut lock = Lock::new(inputs.runtime.device(), vec![config.sampling.seed]);
    lock.hashes.extend(inputs.hashes.iter().map(|(name, hash)| ((*name).to_owned(), hash.clone())));
    let trait_ = inputs.trait_;
    for (name, hash) in [
        ("vectors", Hash::of(&inputs.vectors.fingerprint)),
        ("trait", Hash::of(&(&trait_.name, &trait_.extract.questions, &trait_.eval.questions))),
        ("sampling", Hash::of(&config.sampling)),
        ("positions", Hash::of(&config.positions)),
        ("judge", config.judge.hash()?),
        ("rubric", Hash::of(&trait_.eval.eval_prompt)),
    ] {
        lock.hashes.insert(name.to_owned(), hash);
    }
    lock.notes.insert("judge".to_owned(), judge.to_owned());
    Ok(lock)
}

#[cfg(test)]
mod tests;
