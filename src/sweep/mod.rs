//! Layer selection (METHOD C.6): steer every layer by itself at several strengths, score the answers, choose.
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
mod positions;
mod range;
mod report;
mod rules;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use positions::Compared;
pub use range::{Range, Tried, next_coef};
pub use rules::{Cell, Choice, Rule, constrained, paper, published, written};

use self::answers::Answers;
use crate::eval::{self, Point, Row, Task};
use crate::judge::{Judge, JudgeSource};
use crate::language_model::{LanguageModel, Sampling};
use crate::persona::Trait;
use crate::record::{Hash, Lock, RunDir};
use crate::report::{Example, Study};
use crate::runtime::{ModelSpec, Runtime};
use crate::stats::Interval;
use crate::steering::{Part, Positions, SteeringPlan};
use crate::vector::{Layer, VectorFile};
use crate::{Error, Result, ensure};

/// Which of a trait's two sets of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The ones that the vector was made from: to choose by.
    #[default]
    Extract,
    /// The others: to report on.
    Eval,
}

impl Split {
    /// Its name in rows and tables.
    pub fn key(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Eval => "eval",
        }
    }
}

/// Everything that decides the numbers besides the model, the vectors, the trait and the judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayersConfig {
    /// The model's name.
    pub model: String,
    /// Folder of an adapter that it wears.
    pub adapter: Option<PathBuf>,
    /// The file of persona vectors.
    pub vectors: PathBuf,
    /// The layers of the grid, ascending.
    pub layers: Vec<Layer>,
    /// The coefficients of the grid, ascending, none of them 0.
    pub coefs: Vec<f64>,
    /// Which questions choose.
    pub split: Split,
    /// Only so many of them.
    pub questions: Option<usize>,
    /// Which tokens are steered.
    pub positions: Positions,
    /// The paper's rule compares the layers at this coefficient.
    pub at: f64,
    /// The other rule's: the least mean coherence.
    pub min_coherence: f64,
    /// Whose layer the confirmation, the range and the comparison of positions use.
    pub choose: Rule,
    /// Whether the choices are asked the other split's questions too.
    pub confirm: bool,
    /// Search the largest useful coefficient with at most so many further batches.
    pub range_steps: Option<usize>,
    /// Compare the token positions' directions at these norms.
    pub compare: Option<Compare>,
    /// How answers are drawn, and how many per question.
    pub sampling: Sampling,
    /// Who scores them.
    pub judge: JudgeSource,
}

/// Steering norms of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compare {
    /// As they are.
    Norms(Vec<f64>),
    /// As fractions of the residual's mean norm at the layer.
    Fractions(Vec<f64>),
}

/// What a run works with.
pub struct Inputs<'a> {
    /// The settings.
    pub config: &'a LayersConfig,
    /// Folder of the model.
    pub model: &'a Path,
    /// The vectors.
    pub vectors: &'a VectorFile,
    /// The trait.
    pub trait_: &'a Trait,
    /// The machine.
    pub runtime: &'a dyn Runtime,
    /// Hashes of what the answers depend on besides the settings: the model, the adapter.
    pub hashes: Vec<(&'static str, Hash)>,
    /// Whether answers to other settings in the folder may be thrown away.
    pub overwrite: bool,
}

/// What came out.
#[derive(Debug, Clone)]
pub struct LayersReport {
    /// The grid, coefficient 0 first, then by layer and coefficient.
    pub cells: Vec<Cell>,
    /// Mean norm of the residual stream at a response token, and norm of the vector, by layer from 1.
    pub norms: Vec<Norms>,
    /// The choice of each rule, the paper's first; nothing where no cell qualifies.
    pub choices: Vec<(Rule, Option<Choice>)>,
    /// The layer that the paper chose for this model and trait.
    pub published: Option<Layer>,
    /// The choices on the other split, in their order, coefficient 0 first.
    pub confirmed: Vec<Cell>,
    /// The range of coefficients.
    pub range: Option<Range>,
    /// The token positions.
    pub compared: Option<Compared>,
    /// Answers of the chosen cells and of coefficient 0.
    pub examples: Vec<Example>,
    /// The choices, and what was searched and left out, a sentence each.
    pub verdict: Vec<String>,
    /// Everything as `results.json` has it.
    pub study: Study,
    /// What was written, the page first.
    pub files: Vec<PathBuf>,
}

/// A layer's norms, by which a coefficient is read as a fraction of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Norms {
    /// The layer.
    pub layer: Layer,
    /// Mean of ‖h‖ over response tokens, unsteered.
    pub residual: Interval,
    /// ‖v‖.
    pub vector: f32,
}

impl Norms {
    /// The shift at a coefficient as a fraction of the residual's mean norm.
    pub fn fraction(&self, coef: f64) -> f64 {
        coef.abs() * f64::from(self.vector) / self.residual.mean
    }
}

/// Hears what is going on: the part of the work, how many of its answers are there, and how many there will be.
pub type Tell<'a> = dyn FnMut(&str, usize, usize) + 'a;

/// A run at work.
struct Work<'a> {
    inputs: &'a Inputs<'a>,
    judge: &'a mut dyn Judge,
    tell: &'a mut Tell<'a>,
    run: &'a RunDir,
    answers: Answers,
    /// Of everything that the answers depend on.
    key: Hash,
}

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
    let lock = lock(inputs, judge.name());
    let answers = Answers::open(&folder, &lock, inputs.overwrite)?;
    folder.write_lock(&lock)?;
    folder.write_config(config)?;
    let key = Hash::of(&(&lock.hashes, &lock.device));
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
    };
    report::write(inputs, &lock, &folder, &mut report)?;
    Ok(report)
}

/// What the answers depend on. The grid itself is not in it: another grid adds to what is there.
fn lock(inputs: &Inputs<'_>, judge: &str) -> Lock {
    let config = inputs.config;
    let mut lock = Lock::new(inputs.runtime.device(), vec![config.sampling.seed]);
    lock.hashes.extend(inputs.hashes.iter().map(|(name, hash)| ((*name).to_owned(), hash.clone())));
    let trait_ = inputs.trait_;
    for (name, hash) in [
        ("vectors", Hash::of(&inputs.vectors.fingerprint)),
        ("trait", Hash::of(&(&trait_.name, &trait_.extract, &trait_.eval))),
        ("sampling", Hash::of(&config.sampling)),
        ("positions", Hash::of(&config.positions)),
        ("judge", Hash::of(&config.judge.identity())),
    ] {
        lock.hashes.insert(name.to_owned(), hash);
    }
    lock.notes.insert("judge".to_owned(), judge.to_owned());
    lock
}

impl Work<'_> {
    fn language_model(&self, plan: SteeringPlan) -> Result<Box<dyn LanguageModel>> {
        let (model, adapter) = (self.inputs.model.to_owned(), self.inputs.config.adapter.clone());
        self.inputs.runtime.language_model(&ModelSpec { model, adapter, plan })
    }

    /// A part for each layer, all at coefficient 0.
    fn grid_plan(&self) -> SteeringPlan {
        let config = self.inputs.config;
        let part =
            |&layer: &Layer| SteeringPlan::rows(&self.inputs.vectors.response_avg, &[layer], 0.0, config.positions);
        config.layers.iter().map(part).fold(SteeringPlan::none(), SteeringPlan::and)
    }

    /// Coefficient 0, then every layer at every coefficient.
    fn grid_points(&self) -> Vec<Point> {
        let config = self.inputs.config;
        let cells = config.layers.iter().flat_map(|&layer| config.coefs.iter().map(move |&coef| (layer, coef)));
        std::iter::once(self.unsteered()).chain(cells.map(|(layer, coef)| self.point(layer, coef))).collect()
    }

    fn unsteered(&self) -> Point {
        Point { coef: 0.0, layer: None, coefs: vec![0.0; self.inputs.config.layers.len()] }
    }

    /// One layer of the grid's plan at a coefficient.
    fn point(&self, layer: Layer, coef: f64) -> Point {
        let coefs = self.inputs.config.layers.iter().map(|&l| if l == layer { coef as f32 } else { 0.0 });
        Point { coef: coef as f32, layer: Some(layer), coefs: coefs.collect() }
    }

    fn task(&self, split: Split, name: &str) -> Task {
        let (trait_, config) = (self.inputs.trait_, self.inputs.config);
        let all = match split {
            Split::Extract => &trait_.extract.questions,
            Split::Eval => &trait_.eval.questions,
        };
        let questions = &all[..config.questions.unwrap_or(all.len()).min(all.len())];
        let name = format!("{name}, {} split", split.key());
        Task { name, ..eval::traits::task(&trait_.name, questions, None, &config.sampling) }
    }

    fn ask(&mut self, subject: &mut dyn LanguageModel, split: Split, name: &str, points: &[Point]) -> Result<Vec<Row>> {
        let task = self.task(split, name);
        let tell = &mut self.tell;
        self.answers.ask(subject, self.judge, &task, points, &mut |done, of| tell(name, done, of))
    }

    fn cells(&self, rows: &[Row]) -> Vec<Cell> {
        rules::cells(rows, &self.inputs.trait_.name, self.inputs.config.sampling.seed)
    }

    fn choose(&self, rule: Rule, cells: &[Cell]) -> Option<Choice> {
        let config = self.inputs.config;
        match rule {
            Rule::Paper => paper(cells, config.at, config.sampling.seed),
            Rule::Coherent => constrained(cells, config.min_coherence, config.sampling.seed),
        }
    }

    /// The choices on the questions that did not choose.
    fn confirm(&mut self, subject: &mut dyn LanguageModel, choices: &[(Rule, Option<Choice>)]) -> Result<Vec<Cell>> {
        if !self.inputs.config.confirm {
            return Ok(Vec::new());
        }
        let mut points = vec![self.unsteered()];
        for choice in choices.iter().filter_map(|(_, choice)| choice.as_ref()) {
            let point = self.point(choice.cell.layer.expect("a choice has a layer"), choice.cell.coef);
            if !points.contains(&point) {
                points.push(point);
            }
        }
        let other = match self.inputs.config.split {
            Split::Extract => Split::Eval,
            Split::Eval => Split::Extract,
        };
        let rows = self.ask(subject, other, "grid", &points)?;
        Ok(self.cells(&rows))
    }
}

impl Choice {
    /// A part of a plan that steers as the choice says.
    ///
    /// # Errors
    /// If the vectors have no such layer.
    pub fn part(&self, vectors: &VectorFile, positions: Positions) -> Result<Part> {
        let layer = self.cell.layer.filter(|l| l.row() <= vectors.response_avg.layers());
        let layer = layer.ok_or_else(|| Error::new("the choice names no layer of these vectors"))?;
        let mut plan = SteeringPlan::rows(&vectors.response_avg, &[layer], self.cell.coef as f32, positions);
        Ok(plan.parts.remove(0))
    }
}

#[cfg(test)]
mod tests;
